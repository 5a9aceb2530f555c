/**
 * etcd through its HTTP gateway (`/v3/kv/…`): JSON with keys and values in base64.
 *
 * Every load connection has the same five operations, see `systems/README.md`.
 */
import { HttpConnection } from './http-connection.mjs';

const base64 = (text) => Buffer.from(text, 'latin1').toString('base64');

export class EtcdConnection {
  #http;

  constructor(http) {
    this.#http = http;
  }

  static async connect(address) {
    return new EtcdConnection(await HttpConnection.connect(address));
  }

  #post(path, body, done) {
    this.#http.request(
      `POST ${path} HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      (error, answer) => {
        if (error !== null) done(error, '');
        else if (answer.status !== 200)
          done(new Error(`etcd answered ${answer.status}: ${answer.text().slice(0, 200)}`), '');
        else done(null, answer.text());
      },
    );
  }

  put(key, value, done) {
    this.#post('/v3/kv/put', `{"key":"${base64(key)}","value":"${base64(value)}"}`, done);
  }

  /** Linearizable: the gateway's default. */
  get(key, done) {
    this.#post('/v3/kv/range', `{"key":"${base64(key)}"}`, (error, text) => {
      if (error !== null) return done(error, null);
      const value = /"value":"([^"]*)"/.exec(text);
      if (value === null) return done(new Error(`etcd has no value for ${key}`), null);
      done(null, Buffer.from(value[1], 'base64').latin1Slice());
    });
  }

  /** The token is the entry's modification revision. */
  token(key, done) {
    this.#post('/v3/kv/range', `{"key":"${base64(key)}"}`, (error, text) => {
      if (error !== null) return done(error, null);
      const revision = /"mod_revision":"(\d+)"/.exec(text);
      if (revision === null) return done(new Error(`etcd has no entry for ${key}`), null);
      done(null, revision[1]);
    });
  }

  swap(key, value, token, done) {
    const name = base64(key);
    const body =
      `{"compare":[{"key":"${name}","target":"MOD","result":"EQUAL","mod_revision":"${token}"}],` +
      `"success":[{"request_put":{"key":"${name}","value":"${base64(value)}"}}]}`;
    this.#post('/v3/kv/txn', body, (error, text) => {
      if (error !== null) return done(error, null);
      if (!text.includes('"succeeded":true')) return done(new Error(`etcd refused the swap: ${text}`), null);
      // A transaction that wrote raised the revision of the whole store; the entry now carries just that one.
      done(null, /"revision":"(\d+)"/.exec(text)[1]);
    });
  }

  /** One transaction. etcd takes up to 128 operations in one. */
  create(entries, done) {
    const puts = entries.map(([key, value]) => `{"request_put":{"key":"${base64(key)}","value":"${base64(value)}"}}`);
    this.#post('/v3/kv/txn', `{"success":[${puts.join(',')}]}`, (error, text) => {
      if (error !== null) return done(error);
      done(text.includes('"succeeded":true') ? null : new Error(`etcd refused the transaction: ${text.slice(0, 200)}`));
    });
  }

  close() {
    this.#http.close();
  }
}
