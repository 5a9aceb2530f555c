/** Locks and sessions over HTTP: what is asked of the database, what is answered, and what is refused before it is (input 22, P54). */
import { beforeEach, describe, expect, it } from 'vitest';
import { Machine } from '../../core/database/support.ts';
import { type Answer, type RunningFront, startFront } from './front.ts';

let front: RunningFront;
let machine: Machine;
let [one, two] = ['', ''];

/** The front of a replica whose sessions and locks are those of a database as it is. */
beforeEach(async () => {
  machine = new Machine();
  machine.mastership();
  [one, two] = [machine.openSession(2_000), machine.openSession(100_000)];
  front = await startFront();
  front.service.intercept = (command, done) => {
    const result = machine.run(command);
    setImmediate(() => done({ kind: 'result', result, instance: machine.instance as never, epoch: 1 as never }));
    return true;
  };
  front.service.coordination = () => machine.database;
});

const sequences = new Map<string, number>();
const numbered = (session: string): Record<string, string> => {
  const sequence = (sequences.get(session) ?? 0) + 1;
  sequences.set(session, sequence);
  return { 'idempotency-key': `${session}/${sequence}` };
};
beforeEach(() => sequences.clear());

const acquire = (session: string, lock = 'a', body: object = {}): Promise<Answer> =>
  front.post(`/v1/locks/${encodeURIComponent(lock)}`, body, numbered(session));
const release = (session: string, query = ''): Promise<Answer> =>
  front.ask('DELETE', `/v1/locks/a${query}`, { headers: numbered(session) });
const shown = ({ status, json }: Answer): unknown[] => [status, json().code];

describe('a lock over HTTP', () => {
  it('is taken, shown, listed and released', async () => {
    const taken = await acquire(one, 'jobs/é', { mode: 'shared', lockDelayMs: 5 });
    expect(taken.json()).toEqual({
      lock: 'jobs/é',
      mode: 'shared',
      generation: 4,
      sequencer: 'shared:4:jobs%2F%C3%A9',
      session: one,
      instance: 4,
      epoch: 1,
    });
    const lock = {
      lock: 'jobs/é',
      mode: 'shared',
      holders: [{ session: one, generation: 4, sequencer: 'shared:4:jobs%2F%C3%A9', lockDelayMs: 5 }],
      delayMs: { exclusive: 0, shared: 0 },
    };
    expect((await front.ask('GET', '/v1/locks/jobs%2F%C3%A9')).json()).toEqual(lock);
    expect((await front.ask('GET', '/v1/locks?prefix=jobs')).json()).toEqual({ locks: [lock], next: null });
    expect((await front.ask('GET', '/v1/locks?prefix=z')).json()).toEqual({ locks: [], next: null });
    await acquire(one);
    expect((await release(one)).json()).toMatchObject({ released: true, lock: 'a', generation: 5 });
    expect((await front.ask('GET', '/v1/locks/a')).json()).toEqual({
      lock: 'a',
      mode: null,
      holders: [],
      delayMs: { exclusive: 0, shared: 0 },
    });
  });

  it('that others hold is refused with who they are, and one in its lock-delay with how long', async () => {
    await acquire(one, 'a', { lockDelayMs: 3_000 });
    const held = await acquire(two);
    expect(shown(held)).toEqual([409, 'PAXOS_LOCK_HELD']);
    expect(held.json().facts).toMatchObject({ mode: 'exclusive', holders: [one], holderCount: 1 });
    machine.cellTimeMs = 2_000;
    machine.run({ kind: 'expire-sessions', sessions: [one] });
    const delayed = await acquire(two);
    expect(shown(delayed)).toEqual([409, 'PAXOS_LOCK_DELAYED']);
    expect(delayed.json().facts).toMatchObject({ availableInMs: 3_000 });
    expect((await front.ask('GET', '/v1/locks')).json()).toMatchObject({
      locks: [{ lock: 'a', mode: null, holders: [], delayMs: { exclusive: 3_000, shared: 3_000 } }],
    });
  });

  it('is not released by another session, nor by an acquisition that is over (input 22)', async () => {
    await acquire(one);
    expect(shown(await release(two))).toEqual([409, 'PAXOS_LOCK_NOT_HELD']);
    await release(one);
    await acquire(one);
    expect(shown(await release(one, '?generation=4'))).toEqual([409, 'PAXOS_LOCK_NOT_HELD']);
    expect((await release(one, '?generation=7')).status).toBe(200);
  });

  it('keeps a lock-delay of 15 s where none is asked for', async () => {
    await acquire(one);
    expect(machine.database.lock('a')?.holders).toMatchObject([{ lockDelayMs: 15_000 }]);
  });

  it('is foreseen for a dry run, also for a session that is not open yet, and nothing is done', async () => {
    await acquire(one);
    const dry = async (path: string, headers = {}) => (await front.post(path, {}, headers)).json();
    expect(await dry('/v1/locks/a?dryRun')).toEqual({ dryRun: true, lock: 'a', outcome: 'held' });
    expect(await dry('/v1/locks/b?dryRun')).toEqual({ dryRun: true, lock: 'b', outcome: 'acquired' });
    expect(await dry('/v1/locks/a?dryRun', { 'idempotency-key': `${one}/99` })).toMatchObject({ outcome: 'acquired' });
    const unknown = await front.post('/v1/locks/b?dryRun', {}, { 'idempotency-key': 's999-0/1' });
    expect(shown(unknown)).toEqual([409, 'PAXOS_SESSION_EXPIRED']);
    expect((await release(two, '?dryRun')).json()).toMatchObject({ outcome: 'not-held' });
    expect((await release(one, '?dryRun')).json()).toMatchObject({ outcome: 'released' });
    expect([...machine.database.locksFrom('')].map(([name]) => name)).toEqual(['a']);
  });

  it.each(['.', '..', '%2e%2E'])('is not named %s, and is told so as a lock', async (name) => {
    const request = `POST /v1/locks/${name} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: ${one}/1\r\n\r\n`;
    const answer = await front.raw(request, (got) => got.includes('"outcome"'));
    expect(answer).toContain(
      '"detail":"No lock is named \\".\\" or \\"..\\", which clients and proxies resolve away."',
    );
    expect(answer).toContain('"code":"PAXOS_LOCK_INVALID"');
  });

  it('is asked for in full or not at all', async () => {
    const before = machine.instance;
    const own = { 'idempotency-key': `${one}/1` };
    const asked: [Promise<Answer>, number, string][] = [
      [front.post('/v1/locks/a', {}), 400, 'PAXOS_BAD_HEADER'],
      [front.post('/v1/locks/a', {}, { 'idempotency-key': one }), 400, 'PAXOS_BAD_HEADER'],
      [front.post('/v1/locks/a', { mode: 'both' }, own), 400, 'PAXOS_BAD_BODY'],
      [front.post('/v1/locks/a', { lockDelayMs: 60_001 }, own), 400, 'PAXOS_BAD_BODY'],
      [front.post('/v1/locks/a', { session: one }, own), 400, 'PAXOS_BAD_BODY'],
      [front.post('/v1/locks/%00a', {}, own), 403, 'PAXOS_KEY_RESERVED'],
      [front.post(`/v1/locks/${'a'.repeat(1_025)}`, {}, own), 400, 'PAXOS_KEY_TOO_LONG'],
      [front.ask('DELETE', '/v1/locks/a?generation=0', { headers: own }), 400, 'PAXOS_BAD_QUERY'],
      [front.ask('GET', '/v1/locks?limit=0'), 400, 'PAXOS_BAD_QUERY'],
      [front.ask('GET', '/v1/sessions?after=x'), 400, 'PAXOS_BAD_QUERY'],
      [front.ask('GET', '/v1/sequencers/exclusive:0:a'), 400, 'PAXOS_LOCK_INVALID'],
      [front.ask('PUT', '/v1/kv/k', { body: 'v', headers: { 'paxos-sequencer': 'a' } }), 400, 'PAXOS_BAD_HEADER'],
    ];
    for (const [answer, status, code] of asked) expect(shown(await answer)).toEqual([status, code]);
    expect(machine.instance).toBe(before);
  });

  it('is told to whoever uses a number twice as what it was used for, or as misused', async () => {
    const number = { 'idempotency-key': `${one}/1` };
    const first = (await front.post('/v1/locks/a', {}, number)).json();
    expect((await front.post('/v1/locks/a', {}, number)).json()).toEqual(first);
    const other = await front.ask('DELETE', '/v1/locks/a', { headers: number });
    expect(shown(other)).toEqual([400, 'PAXOS_SESSION_NUMBER_INVALID']);
    expect(machine.database.lock('a')?.holders).toHaveLength(1);
  });

  it('is listed page by page, in the order of UTF-8 bytes', async () => {
    for (const name of ['p/b', 'p/a', 'p/😀', 'p/\uffee', 'q']) await acquire(one, name);
    const first = (await front.ask('GET', '/v1/locks?prefix=p/&limit=3')).json();
    expect((first.locks as { lock: string }[]).map(({ lock }) => lock)).toEqual(['p/a', 'p/b', 'p/\uffee']);
    const rest = (
      await front.ask('GET', `/v1/locks?prefix=p/&after=${encodeURIComponent(first.next as string)}`)
    ).json();
    expect(rest).toMatchObject({ locks: [{ lock: 'p/😀' }], next: null });
  });
});

describe('a sequencer', () => {
  it('is valid while its acquisition stands, and stops what is written with it afterwards', async () => {
    const { sequencer } = (await acquire(one, 'a b')).json() as { sequencer: string };
    const valid = async (): Promise<unknown> => (await front.ask('GET', `/v1/sequencers/${sequencer}`)).json().valid;
    const headers = { 'paxos-sequencer': sequencer };
    const writes = (): Promise<Answer>[] => [
      front.ask('PUT', '/v1/kv/k', { body: 'v', headers }),
      front.ask('DELETE', '/v1/kv/k', { headers }),
      front.post('/v1/multiop', { else: [{ op: 'put', key: 'k', value: 'v' }] }, headers),
    ];
    expect(await valid()).toBe(true);
    for (const write of writes()) expect((await write).status).toBe(200);
    machine.run({ kind: 'close-session', session: one });
    expect(await valid()).toBe(false);
    const { revision } = machine.database;
    for (const write of writes()) expect(shown(await write)).toEqual([409, 'PAXOS_SEQUENCER_INVALID']);
    const batch = (
      await front.post('/v1/batch', { operations: [{ op: 'put', key: 'k', value: 'v' }] }, headers)
    ).json();
    expect(batch.results).toMatchObject([{ ok: false, error: { code: 'PAXOS_SEQUENCER_INVALID', outcome: 'none' } }]);
    const dry = await front.ask('PUT', '/v1/kv/k?dryRun', { body: 'v', headers });
    expect(shown(dry)).toEqual([409, 'PAXOS_SEQUENCER_INVALID']);
    expect(machine.database.revision).toBe(revision);
  });
});

describe('sessions over HTTP', () => {
  it('are listed with what each holds, page by page', async () => {
    await acquire(one);
    machine.cellTimeMs = 500;
    await acquire(two, 'b');
    expect((await front.ask('GET', '/v1/sessions')).json()).toEqual({
      sessions: [
        { session: one, ttlMs: 2_000, expiresInMs: 1_500, answers: 1, locks: 1 },
        { session: two, ttlMs: 100_000, expiresInMs: 100_000, answers: 1, locks: 1 },
      ],
      next: null,
    });
    const first = (await front.ask('GET', '/v1/sessions?limit=1')).json();
    expect(first).toMatchObject({ sessions: [{ session: one }], next: one });
    expect((await front.ask('GET', `/v1/sessions?after=${one}`)).json()).toMatchObject({
      sessions: [{ session: two }],
    });
  });
});
