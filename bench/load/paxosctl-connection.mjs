/** paxosctl through HTTP: raw value bodies, revisions in `ETag`. */
import { HttpConnection } from './http-connection.mjs';

export class PaxosctlConnection {
  #http;
  /** The header line that every request carries; a replica refuses names that are not its own. */
  #host;

  constructor(http, { host, port }) {
    this.#http = http;
    this.#host = `Host: ${host}:${port}`;
  }

  static async connect(address) {
    return new PaxosctlConnection(await HttpConnection.connect(address), address);
  }

  #send(text, done) {
    this.#http.request(text, (error, answer) => {
      if (error !== null) done(error, null);
      else if (answer.status === 200) done(null, answer);
      else done(new Error(`paxosctl answered ${answer.status}: ${answer.text().slice(0, 200)}`), null);
    });
  }

  put(key, value, done) {
    this.#send(
      `PUT /v1/kv/${key} HTTP/1.1\r\n${this.#host}\r\nContent-Length: ${value.length}\r\n\r\n${value}`,
      (error) => done(error),
    );
  }

  /** Linearizable: the default. */
  get(key, done) {
    this.#send(`GET /v1/kv/${key} HTTP/1.1\r\n${this.#host}\r\n\r\n`, (error, answer) => {
      if (error !== null) done(error, null);
      else done(null, answer.text());
    });
  }

  /** The token is the entity tag, quotes and all. */
  token(key, done) {
    this.#send(`GET /v1/kv/${key} HTTP/1.1\r\n${this.#host}\r\n\r\n`, (error, answer) =>
      entityTag(error, answer, done),
    );
  }

  swap(key, value, token, done) {
    this.#send(
      `PUT /v1/kv/${key} HTTP/1.1\r\n${this.#host}\r\nIf-Match: ${token}\r\nContent-Length: ${value.length}\r\n\r\n${value}`,
      (error, answer) => entityTag(error, answer, done),
    );
  }

  /** One batch of independent puts; every one must have succeeded. */
  create(entries, done) {
    const operations = entries.map(([key, value]) => ({ op: 'put', key, value }));
    const body = JSON.stringify({ operations });
    this.#send(
      `POST /v1/batch HTTP/1.1\r\n${this.#host}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`,
      (error, answer) => {
        if (error !== null) return done(error);
        const { results } = JSON.parse(answer.text());
        const good = results.filter((result) => result.ok === true).length;
        if (good !== entries.length) {
          return done(new Error(`paxosctl wrote ${good} of ${entries.length}: ${JSON.stringify(results[0])}`));
        }
        done(null);
      },
    );
  }

  close() {
    this.#http.close();
  }
}

function entityTag(error, answer, done) {
  if (error !== null) return done(error, null);
  const tag = answer.header('etag');
  done(tag === null ? new Error('paxosctl answered without an ETag') : null, tag);
}
