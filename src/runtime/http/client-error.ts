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

/** Answers when that is possible; the status of the answer, or null. */
export function answerClientError(error: ParserError, socket: Socket, position: string): number | null {
  // Set by Node.js to the answer in progress; a second head after the first would be taken for its body.
  const current = (socket as Socket & { _httpMessage?: ServerResponse })._httpMessage;
  if (error.code === 'ECONNRESET' || !socket.writable || current?.headersSent === true) {
    socket.destroy();
    return null;
  }
  const [code, detail] = meaning(error);
  const { status, headers, body } = problemAnswer(code, detail);
  const all = [...headers, 'Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close'];
  if (position !== '') all.push('Paxos-Position', position);
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nDate: ${new Date().toUTCString()}\r\n`;
  for (let i = 0; i < all.length; i += 2) head += `${all[i]}: ${all[i + 1]}\r\n`;
  socket.end(`${head}\r\n${body}`, () => socket.destroy());
  return status;
}
