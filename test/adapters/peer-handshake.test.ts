import { Agent, type IncomingMessage, request } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { NodeClocks } from '../../src/adapters/clocks-node/node-clocks.ts';
import { type DialOutcome, dial } from '../../src/adapters/network-http/dialer.ts';
import { defaultPeerLimits, type HttpNetworkOptions } from '../../src/adapters/network-http/options.ts';
import { parsePeerUrl } from '../../src/adapters/network-http/peer-url.ts';
import { secretKey } from '../../src/adapters/network-http/secret.ts';
import { dialerProof, type PeerContext } from '../../src/adapters/network-http/session.ts';
import { NodeRandomness } from '../../src/adapters/randomness-node/node-randomness.ts';
import { type ReplicaId, replicaId } from '../../src/core/consensus/identity.ts';
import { encodeHello, type Hello } from '../../src/formats/handshake.ts';
import { FrameSealer, startFrame, startMessageFrame } from '../../src/formats/peer-frame.ts';
import type { Admission, PeerHello } from '../../src/ports/network.ts';
import { n1, n2, n3 } from '../contract/network.ts';
import { cellSecret, createPeerTestServer, type PeerStation, quiet, startPeer, until } from './peer-cell.ts';

const open: { kill(): Promise<void> }[] = [];
const peer = async (...args: Parameters<typeof startPeer>): Promise<PeerStation> => {
  const station = await startPeer(...args);
  open.push(station);
  return station;
};
afterEach(async () => {
  for (const it of open.splice(0)) await it.kill();
});

/** Somebody who knows the protocol and says what the test wants. */
function stranger(self: ReplicaId, options: Partial<HttpNetworkOptions> = {}): PeerContext {
  const all: HttpNetworkOptions = {
    self,
    cell: 'test-cell',
    secret: cellSecret,
    generation: 0,
    boot: { number: 1, id: 'stranger' },
    programVersion: '0.1.0',
    clocks: new NodeClocks(),
    randomness: new NodeRandomness(),
    admit: () => ({ ok: true }),
    flushNumber: () => 0,
    promiseFlush: () => 0,
    logger: quiet,
    ...options,
  };
  return { options: all, limits: defaultPeerLimits, secret: secretKey(all.secret) };
}

const dialled = (context: PeerContext, to: PeerStation, id = to.id): Promise<DialOutcome> =>
  new Promise((resolve) => {
    const what = { to: id, address: parsePeerUrl(to.url), purpose: 'stream', path: '/peer/v1/stream' } as const;
    dial(context, what, (outcome) => {
      if (outcome.kind === 'open') outcome.socket.destroy();
      resolve(outcome);
    });
  });

describe('the handshake lets in nobody', () => {
  const removed: Extract<Admission, { ok: false }> = {
    ok: false,
    status: 403,
    code: 'PAXOS_MEMBER_REMOVED',
    message: 'It was removed.',
  };
  const admitN1 = { admit: (hello: PeerHello): Admission => (hello.id === n1 ? { ok: true } : removed) };
  const cases: readonly [who: string, context: () => PeerContext, to: ReplicaId, status: number, code: string][] = [
    ['without the secret', () => stranger(n1, { secret: new Uint8Array(32) }), n2, 401, 'PAXOS_PEER_UNAUTHENTICATED'],
    ['of another cell', () => stranger(n1, { cell: 'other' }), n2, 403, 'PAXOS_WRONG_CELL'],
    ['of another generation', () => stranger(n1, { generation: 1 }), n2, 403, 'PAXOS_WRONG_GENERATION'],
    ['who is this replica itself', () => stranger(n2), n2, 403, 'PAXOS_PEER_SELF'],
    ['who is not a member', () => stranger(n3), n2, 403, 'PAXOS_MEMBER_REMOVED'],
    ['of an older incarnation', () => stranger(replicaId('n1', 0)), n2, 403, 'PAXOS_MEMBER_REMOVED'],
    ['who means an older incarnation', () => stranger(n1), replicaId('n2', 0), 403, 'PAXOS_PEER_OTHER_MEMBER'],
  ];
  for (const [who, context, to, status, code] of cases) {
    it(`${who}: ${status} ${code}, counted`, async () => {
      const b = await peer(n2, admitN1);
      const outcome = await dialled(context(), b, to);
      expect(outcome).toMatchObject({ kind: 'refused', refusal: { status, code } });
      expect(b.port.counters.refusedInbound.get(code)).toBe(1);
      expect(b.port.connected()).toEqual([]);
    });
  }

  it('who is out and looks for an earlier life of this member: told so, as all whom it knows may be gone', async () => {
    const b = await peer(n2, { removed: (id) => (id === n3 ? removed : null) });
    const earlier = replicaId('n2', 0);
    expect(await dialled(stranger(n3), b, earlier)).toMatchObject({
      refusal: { code: 'PAXOS_MEMBER_REMOVED', authentic: true },
    });
    expect(await dialled(stranger(n1), b, earlier)).toMatchObject({ refusal: { code: 'PAXOS_PEER_OTHER_MEMBER' } });
  });

  it('signs its refusals for those who have the secret, and for no others', async () => {
    const b = await peer(n2, admitN1);
    const known = await dialled(stranger(n3), b);
    expect(known).toMatchObject({ refusal: { authentic: true } });
    const unknown = await dialled(stranger(n3, { secret: new Uint8Array(32) }), b);
    expect(unknown).toMatchObject({ refusal: { authentic: false } });
  });

  it('of an earlier boot than one heard of, nor of another disk with the same number', async () => {
    const b = await peer(n2);
    expect(await dialled(stranger(n1, { boot: { number: 5, id: 'five' } }), b)).toMatchObject({ kind: 'open' });
    for (const boot of [
      { number: 4, id: 'four' },
      { number: 5, id: 'another five' },
    ]) {
      expect(await dialled(stranger(n1, { boot: { ...boot, id: boot.id.replace(' ', '-') } }), b)).toMatchObject({
        refusal: { status: 403, code: 'PAXOS_PEER_OLD_BOOT', authentic: true },
      });
    }
  });
});

describe('the dialling side', () => {
  it('does not take what it thinks of the other side for a word of that side', async () => {
    // A rolled-back member would be heard to say that this one was rolled back, and with the two of them a cell of three freezes.
    const rolledBack: Admission = { ok: false, status: 409, code: 'PAXOS_DATA_ROLLED_BACK', message: 'n2 is older.' };
    const b = await peer(n2);
    const a = await peer(n1, { admit: (hello) => (hello.id === n2 ? rolledBack : { ok: true }) });
    const told: string[] = [];
    a.port.onPeerRefusal((_from, { code }) => told.push(code));
    a.port.setPeers([{ id: n2, url: b.url }]);
    await until(() => a.port.counters.refusedOutbound.has(rolledBack.code));
    expect(told).toEqual([]);
  });

  it('gives no frame to a server that has not the secret', async () => {
    // It speaks the protocol, takes the hello and the proof, and answers 101 with a proof of its own making.
    const a = await peer(n1);
    const impostor = await createPeerTestServer();
    open.push({ kill: () => impostor.close() });
    const got: Buffer[] = [];
    impostor.server.removeAllListeners('request');
    impostor.server.on('request', (_, response) => {
      const hello = hello1({ from: n2, to: n1 });
      response.writeHead(204, { 'paxos-peer-hello': encodeHello(hello).toString('base64url') }).end();
    });
    impostor.server.removeAllListeners('upgrade');
    impostor.server.on('upgrade', (_, socket) => {
      socket.on('data', (chunk) => got.push(chunk));
      const proof = Buffer.alloc(32).toString('base64url');
      socket.write(`HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: paxos-peer\r\nPaxos-Proof: ${proof}\r\n\r\n`);
    });
    a.port.setPeers([{ id: n2, url: `http://127.0.0.1:${impostor.port}` }]);
    await until(() => (a.port.counters.refusedOutbound.get('PAXOS_PEER_UNAUTHENTICATED') ?? 0) > 0);
    expect(Buffer.concat(got).length).toBe(0);
    expect(a.port.connected()).toEqual([]);
  });

  it('follows no redirect', async () => {
    const a = await peer(n1);
    const b = await peer(n2);
    const redirecting = await createPeerTestServer();
    open.push({ kill: () => redirecting.close() });
    redirecting.server.removeAllListeners('request');
    redirecting.server.on('request', (asked: IncomingMessage, response) => {
      response.writeHead(307, { location: `${b.url}${asked.url}` }).end();
    });
    a.port.setPeers([{ id: n2, url: `http://127.0.0.1:${redirecting.port}` }]);
    await until(() => a.port.counters.refusedOutbound.size > 0);
    expect(b.port.counters.connectionsOpened).toBe(0);
    expect(a.port.connected()).toEqual([]);
  });

  it('gives up a server that never answers', async () => {
    const a = await peer(n1, { limits: { handshakeMs: 50 } });
    const silent = await createPeerTestServer();
    open.push({ kill: () => silent.close() });
    silent.server.removeAllListeners('request');
    silent.server.on('request', () => {});
    a.port.setPeers([{ id: n2, url: `http://127.0.0.1:${silent.port}` }]);
    await until(() => a.port.counters.dialsFailed > 1);
  });

  it('dials no address that is none of a replica', async () => {
    const a = await peer(n1);
    const bad = ['http://169.254.169.254/', 'file:///etc/passwd', 'https://127.0.0.1:1', 'http://u:p@127.0.0.1:1', ''];
    a.port.setPeers(bad.map((url, i) => ({ id: replicaId('bad', i), url })));
    a.port.send(replicaId('bad', 0), { kind: 'catch-up', nonce: 1, from: 1 as never, to: 2 as never });
    expect(a.port.counters.droppedUnreachable).toBe(1);
    await expect(a.port.fetchSnapshot(replicaId('bad', 0), 0, async () => {})).rejects.toMatchObject({
      reason: 'unreachable',
    });
  });
});

const hello1 = (over: Partial<Hello>): Hello => ({
  protocols: { min: 1, max: 1 },
  purpose: 'stream',
  cell: 'test-cell',
  generation: 0,
  from: n1,
  to: n2,
  boot: { number: 1, id: 'one' },
  flush: 0,
  programVersion: '0.1.0',
  nonce: new Uint8Array(32),
  testimony: null,
  ...over,
});

describe('the accepting side answers what is no handshake', () => {
  const ask = (
    station: PeerStation,
    path: string,
    headers: Record<string, string> = {},
    method = 'GET',
    agent?: Agent,
  ) =>
    new Promise<{ status: number; code: string; headers: IncomingMessage['headers'] }>((resolve, reject) => {
      const asked = request(`${station.url}${path}`, { method, headers, ...(agent ? { agent } : {}) }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const code = text === '' ? '' : (JSON.parse(text) as { code: string }).code;
          resolve({ status: response.statusCode ?? 0, code, headers: response.headers });
        });
      });
      asked.on('error', reject);
      asked.end();
    });
  const upgrade = { connection: 'Upgrade', upgrade: 'paxos-peer' };
  const encoded = (hello: Hello) => ({ 'paxos-peer-hello': encodeHello(hello).toString('base64url') });

  it.each([
    ['no hello', '/peer/v1/challenge', {}, 'GET', 400, 'PAXOS_PEER_BAD_HELLO'],
    ['no bytes of a hello', '/peer/v1/challenge', { 'paxos-peer-hello': '%%%' }, 'GET', 400, 'PAXOS_PEER_BAD_HELLO'],
    [
      'a long hello',
      '/peer/v1/challenge',
      { 'paxos-peer-hello': 'A'.repeat(9000) },
      'GET',
      400,
      'PAXOS_PEER_BAD_HELLO',
    ],
    [
      'another version',
      '/peer/v1/challenge',
      encoded(hello1({ protocols: { min: 2, max: 9 } })),
      'GET',
      409,
      'PAXOS_PEER_VERSION',
    ],
    ['another method', '/peer/v1/challenge', {}, 'POST', 405, 'PAXOS_METHOD_NOT_ALLOWED'],
    ['a stream without upgrade', '/peer/v1/stream', {}, 'GET', 426, 'PAXOS_PEER_UPGRADE'],
    [
      'an upgrade to something else',
      '/peer/v1/stream',
      { ...upgrade, upgrade: 'websocket' },
      'GET',
      426,
      'PAXOS_PEER_UPGRADE',
    ],
    ['an upgrade somewhere else', '/v1/status', upgrade, 'GET', 404, 'PAXOS_UNKNOWN_PATH'],
    ['an upgrade without challenge', '/peer/v1/stream', upgrade, 'GET', 401, 'PAXOS_PEER_NO_CHALLENGE'],
    ['a snapshot without challenge', '/peer/v1/snapshot?above=0', {}, 'GET', 401, 'PAXOS_PEER_NO_CHALLENGE'],
  ] as const)('%s', async (_, path, headers, method, status, code) => {
    const b = await peer(n2);
    const answer = await ask(b, path, headers, method);
    expect(answer).toMatchObject({ status, code });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(b.port.counters.refusedInbound.get(code)).toBe(1);
  });

  it('a proof that was good once, on another connection', async () => {
    const b = await peer(n2);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const dialer = encodeHello(hello1({}));
    const { headers } = await ask(b, '/peer/v1/challenge', encoded(hello1({})), 'GET', agent);
    const acceptor = Buffer.from(String(headers['paxos-peer-hello']), 'base64url');
    const proof = dialerProof(secretKey(cellSecret), { dialer, acceptor, target: 'GET /peer/v1/stream' });
    const again = { ...upgrade, 'paxos-proof': proof.toString('base64url') };
    expect(await ask(b, '/peer/v1/stream', again)).toMatchObject({ status: 401, code: 'PAXOS_PEER_NO_CHALLENGE' });
    // A challenge of that other connection's own has another nonce.
    const other = new Agent({ keepAlive: true, maxSockets: 1 });
    await ask(b, '/peer/v1/challenge', encoded(hello1({})), 'GET', other);
    expect(await ask(b, '/peer/v1/stream', again, 'GET', other)).toMatchObject({ code: 'PAXOS_PEER_UNAUTHENTICATED' });
    agent.destroy();
    other.destroy();
  });

  it('a challenge answered too late', async () => {
    let nowMs = 0;
    const clocks = new NodeClocks({ monotonicMs: () => nowMs, wallMs: () => 0, bootMs: () => 0 });
    const b = await peer(n2, { clocks, limits: { keepAliveMs: 1e9 } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await ask(b, '/peer/v1/challenge', encoded(hello1({})), 'GET', agent);
    nowMs = 5_001;
    expect(await ask(b, '/peer/v1/stream', upgrade, 'GET', agent)).toMatchObject({ code: 'PAXOS_PEER_NO_CHALLENGE' });
    agent.destroy();
  });
});

describe('an authenticated peer that misbehaves', () => {
  const connected = async (b: PeerStation, context: PeerContext) => {
    const what = { to: b.id, address: parsePeerUrl(b.url), purpose: 'stream', path: '/peer/v1/stream' } as const;
    const outcome = await new Promise<DialOutcome>((resolve) => dial(context, what, resolve));
    if (outcome.kind !== 'open') throw new Error(JSON.stringify(outcome));
    outcome.socket.on('error', () => {});
    return { socket: outcome.socket, sealer: new FrameSealer(outcome.keys.dialer) };
  };
  const setUp = async () => {
    const b = await peer(n2);
    const heard: unknown[] = [];
    b.port.onMessage((_, message) => heard.push(message));
    return { b, heard, ...(await connected(b, stranger(n1))) };
  };

  it('is cut off at a frame that holds no messages, and none of that frame counts', async () => {
    const { b, heard, socket, sealer } = await setUp();
    const frame = startMessageFrame({ boot: 1, flush: 0, promiseFlush: 0 });
    // A good catch-up, then a message of a kind that there is none of.
    frame.writer.u8(9).safe(1).safe(1).safe(2).u8(200);
    for (const piece of sealer.seal(frame)) socket.write(piece);
    await until(() => b.port.counters.framesUndecodable === 1);
    expect(heard).toEqual([]);
    await until(() => b.port.connected().length === 0);
  });

  it('is cut off when it announces more than a frame may hold, before anything is kept for it', async () => {
    const { b, socket } = await setUp();
    socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    await until(() => b.port.counters.framesTampered === 1);
    await until(() => b.port.connected().length === 0);
  });

  it('is cut off when it speaks for another boot than that of its hello', async () => {
    const { b, heard, socket, sealer } = await setUp();
    const frame = startMessageFrame({ boot: 2, flush: 0, promiseFlush: 0 });
    frame.writer.u8(9).safe(1).safe(1).safe(2);
    for (const piece of sealer.seal(frame)) socket.write(piece);
    await until(() => b.port.connected().length === 0);
    expect(heard).toEqual([]);
  });

  it('is cut off at an empty frame without even a mark', async () => {
    const { b, socket, sealer } = await setUp();
    for (const piece of sealer.seal(startFrame(0))) socket.write(piece);
    await until(() => b.port.counters.framesUndecodable === 1);
  });
});
