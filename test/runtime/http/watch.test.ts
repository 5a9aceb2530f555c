// biome-ignore-all lint/suspicious/noThenProperty: then is a name of the contract.
/** What a client that watches is told, when it is told nothing more, and what a slow one costs. */
import net from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { eventually, type RunningFront, startFront } from './front.ts';

interface Stream {
  readonly text: () => string;
  /** Ids of the changes that came so far. */
  readonly ids: () => string[];
  readonly ended: () => boolean;
  readonly socket: net.Socket;
}

/** A connection that reads, or does not before `resume`. */
async function watch(
  { port }: RunningFront,
  query = '',
  { lastEventId = null, reads = true }: { readonly lastEventId?: string | null; readonly reads?: boolean } = {},
): Promise<Stream> {
  const pieces: string[] = [];
  const ids: string[] = [];
  let rest = '';
  let ended = false;
  const socket = net.connect(port, '127.0.0.1');
  const resumed = lastEventId === null ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
  socket.write(`GET /v1/watch${query} HTTP/1.1\r\nHost: localhost\r\n${resumed}\r\n`);
  socket.on('data', (chunk) => {
    const piece = chunk.toString('latin1');
    pieces.push(piece);
    rest += piece;
    const end = rest.lastIndexOf('\n\n');
    for (const [, id] of rest.slice(0, end).matchAll(/^id: (\S+)\ndata: \{"op"/gm)) ids.push(id as string);
    if (end > 0) rest = rest.slice(end);
    // The last piece of an answer in pieces.
    if (rest.endsWith('0\r\n\r\n')) ended = true;
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    ended = true;
  });
  const text = (): string => pieces.join('');
  await eventually(() => text().includes('\r\n\r\n'));
  if (!reads) socket.pause();
  return { text, ids: () => ids, ended: () => ended, socket };
}

const put = ({ ask }: RunningFront, key: string, body: string | Buffer = 'x') =>
  ask('PUT', `/v1/kv/${encodeURIComponent(key)}`, { body });

const statusOf = ({ text }: Stream): number => Number(text().slice(9, 12));

describe('a watch', () => {
  it('tells each change once and in order, from now on or from a revision, with what became of the key', async () => {
    const front = await startFront();
    await put(front, 'a', 'one');
    const now = await watch(front);
    const all = await watch(front, '?from=1');
    await put(front, 'b', Buffer.from([0xff]));
    await front.ask('DELETE', '/v1/kv/a');
    await eventually(() => now.ids().length === 2 && all.ids().length === 3);
    expect(now.ids()).toEqual(['2', '3']);
    expect(all.ids()).toEqual(['1', '2', '3']);
    const changes = [...all.text().matchAll(/^data: (\{"op".*\})$/gm)].map(([, json]) => JSON.parse(json as string));
    expect(changes).toEqual([
      { op: 'put', key: 'a', value: 'one', revision: 1, createRevision: 1, version: 1 },
      { op: 'put', key: 'b', valueBase64: '/w==', revision: 2, createRevision: 2, version: 1 },
      { op: 'delete', key: 'a', revision: 3 },
    ]);
    expect(all.text()).toMatch(/^Content-Type: text\/event-stream\r$/m);
    expect(all.text()).toMatch(/^Paxos-Position: cell-1:\d+\r$/m);
  });

  it('tells of its prefix alone, and all values in base64 when asked', async () => {
    const front = await startFront();
    const stream = await watch(front, '?prefix=p%2F&encoding=base64');
    for (const key of ['a', 'p/a', 'pa', 'p/b']) await put(front, key, 'text');
    await eventually(() => stream.ids().length === 2);
    expect(stream.ids()).toEqual(['2', '4']);
    expect(stream.text()).toContain('"key":"p/b","value":"dGV4dA=="');
  });

  it('goes on behind the last event, also in the middle of a MultiOp', async () => {
    const front = await startFront();
    await put(front, 'z');
    const then = ['a', 'b', 'c', 'd'].map((key) => ({ op: 'put', key, value: key }));
    await front.post('/v1/multiop', { then });
    const whole = await watch(front, '?from=1');
    await eventually(() => whole.ids().length === 5);
    const ids = ['1', '2.1', '2.2', '2.3', '2'];
    expect(whole.ids()).toEqual(ids);
    for (const [at, id] of ids.entries()) {
      const rest = await watch(front, '?from=1', { lastEventId: id });
      await put(front, 'end');
      await eventually(() => rest.text().includes('"key":"end"'));
      expect(rest.ids().slice(0, 4 - at)).toEqual(ids.slice(at + 1));
    }
  });

  it('of some keys of a MultiOp is whole with the last of them', async () => {
    const front = await startFront();
    const then = ['a/1', 'b/1', 'a/2', 'b/2'].map((key) => ({ op: 'put', key, value: key }));
    const stream = await watch(front, '?prefix=a%2F');
    await front.post('/v1/multiop', { then });
    await eventually(() => stream.ids().length === 2);
    expect(stream.ids()).toEqual(['1.1', '1']);
  });

  it('says how far it is while nothing happens that it would tell', async () => {
    const front = await startFront({ limits: { watchIdleMs: 5, watchLookMs: 5 } });
    const stream = await watch(front, '?prefix=p');
    await put(front, 'other');
    await eventually(() => stream.text().includes('event: progress\nid: 1\ndata: {"revision":1}\n\n'));
    expect(stream.ids()).toEqual([]);
  });
});

describe('a watch is refused', () => {
  it('with 410 where what comes next is no longer kept, or what was seen was never there', async () => {
    const front = await startFront();
    for (const key of ['a', 'b', 'c']) await put(front, key);
    front.service.compactedUpTo = 1;
    const gone = await front.ask('GET', '/v1/watch?from=1');
    expect(gone.status).toBe(410);
    expect(gone.json()).toMatchObject({
      code: 'PAXOS_REVISION_GONE',
      outcome: 'none',
      facts: { from: 1, revision: 3 },
    });
    expect(statusOf(await watch(front, '?from=2'))).toBe(200);
    expect(statusOf(await watch(front, '?from=4'))).toBe(200);
    expect((await front.ask('GET', '/v1/watch?from=5')).status).toBe(410);
    for (const id of ['4', '4.1']) {
      expect((await front.ask('GET', '/v1/watch', { headers: { 'last-event-id': id } })).status).toBe(410);
    }
  });

  it('with 400 for what is no revision, no id and no encoding', async () => {
    const { ask } = await startFront();
    for (const query of ['from=x', 'from=-1', 'from=1.5', 'encoding=hex', 'form=1', `prefix=${'k'.repeat(1025)}`]) {
      expect((await ask('GET', `/v1/watch?${query}`)).status, query).toBe(400);
    }
    for (const id of ['', 'x', '-1', '1.', '1.0', '0.1', '1.1.1', '9'.repeat(17), '01']) {
      expect((await ask('GET', '/v1/watch', { headers: { 'last-event-id': id } })).status, id).toBe(400);
    }
    expect((await ask('POST', '/v1/watch')).status).toBe(405);
  });

  it('by who is not the master, and where as many watch as there may be', async () => {
    const front = await startFront({ limits: { watchersMax: 1 } });
    const first = await watch(front);
    const second = await front.ask('GET', '/v1/watch');
    expect([second.status, second.json().code]).toEqual([503, 'PAXOS_OVERLOADED']);
    first.socket.destroy();
    await eventually(() => front.service.serving().kind === 'serving');
    front.service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:2' };
    const elsewhere = await front.ask('GET', '/v1/watch?from=1');
    expect([elsewhere.status, elsewhere.headers.location]).toEqual([307, 'http://127.0.0.1:2/v1/watch?from=1']);
  });
});

describe('a watch ends', () => {
  it('where this replica serves no more, without a word of what came after', async () => {
    for (const kind of ['redirect', 'no-master', 'refused'] as const) {
      const front = await startFront({ limits: { watchLookMs: 5 } });
      const stream = await watch(front);
      await put(front, 'before');
      await eventually(() => stream.ids().length === 1);
      const url = 'http://127.0.0.1:2';
      front.service.intercept = () => {
        const code = 'PAXOS_CELL_FROZEN';
        if (kind === 'redirect') front.service.notServing = { kind, name: 'n2', url };
        else if (kind === 'no-master') front.service.notServing = { kind, retryAfterMs: 1 };
        else front.service.notServing = { kind, code, message: 'Frozen.' };
        return false;
      };
      await put(front, 'after');
      await eventually(stream.ended);
      expect(stream.ids(), kind).toEqual(['1']);
    }
  });

  it('not while mastership is handed over, and goes on where it stays', async () => {
    const front = await startFront({ limits: { watchLookMs: 5 } });
    const stream = await watch(front);
    front.service.intercept = () => {
      front.service.notServing = { kind: 'moving' };
      front.service.intercept = null;
      return false;
    };
    await put(front, 'meanwhile');
    const looks = vi.spyOn(front.service, 'serving');
    await eventually(() => looks.mock.calls.length > 5);
    expect([stream.ids(), stream.ended()]).toEqual([[], false]);
    front.service.notServing = null;
    await eventually(() => stream.ids().length === 1);
  });

  it('at once when the replica stops', async () => {
    const front = await startFront();
    const stream = await watch(front);
    const startedMs = performance.now();
    await front.front.stop(10_000);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await eventually(stream.ended);
  });
});

describe('a client that reads slowly', () => {
  const value = 'v'.repeat(32 * 1024);

  it('is told of everything once it reads, and keeps nobody else waiting', async () => {
    const front = await startFront();
    const slow = await watch(front, '', { reads: false });
    const quick = await watch(front);
    for (let n = 1; n <= 400; n++) await put(front, `k${n}`, value);
    await eventually(() => quick.ids().length === 400);
    // What does not fit into the connection is not held for it.
    expect(slow.ids().length).toBeLessThan(400);
    slow.socket.resume();
    await eventually(() => slow.ids().length === 400);
    expect(slow.ids()).toEqual(quick.ids());
  });

  it('is cut off where the changes that it needs are no longer kept, with nothing left out before', async () => {
    const front = await startFront();
    const slow = await watch(front, '', { reads: false });
    for (let n = 1; n <= 400; n++) await put(front, `k${n}`, value);
    front.service.compactedUpTo = 399;
    slow.socket.resume();
    await eventually(slow.ended);
    const ids = slow.ids().map(Number);
    expect(ids.length).toBeLessThan(400);
    expect(ids).toEqual(ids.map((_, at) => at + 1));
  });
});
