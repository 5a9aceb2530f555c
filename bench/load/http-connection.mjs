/**
 * One keep-alive HTTP/1.1 connection with one request in flight: the least that a load generator can do.
 *
 * The generator shares the machine's cores with the servers it measures, so what it spends on a request is taken from
 * them. The same class drives every system that speaks HTTP; none is favoured by a better client.
 */
import net from 'node:net';

const readBufferBytes = 64 * 1024;

/** One answer. `bytes` is only valid until the callback returns. */
export class HttpAnswer {
  constructor(bytes, head, body) {
    this.bytes = bytes;
    /** Status line and header lines, without the empty line. */
    this.head = head;
    this.status = Number(head.slice(9, 12));
    this.body = body;
  }

  /** The body, one character a byte. */
  text() {
    return this.body.latin1Slice(0, this.body.length);
  }

  /** Value of a header, or null. */
  header(name) {
    const at = this.head.toLowerCase().indexOf(`\r\n${name.toLowerCase()}:`);
    if (at < 0) return null;
    const from = at + name.length + 3;
    const to = this.head.indexOf('\r\n', from);
    return this.head.slice(from, to < 0 ? undefined : to).trim();
  }
}

/**
 * The answer that `bytes` hold, or null while it is incomplete.
 * @throws {Error} when the bytes are not one HTTP/1.1 answer with a length.
 */
export function parseAnswer(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const head = bytes.latin1Slice(0, end);
  if (!head.startsWith('HTTP/1.1 ')) throw new Error(`not an HTTP/1.1 answer: ${head.slice(0, 40)}`);
  const bodyAt = end + 4;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head);
  if (length !== null) {
    const bodyEnd = bodyAt + Number(length[1]);
    if (bytes.length < bodyEnd) return null;
    if (bytes.length > bodyEnd) throw new Error('more bytes than the answer has');
    return new HttpAnswer(bytes, head, bytes.subarray(bodyAt, bodyEnd));
  }
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const body = joinChunks(bytes, bodyAt);
    return body === null ? null : new HttpAnswer(bytes, head, body);
  }
  if (head.startsWith('HTTP/1.1 204') || head.startsWith('HTTP/1.1 304')) {
    return new HttpAnswer(bytes, head, bytes.subarray(bodyAt));
  }
  throw new Error(`an answer without a length: ${head.slice(0, 40)}`);
}

function joinChunks(bytes, from) {
  const parts = [];
  for (let at = from; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = Number.parseInt(bytes.latin1Slice(at, lineEnd), 16);
    if (!Number.isInteger(size)) throw new Error('a chunk without a size');
    const next = lineEnd + 2 + size + 2;
    if (bytes.length < next) return null;
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}

export class HttpConnection {
  #socket;
  #done = null;
  /** Copy of the part of an answer that has come so far, or null. */
  #held = null;
  #closed = false;

  /** @throws {Error} when nobody listens, or not within `timeoutMs`. */
  static connect({ host, port, timeoutMs = 5000, localAddress }) {
    return new Promise((resolve, reject) => {
      const connection = new HttpConnection();
      const socket = net.connect({
        host,
        port,
        localAddress,
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafeSlow(readBufferBytes),
          callback: (count, buffer) => connection.#read(buffer.subarray(0, count)),
        },
      });
      connection.#socket = socket;
      const timer = setTimeout(() => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(connection);
      });
      socket.on('error', (error) => {
        clearTimeout(timer);
        reject(error);
        connection.#fail(error);
      });
      socket.on('close', () => {
        connection.#fail(new Error('the server closed the connection'));
      });
    });
  }

  /** Sends one whole request, one character a byte; `done(error, answer)` is called exactly once. */
  request(text, done) {
    if (this.#closed) {
      done(new Error('the connection is closed'), null);
      return;
    }
    if (this.#done !== null) throw new Error('one request at a time');
    this.#done = done;
    this.#socket.write(text, 'latin1');
  }

  close() {
    this.#closed = true;
    this.#socket.destroy();
  }

  #read(chunk) {
    const bytes = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
    let answer;
    try {
      answer = parseAnswer(bytes);
    } catch (error) {
      this.#socket.destroy(error);
      return true;
    }
    if (answer === null) {
      this.#held = this.#held === null ? Buffer.from(chunk) : bytes;
      return true;
    }
    this.#held = null;
    const done = this.#done;
    this.#done = null;
    if (done === null) this.#socket.destroy(new Error('an answer without a request'));
    else done(null, answer);
    return true;
  }

  #fail(error) {
    this.#closed = true;
    const done = this.#done;
    this.#done = null;
    if (done !== null) done(error, null);
  }
}
