import { describe, expect, it } from 'vitest';
import { eventually, startFront } from './front.ts';

describe('who may answer', () => {
  it('a replica that is not the master redirects with path and query as they were sent', async () => {
    const { ask, service } = await startFront();
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    const answer = await ask('PUT', '/v1/kv/a%2Fb%20c?dryRun=1', { body: 'x' });
    expect(answer.status).toBe(307);
    expect(answer.headers.location).toBe('http://127.0.0.1:7402/v1/kv/a%2Fb%20c?dryRun=1');
    expect(answer.json()).toMatchObject({ code: 'PAXOS_NOT_MASTER', outcome: 'none' });
    expect(service.submitted).toEqual([]);
  });

  it('without a known master it is 503 with Retry-After and outcome none', async () => {
    const { ask, service } = await startFront();
    service.notServing = { kind: 'no-master', retryAfterMs: 1500 };
    const answer = await ask('GET', '/v1/kv/a');
    expect([answer.status, answer.headers['retry-after']]).toEqual([503, '2']);
    expect(answer.json()).toMatchObject({ code: 'PAXOS_NO_MASTER', outcome: 'none', facts: { retryAfterMs: 1500 } });
  });

  it('while mastership moves, requests wait for it instead of being refused', async () => {
    const { ask, service, front } = await startFront();
    service.notServing = { kind: 'moving' };
    const waiting = ask('PUT', '/v1/kv/a', { body: 'x' });
    await eventually(() => front.inFlight === 1);
    service.notServing = null;
    expect((await waiting).status).toBe(200);
    expect(front.inFlight).toBe(0);
  });

  it('a move that takes too long is 503', async () => {
    const { ask, service } = await startFront({ limits: { movingMsMax: 20 } });
    service.notServing = { kind: 'moving' };
    expect((await ask('GET', '/v1/kv/a')).status).toBe(503);
  });

  it('a replica that must not answer says why, for stale reads too', async () => {
    const { ask, service } = await startFront();
    service.notServing = { kind: 'refused', code: 'PAXOS_CELL_ROLLED_BACK', message: 'Frozen.' };
    for (const path of ['/v1/kv/a', '/v1/kv/a?consistency=stale', '/v1/kv?consistency=stale']) {
      const answer = await ask('GET', path);
      expect([answer.status, answer.json().code]).toEqual([409, 'PAXOS_CELL_ROLLED_BACK']);
    }
    expect((await ask('GET', '/v1/status')).status).toBe(200);
  });

  it('a stale read is served by any replica', async () => {
    const { ask, service } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    expect((await ask('GET', '/v1/kv/a?consistency=stale')).text).toBe('x');
    expect((await ask('GET', '/v1/kv?consistency=stale')).json().entries).toHaveLength(1);
    expect((await ask('GET', '/v1/kv/a?consistency=eventual')).status).toBe(400);
  });

  it('a write whose proposal was refused is redirected, or may be sent again', async () => {
    const { ask, service } = await startFront();
    const redirect = { name: 'n2', url: 'http://127.0.0.1:7402/' };
    service.intercept = (_, done) => {
      done({ kind: 'none', reason: 'not-master', redirect, retryAfterMs: 10 });
      return true;
    };
    const moved = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect([moved.status, moved.headers.location]).toEqual([307, 'http://127.0.0.1:7402/v1/kv/a']);
    service.intercept = (_, done) => {
      done({ kind: 'none', reason: 'overloaded', redirect: null, retryAfterMs: 10 });
      return true;
    };
    const busy = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect(busy.status).toBe(503);
    expect(busy.json()).toMatchObject({ code: 'PAXOS_OVERLOADED', outcome: 'none' });
  });

  it.each([
    ['a write', 'PUT', '/v1/kv/a', 'x'],
    ['a batch', 'POST', '/v1/batch', '{"operations":[{"op":"put","key":"a","value":"x"}]}'],
  ])('%s that a hand-over stopped waits for the new master', async (_, method, path, body) => {
    const { ask, service, front } = await startFront();
    service.intercept = (_command, done) => {
      service.notServing = { kind: 'moving' };
      done({ kind: 'none', reason: 'not-master', redirect: null, retryAfterMs: 10 });
      return true;
    };
    const waiting = ask(method, path, { body, headers: { 'content-type': 'application/json' } });
    await eventually(() => service.notServing !== null && front.inFlight === 1);
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    const answer = await waiting;
    expect([answer.status, answer.headers.location]).toEqual([307, `http://127.0.0.1:7402${path}`]);
    expect(front.inFlight).toBe(0);
  });

  it('a write that the implicit epoch guard skipped is as if never sent', async () => {
    const { ask, service } = await startFront();
    service.intercept = (_, done) => {
      const skipped = { kind: 'skipped', epoch: service.epoch as never } as const;
      done({ kind: 'result', result: skipped, instance: 5 as never, epoch: 2 as never });
      return true;
    };
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect([answer.status, answer.json().outcome]).toEqual([503, 'none']);
  });

  it('a write whose fate is not known says so', async () => {
    const { ask, service } = await startFront();
    service.intercept = (_, done) => {
      done({ kind: 'unknown', reason: 'mastership-lost' });
      return true;
    };
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect(answer.status).toBe(504);
    expect(answer.json()).toMatchObject({ code: 'PAXOS_OUTCOME_UNKNOWN', outcome: 'unknown' });
  });

  it('a write without an answer in time is unknown, and stays counted until its answer comes', async () => {
    const { ask, service, front, logged } = await startFront({ limits: { answerTimeoutMs: 30 } });
    let late: (() => void) | undefined;
    service.intercept = (_, done) => {
      late = () => done({ kind: 'unknown', reason: 'timeout' });
      return true;
    };
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect([answer.status, answer.json().outcome]).toEqual([504, 'unknown']);
    expect(front.inFlight).toBe(1);
    late?.();
    expect(front.inFlight).toBe(0);
    expect(logged).toContainEqual({ kind: 'late-outcome', method: 'PUT' });
  });
});

describe('position marks', () => {
  it('every answer carries the mark of an applied point, errors too', async () => {
    const { ask, raw } = await startFront();
    expect((await ask('PUT', '/v1/kv/a', { body: 'x' })).headers['paxos-position']).toBe('cell-1:1');
    for (const path of ['/v1/kv/a', '/v1/kv/none', '/v1/status', '/nowhere', '/healthz']) {
      expect((await ask('GET', path)).headers['paxos-position']).toBe('cell-1:1');
    }
    expect(await raw('nonsense\r\n\r\n')).toContain('Paxos-Position: cell-1:1');
  });

  it('a mark that this replica has not judged, or not reached, comes back as it was: nobody forgets by an answer what he has seen', async () => {
    const { ask, service } = await startFront({ limits: { answerTimeoutMs: 50 } });
    service.advance(3);
    const markOf = async (path: string, mark: string): Promise<unknown> =>
      (await ask('GET', path, { headers: { 'Paxos-Position': mark } })).headers['paxos-position'];
    for (const path of ['/v1/status', '/v1/kv/a']) {
      expect([await markOf(path, 'cell-1:2'), await markOf(path, 'cell-1:7')]).toEqual(['cell-1:3', 'cell-1:7']);
    }
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    expect(await markOf('/v1/kv/a', 'cell-1:7')).toBe('cell-1:7');
  });

  it('a replica that has no point to name leaves it out', async () => {
    const { ask, service } = await startFront();
    service.marks = false;
    expect((await ask('GET', '/healthz')).headers['paxos-position']).toBeUndefined();
  });

  it('a mark ahead of this replica waits until it is applied', async () => {
    const { ask, service, front } = await startFront();
    const headers = { 'Paxos-Position': 'cell-1:5' };
    const reads = [
      ask('GET', '/v1/kv/a?consistency=stale', { headers }),
      ask('PUT', '/v1/kv/a', { body: 'x', headers }),
    ];
    await eventually(() => front.inFlight === 2);
    service.advance(5);
    expect((await Promise.all(reads)).map((it) => it.status)).toEqual([404, 200]);
  });

  it('a mark that is not reached in time is 503, or sends the client to the master', async () => {
    // The wait ends a tenth before the request does; on a busy machine that has to be more than a few milliseconds.
    const { ask, service } = await startFront({ limits: { answerTimeoutMs: 1000 } });
    const headers = { 'Paxos-Position': 'cell-1:5' };
    const answer = await ask('GET', '/v1/kv/a', { headers });
    expect([answer.status, answer.json().outcome]).toEqual([503, 'none']);
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    expect((await ask('GET', '/v1/kv/a?consistency=stale', { headers })).status).toBe(307);
  });

  it('a mark of another cell is 403, a bad one 400', async () => {
    const { ask } = await startFront();
    const wrong = await ask('GET', '/v1/kv/a', { headers: { 'Paxos-Position': 'cell-2:1' } });
    expect([wrong.status, wrong.json().code]).toEqual([403, 'PAXOS_WRONG_CELL']);
    const bad = await ask('PUT', '/v1/kv/a', { body: 'x', headers: { 'Paxos-Position': 'garbage' } });
    expect([bad.status, bad.json().code]).toEqual([400, 'PAXOS_POSITION_INVALID']);
  });

  it('a mark that this replica cannot judge although it has applied as much goes to the master, or is 503', async () => {
    const { ask, service } = await startFront();
    service.advance(5);
    let judged = 0;
    service.judgePosition = () => {
      judged += 1;
      return { kind: 'wait', instance: 5 as never };
    };
    const headers = { 'Paxos-Position': 'cell-1:5' };
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:7402' };
    const moved = await ask('GET', '/v1/kv/a?consistency=stale', { headers });
    expect([moved.status, judged]).toEqual([307, 2]);
    expect(moved.json().facts).toEqual({ key: 'a', master: { name: 'n2', url: 'http://127.0.0.1:7402' } });
    service.notServing = { kind: 'no-master', retryAfterMs: 10 };
    const alone = await ask('GET', '/v1/kv/a?consistency=stale', { headers });
    expect([alone.status, alone.json().code, alone.headers['retry-after']]).toEqual([503, 'PAXOS_NOT_APPLIED', '1']);
  });
});
