/**
 * What one message between two replicas costs: frames on one authenticated connection each way, over loopback, both ends in
 * this process, so a round trip is all of the work of both sides and no wake-up across cores.
 *
 *     node bench/peer-frames.mjs [rounds]
 */
import { createServer } from 'node:http';
import { register } from 'tsx/esm/api';

const unregister = register();
const { HttpNetwork } = await import('../src/adapters/network-http/http-network.ts');
const { NodeClocks } = await import('../src/adapters/clocks-node/node-clocks.ts');
const { NodeRandomness } = await import('../src/adapters/randomness-node/node-randomness.ts');
const { FrameOpener, FrameSealer, messageFrameBytesMax, readMessageFrame, startMessageFrame } = await import(
  '../src/formats/peer-frame.ts'
);
const { writeMessage } = await import('../src/formats/message.ts');
const { frameMac, secretKey } = await import('../src/adapters/network-http/secret.ts');
await unregister();

const rounds = Number(process.argv[2] ?? 50_000);
const ballot = { round: 7, name: 'n1', incarnation: 1 };
const accepted = { kind: 'accepted', ballot, instance: 123_456, chosenUpTo: 123_455, appliedUpTo: 123_455 };
const acceptOf = (bytes, items = 1) => ({
  kind: 'accept',
  ballot,
  instance: 123_456,
  value: {
    kind: 'submitted',
    epoch: 3,
    cellTimeMs: 1_000,
    items: Array.from({ length: items }, () => new Uint8Array(bytes)),
  },
  chosenUpTo: 123_455,
  leaseMs: 500,
});

async function start(id) {
  const server = createServer((request, response) => network.handlePeerRequest(request, response));
  server.on('upgrade', (...upgrade) => network.handleUpgrade(...upgrade));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const network = new HttpNetwork({
    self: id,
    cell: 'bench',
    secret: new Uint8Array(32),
    generation: 0,
    boot: { number: 1, id: 'bench' },
    programVersion: '0.0.0',
    clocks: new NodeClocks(),
    randomness: new NodeRandomness(),
    admit: () => ({ ok: true }),
    flushNumber: () => 1,
    logger: { debug() {}, info() {}, warn() {} },
  });
  return { id, network, server, url: `http://127.0.0.1:${server.address().port}` };
}

const [a, b] = [await start('n1#1'), await start('n2#1')];
a.network.setPeers([b]);
b.network.setPeers([a]);
const ready = () => a.network.counters.framesReceived >= 2 && b.network.counters.framesReceived >= 2;
while (!ready()) await new Promise((resolve) => setTimeout(resolve, 5));

/** One message there, one `accepted` back, one after the other. */
function roundTrips(message, count) {
  return new Promise((resolve) => {
    let left = count;
    b.network.onMessage((from) => b.network.send(from, accepted));
    a.network.onMessage(() => {
      if (--left === 0) resolve();
      else a.network.send(b.id, message);
    });
    a.network.send(b.id, message);
  });
}

/** Many messages a turn in one direction. */
async function burst(message, count, aTurn) {
  let got = 0;
  b.network.onMessage(() => got++);
  for (let sent = 0; sent < count; sent += aTurn) {
    for (let i = 0; i < aTurn; i++) a.network.send(b.id, message);
    while (sent + aTurn - got > 4 * aTurn) await new Promise(setImmediate);
  }
  while (got < count) await new Promise(setImmediate);
}

async function row(what, count, work) {
  await work(Math.ceil(count / 10));
  const cpu = process.cpuUsage();
  const startedMs = performance.now();
  await work(count);
  const wallUs = ((performance.now() - startedMs) * 1000) / count;
  const used = process.cpuUsage(cpu);
  const cpuUs = (used.user + used.system) / count;
  console.log(`${what.padEnd(58)} ${wallUs.toFixed(2).padStart(9)} µs  ${cpuUs.toFixed(2).padStart(9)} µs CPU`);
}

console.log(`${''.padEnd(58)} ${'elapsed'.padStart(9)}`);
await row('round trip: accept of 100 bytes, accepted', rounds, (n) => roundTrips(acceptOf(100), n));
await row('round trip: accept of 64 items of 150 bytes, accepted', rounds / 4, (n) => roundTrips(acceptOf(150, 64), n));
await row('round trip: accept of 256 KiB, accepted', rounds / 50, (n) => roundTrips(acceptOf(262_144), n));
await row('one way: accepted, 16 a frame', rounds * 4, (n) => burst(accepted, Math.ceil(n / 16) * 16, 16));

const mac = frameMac(secretKey(new Uint8Array(32)));
const [sealer, opener] = [new FrameSealer(mac), new FrameOpener(mac, messageFrameBytesMax)];
await row('no connection: encode, seal, open, decode one accepted', rounds * 2, async (n) => {
  for (let i = 0; i < n; i++) {
    const frame = startMessageFrame({ boot: 1, flush: i });
    writeMessage(frame, accepted);
    for (const piece of sealer.seal(frame)) opener.push(piece);
    readMessageFrame(opener.next());
  }
});

for (const { network, server } of [a, b]) {
  await network.close();
  server.close();
}
