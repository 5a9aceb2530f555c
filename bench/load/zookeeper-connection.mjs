/**
 * A small client of ZooKeeper's binary protocol: a session, create, setData, sync and getData.
 *
 * A frame is a length in 4 bytes and that many bytes. Requests begin with a number and a type; answers with the number,
 * the zxid and an error code, and come in the order of the requests.
 */
import net from 'node:net';

const type = { create: 1, getData: 4, setData: 5, sync: 9, ping: 11, closeSession: -11 };
const pingNumber = -2;
const noticeNumber = -1;
const anyVersion = -1;
const sessionTimeoutMs = 30_000;
const pingEveryMs = 10_000;
const readBufferBytes = 64 * 1024;
/** Answer header: number, zxid, error. */
const answerHeaderBytes = 16;
/** Where the entry's version stands in a Stat. */
const statVersionAt = 32;

/** `perms=31, scheme="world", id="anyone"`, once. */
const openToAll = (() => {
  const scheme = Buffer.from('world');
  const id = Buffer.from('anyone');
  const bytes = Buffer.alloc(4 + 4 + 4 + scheme.length + 4 + id.length);
  bytes.writeInt32BE(1, 0);
  bytes.writeInt32BE(31, 4);
  bytes.writeInt32BE(scheme.length, 8);
  scheme.copy(bytes, 12);
  bytes.writeInt32BE(id.length, 12 + scheme.length);
  id.copy(bytes, 16 + scheme.length);
  return bytes;
})();

export class ZooKeeperConnection {
  #socket;
  #number = 0;
  /** Callbacks of the requests in flight, oldest first. */
  #waiting = [];
  #onSession = null;
  #held = null;
  #closed = false;
  #pinger = null;

  /** Opens a session; that is a write of its own, agreed on by a quorum. */
  static connect({ host, port, timeoutMs = 5000 }) {
    return new Promise((resolve, reject) => {
      const connection = new ZooKeeperConnection();
      const socket = net.connect({
        host,
        port,
        noDelay: true,
        onread: {
          buffer: Buffer.allocUnsafeSlow(readBufferBytes),
          callback: (count, buffer) => connection.#read(buffer.subarray(0, count)),
        },
      });
      connection.#socket = socket;
      const timer = setTimeout(() => socket.destroy(new Error(`no session within ${timeoutMs} ms`)), timeoutMs);
      connection.#onSession = (error) => {
        clearTimeout(timer);
        connection.#onSession = null;
        if (error !== null) return reject(error);
        connection.#pinger = setInterval(() => connection.#ping(), pingEveryMs);
        connection.#pinger.unref();
        resolve(connection);
      };
      socket.once('connect', () => socket.write(connectFrame()));
      socket.on('error', (error) => connection.#fail(error));
      socket.on('close', () => connection.#fail(new Error('the server closed the connection')));
    });
  }

  put(key, value, done) {
    this.#send(this.#setDataFrame(key, value, anyVersion), (error) => done(error));
  }

  /** `sync` and `getData` back to back, as a client does that wants the newest state. */
  get(key, done) {
    const frames = Buffer.concat([this.#pathFrame(type.sync, key, false), this.#pathFrame(type.getData, key, true)]);
    let syncError = null;
    this.#expect((error) => {
      syncError = error;
    });
    this.#send(frames, (error, body) => {
      if (syncError !== null || error !== null) return done(syncError ?? error, null);
      done(null, body.latin1Slice(4, 4 + body.readInt32BE(0)));
    });
  }

  /** The token is the entry's version. */
  token(key, done) {
    this.#send(this.#pathFrame(type.getData, key, true), (error, body) => {
      if (error !== null) return done(error, null);
      done(null, body.readInt32BE(4 + body.readInt32BE(0) + statVersionAt));
    });
  }

  swap(key, value, token, done) {
    this.#send(this.#setDataFrame(key, value, token), (error, body) => {
      if (error !== null) return done(error, null);
      done(null, body.readInt32BE(statVersionAt));
    });
  }

  /** One `create` an entry, all in flight at once. */
  create(entries, done) {
    let open = entries.length;
    let failed = null;
    const one = (error) => {
      failed ??= error;
      open -= 1;
      if (open === 0) done(failed);
    };
    const frames = entries.map(([key, value]) => this.#createFrame(key, value));
    for (let i = 1; i < entries.length; i += 1) this.#expect(one);
    this.#send(Buffer.concat(frames), one);
  }

  /** Ends the session, so that it does not expire in the middle of somebody else's measurement. */
  close() {
    clearInterval(this.#pinger);
    if (this.#closed) return;
    this.#closed = true;
    const frame = Buffer.allocUnsafe(12);
    this.#header(frame, type.closeSession);
    this.#socket.end(frame);
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  #expect(done) {
    this.#waiting.push(done);
  }

  #send(frames, done) {
    if (this.#closed) {
      done(new Error('the connection is closed'), null);
      return;
    }
    this.#waiting.push(done);
    this.#socket.write(frames);
  }

  #ping() {
    const frame = Buffer.allocUnsafe(12);
    frame.writeInt32BE(8, 0);
    frame.writeInt32BE(pingNumber, 4);
    frame.writeInt32BE(type.ping, 8);
    this.#socket.write(frame);
  }

  /** Length, number and type; returns where the request's own fields begin. */
  #header(frame, kind) {
    this.#number = (this.#number + 1) & 0x3fffffff;
    frame.writeInt32BE(frame.length - 4, 0);
    frame.writeInt32BE(this.#number, 4);
    frame.writeInt32BE(kind, 8);
    return 12;
  }

  #setDataFrame(key, value, version) {
    const frame = Buffer.allocUnsafe(12 + 5 + key.length + 4 + value.length + 4);
    let at = writePath(frame, this.#header(frame, type.setData), key);
    at = writeText(frame, at, value);
    frame.writeInt32BE(version, at);
    return frame;
  }

  #createFrame(key, value) {
    const frame = Buffer.allocUnsafe(12 + 5 + key.length + 4 + value.length + openToAll.length + 4);
    let at = writePath(frame, this.#header(frame, type.create), key);
    at = writeText(frame, at, value);
    at += openToAll.copy(frame, at);
    frame.writeInt32BE(0, at);
    return frame;
  }

  #pathFrame(kind, key, watchFlag) {
    const frame = Buffer.allocUnsafe(12 + 5 + key.length + (watchFlag ? 1 : 0));
    const at = writePath(frame, this.#header(frame, kind), key);
    if (watchFlag) frame[at] = 0;
    return frame;
  }

  #read(chunk) {
    let bytes = this.#held === null ? chunk : Buffer.concat([this.#held, chunk]);
    while (bytes.length >= 4) {
      const end = 4 + bytes.readInt32BE(0);
      if (bytes.length < end) break;
      this.#frame(bytes.subarray(4, end));
      bytes = bytes.subarray(end);
    }
    this.#held = bytes.length === 0 ? null : Buffer.from(bytes);
    return true;
  }

  #frame(frame) {
    if (this.#onSession !== null) {
      const refused = frame.readInt32BE(4) <= 0;
      this.#onSession(refused ? new Error('ZooKeeper refused the session') : null);
      return;
    }
    const number = frame.readInt32BE(0);
    if (number === pingNumber || number === noticeNumber) return;
    const done = this.#waiting.shift();
    if (done === undefined) return;
    const code = frame.readInt32BE(12);
    if (code !== 0) done(new Error(`ZooKeeper answered with error ${code}`), null);
    else done(null, frame.subarray(answerHeaderBytes));
  }

  #fail(error) {
    clearInterval(this.#pinger);
    this.#closed = true;
    if (this.#onSession !== null) this.#onSession(error);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done(error, null);
  }
}

function connectFrame() {
  const passwordBytes = 16;
  const frame = Buffer.alloc(4 + 4 + 8 + 4 + 8 + 4 + passwordBytes + 1);
  frame.writeInt32BE(frame.length - 4, 0);
  frame.writeInt32BE(sessionTimeoutMs, 16);
  frame.writeInt32BE(passwordBytes, 28);
  return frame;
}

/** `/key`, length first; returns where it ends. */
function writePath(frame, at, key) {
  frame.writeInt32BE(key.length + 1, at);
  frame[at + 4] = 0x2f;
  frame.latin1Write(key, at + 5);
  return at + 5 + key.length;
}

function writeText(frame, at, text) {
  frame.writeInt32BE(text.length, at);
  frame.latin1Write(text, at + 4);
  return at + 4 + text.length;
}
