/**
 * One process of `bare`: `node bare-member.mjs FILE INDEX PORT,PORT,…`. The first leads for ever. What arrived during the last flush
 * goes into the next: one frame to each follower and one flushed write here; a put is answered when a majority has flushed it. There
 * is no election, no order to agree on, no checksum, no signature, no lease, no history: nothing here would survive a fault.
 */
import fs from 'node:fs';
import http from 'node:http';
import { promisify } from 'node:util';

const fileBytes = 64 * 1024 * 1024;
const blockBytes = 512;
/** As the replicated log: so many batches under way at one time. */
const windowBatches = 2;
/** Of the length of a position mark, so that answers have as many bytes. */
const mark = 'm'.repeat(104);

const [file, indexText, portList] = process.argv.slice(2);
const index = Number(indexText);
const ports = portList.split(',').map(Number);
const write = promisify(fs.write);

const { O_RDWR, O_CREAT, O_DSYNC } = fs.constants;
const fd = fs.openSync(file, O_RDWR | O_CREAT | O_DSYNC);
for (let at = 0, zeros = Buffer.alloc(1024 * 1024); at < fileBytes; at += zeros.length)
  fs.writeSync(fd, zeros, 0, zeros.length, at);
let position = 0;

async function flush(bytes) {
  const padded = Buffer.alloc(Math.ceil(bytes.length / blockBytes) * blockBytes);
  bytes.copy(padded);
  if (position + padded.length > fileBytes) position = 0;
  const at = position;
  position += padded.length;
  await write(fd, padded, 0, padded.length, at);
}

/** Frames of `length, number, bytes`. */
function frame(number, bytes) {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes.length, 0);
  head.writeUInt32BE(number, 4);
  return Buffer.concat([head, bytes]);
}

function onFrames(socket, take) {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 8 && rest.length >= 8 + rest.readUInt32BE(0)) {
      const end = 8 + rest.readUInt32BE(0);
      take(rest.readUInt32BE(4), rest.subarray(8, end));
      rest = rest.subarray(end);
    }
  });
  socket.on('error', () => {});
}

const values = new Map();
let revision = 0;
let pending = [];
const open = new Map();
let batches = 0;
const followers = [];

function propose() {
  if (pending.length === 0 || open.size >= windowBatches) return;
  const number = ++batches;
  const batch = { puts: pending, flushed: 0 };
  pending = [];
  open.set(number, batch);
  const bytes = Buffer.concat(
    batch.puts.flatMap(({ entries }) => entries.flatMap(([key, value]) => [Buffer.from(key), value])),
  );
  const sent = frame(number, bytes);
  for (const follower of followers) follower.write(sent);
  flush(bytes).then(() => flushed(number));
}

function flushed(number) {
  const batch = open.get(number);
  if (batch === undefined || ++batch.flushed <= ports.length / 2) return;
  open.delete(number);
  for (const put of batch.puts) {
    for (const [key, value] of put.entries) values.set(key, { value, revision: ++revision });
    put.done(revision);
  }
  propose();
}

function answer(res, body, etag) {
  res.writeHead(200, [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    'ETag',
    etag,
    'Paxos-Position',
    mark,
  ]);
  res.end(body);
}

function onBody(req, res, body) {
  const put = (entries, done) => {
    pending.push({ entries, done });
    setImmediate(propose);
  };
  if (req.url === '/v1/batch') {
    const { operations } = JSON.parse(body.toString('latin1'));
    put(
      operations.map(({ key, value }) => [key, Buffer.from(value)]),
      (at) => answer(res, JSON.stringify({ results: operations.map(() => ({ ok: true })) }), `"${at}"`),
    );
    return;
  }
  put([[req.url.slice('/v1/kv/'.length), body]], (at) =>
    answer(res, `{"revision":${at},"instance":${at},"epoch":1}`, `"${at}"`),
  );
}

const server = http.createServer({ noDelay: true }, (req, res) => {
  if (req.url === '/role') return res.end(index === 0 ? 'leader' : 'follower');
  if (req.method === 'GET') {
    const { value, revision: at } = values.get(req.url.slice('/v1/kv/'.length));
    return answer(res, value.toString('latin1'), `"${at}"`);
  }
  const chunks = [];
  req.on('data', (chunk) => chunks.push(chunk));
  req.on('end', () => onBody(req, res, chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
});

// Followers take frames at an upgraded connection of the same port.
server.on('upgrade', (_, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: frames\r\n\r\n');
  onFrames(socket, (number, bytes) => {
    flush(bytes).then(() => socket.write(frame(number, Buffer.alloc(0))));
  });
});

function connectTo(port) {
  const headers = { connection: 'Upgrade', upgrade: 'frames' };
  const request = http.request({ port, host: '127.0.0.1', headers });
  request.on('upgrade', (_, socket) => {
    socket.setNoDelay(true);
    onFrames(socket, flushed);
    followers.push(socket);
    if (followers.length === ports.length - 1) server.listen(ports[index], '127.0.0.1');
  });
  request.on('error', () => setTimeout(connectTo, 50, port));
  request.end();
}

if (index === 0) ports.slice(1).forEach(connectTo);
else server.listen(ports[index], '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
