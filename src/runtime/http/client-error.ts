/** Requests that the HTTP parser of Node.js refused: answered on the bare socket, which is closed then. */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorCode } from '../../errors/catalogue.ts';
import { problemAnswer } from './answers.ts';

interface ParserError extends Error {
  readonly code?: string;
  readonly rawPacket?: Buffer;
}

function meaning(error: ParserError): readonly [code: ErrorCode, detail: string] {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return isLongUrl(error.rawPacket)
        ? ['PAXOS_URL_TOO_LONG', 'The URL is longer than allowed.']
        : ['PAXOS_HEADERS_TOO_LARGE', 'The header block is larger than allowed.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['PAXOS_REQUEST_TIMEOUT', 'The request did not arrive in full within the time limit.'];
    default:
      return ['PAXOS_BAD_REQUEST', 'The bytes are not a well-formed HTTP request.'];
  }
}

/** The packet that went over the limit still had no end of the request line. */
const isLongUrl = (packet: Buffer | undefined): boolean =>
  packet !== undefined && !packet.includes('\n') && /^[A-Z]+ \S*$/.test(packet.toString('latin1', 0, 256));

/**
 * Answers when that is possible; the status of the answer, or null.
 *
 * A request that has arrived in full is under way, and a write among them may have been proposed: bytes behind it that
 * are no request must not make "400, outcome none" its answer (I8). The connection is cut then, and the client knows
 * that it knows nothing.
 */
export function answerClientError(error: ParserError, socket: Socket, position: string): number | null {
  // Set by Node.js to the answer in progress; a second head after the first would be taken for its body.
  const current = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
  const underWay = current !== null && (current.headersSent || current.req.complete);
  if (error.code === 'ECONNRESET' || !socket.writable || underWay) {
    socket.destroy();
    return null;
  }
  const [code, detail] = meaning(error);
  return answerOnSocket(socket, position, { code, detail });
}

/** Writes a problem where there is no `ServerResponse`, closes the connection, and returns the status. */
export function answerOnSocket(
  socket: Socket,
  position: string,
  problem: { readonly code: ErrorCode; readonly detail: string; readonly headers?: readonly string[] },
): number {
  const { status, headers, body } = problemAnswer(problem.code, problem.detail, { headers: problem.headers ?? [] });
  const all = [...headers, 'Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close'];
  if (position !== '') all.push('Paxos-Position', position);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nDate: ${new Date().toUTCString()}\r\n`;
  for (let i = 0; i < all.length; i += 2) head += `${all[i]}: ${all[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`, () => socket.destroy());
  return status;
}
