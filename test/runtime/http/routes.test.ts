// biome-ignore-all lint/suspicious/noThenProperty: guard, then, else are the names of the contract.
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { AddressInUseError } from '../../../src/errors/index.ts';
import { HttpFront } from '../../../src/runtime/http/server.ts';
import type { MemberSnapshot, SnapshotService } from '../../../src/runtime/http/service.ts';
import { FakeReplicaService } from '../../support/fake-replica-service.ts';
import { until } from '../../support/until.ts';
import { eventually, startFront } from './front.ts';

const json = (value: unknown): Record<string, unknown>[] => value as Record<string, unknown>[];

describe('listing', () => {
  it('lists a prefix page by page in the order of UTF-8 bytes', async () => {
    const { ask } = await startFront();
    const keys = ['p/a', 'p/b', 'p/\uffee', 'p/😀', 'q'];
    for (const key of keys) await ask('PUT', `/v1/kv/${encodeURIComponent(key)}`, { body: key });
    const seen: unknown[] = [];
    let after = '';
    for (;;) {
      const page = (await ask('GET', `/v1/kv?prefix=p%2F&limit=2${after}`)).json();
      seen.push(...json(page.entries).map((it) => it.key));
      expect(page.revision).toBe(5);
      if (page.next === null) break;
      after = `&after=${encodeURIComponent(page.next as string)}`;
    }
    expect(seen).toEqual(['p/a', 'p/b', 'p/\uffee', 'p/😀']);
  });

  it('values are text where they are UTF-8, else base64; all base64 when asked for', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'text' });
    await ask('PUT', '/v1/kv/b', { body: Buffer.from([0xff]) });
    const plain = json((await ask('GET', '/v1/kv')).json().entries);
    expect(plain[0]).toEqual({ key: 'a', value: 'text', revision: 1, createRevision: 1, version: 1 });
    expect(plain[1]).toMatchObject({ key: 'b', valueBase64: '/w==' });
    const encoded = json((await ask('GET', '/v1/kv?encoding=base64')).json().entries);
    expect(encoded.map((it) => it.value)).toEqual(['dGV4dA==', '/w==']);
  });

  it('pages of one revision show one point in time although writes go on', async () => {
    const { ask } = await startFront();
    for (const key of ['a', 'b', 'c']) await ask('PUT', `/v1/kv/${key}`, { body: 'old' });
    const first = (await ask('GET', '/v1/kv?limit=1')).json();
    await ask('PUT', '/v1/kv/b', { body: 'new' });
    await ask('DELETE', '/v1/kv/c');
    const rest = (await ask('GET', `/v1/kv?after=a&revision=${first.revision}`)).json();
    expect(json(rest.entries).map((it) => [it.key, it.value])).toEqual([
      ['b', 'old'],
      ['c', 'old'],
    ]);
    expect(rest.revision).toBe(3);
  });

  it('a point in time that was not kept is 410', async () => {
    const { ask } = await startFront({ limits: { listViewsMax: 1 } });
    for (const key of ['a', 'b', 'c']) {
      await ask('PUT', `/v1/kv/${key}`, { body: 'x' });
      await ask('GET', '/v1/kv?limit=1');
    }
    const gone = await ask('GET', '/v1/kv?revision=2');
    expect([gone.status, gone.json().code]).toEqual([410, 'PAXOS_REVISION_GONE']);
    expect((await ask('GET', '/v1/kv?revision=3')).status).toBe(200);
  });

  it('a page ends early when its values are large, and holds at least one', async () => {
    const { ask } = await startFront({ limits: { listBytesMax: 100 } });
    for (const key of ['a', 'b', 'c']) await ask('PUT', `/v1/kv/${key}`, { body: 'x'.repeat(150) });
    const page = (await ask('GET', '/v1/kv')).json();
    expect([json(page.entries).length, page.next]).toEqual([1, 'a']);
  });

  it.each(['limit=0', 'limit=10001', 'limit=1.5', 'limit=', 'limit=-1', 'revision=x', 'encoding=hex'])(
    '%s is 400',
    async (query) => {
      const { ask } = await startFront();
      expect((await ask('GET', `/v1/kv?${query}`)).json().code).toBe('PAXOS_BAD_QUERY');
    },
  );
});

describe('MultiOp', () => {
  it('reports all tests and runs one branch in order', async () => {
    const { ask, post } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'm' });
    const answer = await post('/v1/multiop', {
      guard: [
        { key: 'a', test: 'equals', value: 'm' },
        { key: 'a', test: 'less', valueBase64: Buffer.from('a').toString('base64') },
        { key: 'a', test: 'revision', revision: 1 },
        { key: 'b', test: 'absent' },
      ],
      then: [{ op: 'put', key: 'a', value: 'never' }],
      else: [
        { op: 'put', key: 'b', value: 'ü' },
        { op: 'get', key: 'b' },
        { op: 'get', key: 'c' },
        { op: 'delete', key: 'a' },
      ],
    });
    expect(answer.json()).toEqual({
      succeeded: false,
      guard: [true, false, true, true],
      results: [
        { op: 'put', key: 'b', revision: 2, created: true },
        { op: 'get', found: true, key: 'b', value: 'ü', revision: 2, createRevision: 2, version: 1 },
        { op: 'get', key: 'c', found: false },
        { op: 'delete', key: 'a', deleted: true },
      ],
      revision: 2,
      instance: 2,
      epoch: 1,
    });
  });

  it('a value or a MultiOp above its limit is 413', async () => {
    const { post, service } = await startFront();
    const put = (bytes: number) => ({ op: 'put', key: 'a', value: 'x'.repeat(bytes) });
    const value = await post('/v1/multiop', { then: [put(256 * 1024 + 1)] });
    expect([value.status, value.json().code]).toEqual([413, 'PAXOS_VALUE_TOO_LARGE']);
    const whole = await post('/v1/multiop', { then: [1, 2, 3, 4].map(() => put(256 * 1024)) });
    expect([whole.status, whole.json().code]).toEqual([413, 'PAXOS_MULTIOP_TOO_LARGE']);
    expect(service.submitted).toEqual([]);
  });
});

describe('batch', () => {
  it('each operation has its own outcome', async () => {
    const { ask, post, service } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    service.intercept = (command, done) => {
      const bad = command.kind === 'multiop' && command.multiOp.then[0]?.key === 'lost';
      if (bad) done({ kind: 'unknown', reason: 'mastership-lost' });
      return bad;
    };
    const answer = await post('/v1/batch', {
      operations: [
        { op: 'get', key: 'a' },
        { op: 'get', key: 'none' },
        { op: 'put', key: 'b', value: '1' },
        { op: 'put', key: 'b', value: '2', ifRevision: 77 },
        { op: 'put', key: 'lost', value: '2' },
        { op: 'delete', key: 'none' },
        { op: 'multiop', guard: [{ key: 'b', test: 'present' }], then: [{ op: 'delete', key: 'b' }] },
      ],
    });
    expect(answer.status).toBe(200);
    expect(answer.json().results).toMatchObject([
      { ok: true, op: 'get', found: true, key: 'a', value: 'x', revision: 1 },
      { ok: true, op: 'get', found: false, key: 'none' },
      { ok: true, op: 'put', revision: 2 },
      { ok: false, error: { code: 'PAXOS_CONDITION_FAILED', status: 412, outcome: 'none' } },
      { ok: false, error: { code: 'PAXOS_OUTCOME_UNKNOWN', status: 504, outcome: 'unknown' } },
      { ok: true, op: 'delete', deleted: false },
      { ok: true, op: 'multiop', succeeded: true, results: [{ op: 'delete', deleted: true }] },
    ]);
  });

  it('takes one number of the session an operation, in order', async () => {
    const { post, service } = await startFront();
    const { session } = (await post('/v1/sessions', {})).json();
    const operations = [
      { op: 'put', key: 'a', value: '1' },
      { op: 'get', key: 'a' },
      { op: 'delete', key: 'a' },
    ];
    await post('/v1/batch', { operations }, { 'idempotency-key': `${session}/5` });
    const numbers = service.submitted.map((it) => (it.kind === 'multiop' ? it.session?.sequence : null));
    expect(numbers).toEqual([null, 5, 7]);
  });

  it('one bad operation refuses the whole, before anything is proposed', async () => {
    const { post, service } = await startFront();
    const answer = await post('/v1/batch', {
      operations: [
        { op: 'put', key: 'a', value: '1' },
        { op: 'get', key: '' },
      ],
    });
    expect([answer.status, answer.json().facts]).toEqual([400, { operation: 1 }]);
    expect((await post('/v1/batch', { operations: Array(1001).fill({ op: 'get', key: 'a' }) })).status).toBe(400);
    expect(service.submitted).toEqual([]);
  });

  it('is redirected as a whole when nothing of it was done', async () => {
    const { post, service } = await startFront();
    service.intercept = (_, done) => {
      const redirect = { name: 'n2', url: 'http://127.0.0.1:7402' };
      done({ kind: 'none', reason: 'not-master', redirect, retryAfterMs: 10 });
      return true;
    };
    const answer = await post('/v1/batch', { operations: [{ op: 'put', key: 'a', value: '1' }] });
    expect([answer.status, answer.headers.location]).toEqual([307, 'http://127.0.0.1:7402/v1/batch']);
  });

  it('an empty batch has no results', async () => {
    const { post } = await startFront();
    expect((await post('/v1/batch', { operations: [] })).json()).toEqual({ results: [] });
  });
});

describe('sessions', () => {
  it('are opened, kept and closed', async () => {
    const { ask, post } = await startFront();
    const opened = (await post('/v1/sessions', { ttlMs: 5000 })).json();
    expect(opened).toMatchObject({ ttlMs: 5000, expiresCellTimeMs: 5000 });
    expect((await post(`/v1/sessions/${opened.session}/keep-alive`, '')).json().session).toBe(opened.session);
    expect((await ask('DELETE', `/v1/sessions/${opened.session}`)).status).toBe(200);
    expect((await ask('DELETE', `/v1/sessions/${opened.session}`)).json().code).toBe('PAXOS_SESSION_EXPIRED');
  });

  it('lifetimes and ids are checked', async () => {
    const { ask, post } = await startFront();
    expect((await post('/v1/sessions', { ttlMs: 999 })).status).toBe(400);
    expect((await post('/v1/sessions', { ttlMs: 86_400_001 })).status).toBe(400);
    expect((await ask('DELETE', '/v1/sessions/..%2F')).json().code).toBe('PAXOS_SESSION_INVALID');
  });

  it('a full table is 503, and nothing was done', async () => {
    const { post, service } = await startFront();
    service.intercept = (_, done) => {
      done({ kind: 'result', result: { kind: 'sessions-full' }, instance: 1 as never, epoch: 1 as never });
      return true;
    };
    const answer = await post('/v1/sessions', {});
    expect([answer.status, answer.json().code, answer.json().outcome]).toEqual([503, 'PAXOS_SESSIONS_FULL', 'none']);
  });
});

describe('the operator’s side', () => {
  it('status, cell, members, checksums and snapshots are answered in every role', async () => {
    const { ask, service } = await startFront();
    service.notServing = { kind: 'refused', code: 'PAXOS_CELL_FROZEN', message: 'Frozen.' };
    service.statusChanges = {
      membershipFrom: 7,
      instances: { chosen: 9, applied: 9, firstRetained: 1, snapshot: 5 },
      members: ['n1', 'n2', 'n3', 'n4'].map((name, i) => ({
        name,
        url: `http://${name}`,
        role: i < 3 ? 'voter' : 'learner',
        voting: i < 3,
        incarnation: 1,
      })),
    };
    expect((await ask('GET', '/v1/status')).json()).toMatchObject({ name: 'n1', instances: { applied: 9 } });
    expect((await ask('GET', '/v1/members')).json()).toMatchObject({ version: 7, quorum: 2, tolerates: 1 });
    expect((await ask('GET', '/v1/cell')).json()).toMatchObject({ cell: { id: 'cell-1', quorum: 2 }, seenBy: 'n1' });
    expect((await ask('GET', '/v1/checksums')).json()).toMatchObject({ member: 'n1', database: '11' });
    service.snapshotService = fakeSnapshots([snapshot(5)]);
    expect((await ask('GET', '/v1/snapshots')).json()).toEqual({ snapshots: [snapshot(5)] });
  });

  it('mastership is handed over on request, and only talked about in a dry run', async () => {
    const { post, service } = await startFront();
    expect((await post('/v1/master/transfer', '')).json()).toEqual({ from: 'n1', to: 'n2', epoch: 2, dryRun: false });
    expect((await post('/v1/master/transfer', { to: 'n3', dryRun: true })).json().dryRun).toBe(true);
    expect(service.transferred).toEqual([
      { to: null, dryRun: false },
      { to: 'n3', dryRun: true },
    ]);
    const unknown = await post('/v1/master/transfer', { to: 'n9' });
    expect([unknown.status, unknown.json().code]).toEqual([404, 'PAXOS_MEMBER_UNKNOWN']);
    expect((await post('/v1/master/transfer', { to: '../n' })).status).toBe(400);
  });

  it('a member is drained on request, and no more when no time is given', async () => {
    const { post } = await startFront();
    const drained = {
      member: 'n2',
      until: '2026-01-01T00:00:00.000Z',
      handedTo: null,
      warning: null,
      epoch: 1,
      changed: true,
    };
    expect((await post('/v1/drain', { member: 'n2', forMs: 60_000 })).json()).toEqual({ ...drained, dryRun: false });
    const ended = await post('/v1/drain', { member: 'n2', forMs: null, dryRun: true });
    expect(ended.json()).toEqual({ ...drained, until: null, dryRun: true });
    expect((await post('/v1/drain', { member: 'n9', forMs: 60_000 })).json().code).toBe('PAXOS_MEMBER_UNKNOWN');
    for (const body of ['', { member: 'n2' }, { member: 'n2', forMs: 1 }, { member: 'n2', forMs: 86_400_001 }]) {
      expect((await post('/v1/drain', body)).status, JSON.stringify(body)).toBe(400);
    }
  });

  it('readiness follows what requests would meet, liveness does not', async () => {
    const { ask, service } = await startFront();
    expect((await ask('GET', '/readyz')).text).toBe('ready\n');
    service.notServing = { kind: 'redirect', name: 'n2', url: 'http://127.0.0.1:1' };
    expect((await ask('GET', '/readyz')).status).toBe(200);
    service.notServing = { kind: 'no-master', retryAfterMs: 100 };
    const verbose = await ask('GET', '/readyz?verbose');
    expect([verbose.status, verbose.text]).toEqual([
      503,
      '[+] role: replica\n[-] master: none known\n[+] writes: accepted\n[ ] vote: counted\n[ ] lease: not held\n[ ] log: applied 0 of 0\n[ ] peers: all connected\nnot ready\n',
    ]);
    service.statusChanges = { readOnly: true };
    expect((await ask('GET', '/readyz')).text).toBe('not ready: master, writes\n');
    expect((await ask('GET', '/healthz')).text).toBe('ok\n');
  });

  it('metrics count answers by operation and status', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    await ask('GET', '/v1/kv/a');
    await ask('GET', '/v1/kv/none');
    await ask('GET', '/nowhere');
    const { text, headers } = await ask('GET', '/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      'paxosctl_http_requests_total{operation="putKey",status="200"} 1',
      'paxosctl_http_requests_total{operation="getKey",status="200"} 1',
      'paxosctl_http_requests_total{operation="getKey",status="404"} 1',
      'paxosctl_http_requests_total{operation="malformed",status="404"} 1',
      'paxosctl_http_wait_seconds_count{operation="putKey"} 1',
      'paxosctl_lease_held 1',
      'paxosctl_instance_applied 1',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).toMatch(/paxosctl_http_wait_seconds_bucket\{operation="putKey",le="\+Inf"\} 1/);
  });

  it('the OpenAPI document describes every route, with schemas and codes', async () => {
    const { ask } = await startFront();
    const document = (await ask('GET', '/openapi.json')).json() as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string; requestBody?: { content: object } }>>;
    };
    expect(document.openapi).toBe('3.1.0');
    const operations = Object.entries(document.paths).flatMap(([path, it]) =>
      Object.keys(it).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(operations.sort()).toEqual([
      'DELETE /v1/kv/{key}',
      'DELETE /v1/locks/{lock}',
      'DELETE /v1/members/{name}',
      'DELETE /v1/sessions/{id}',
      'DELETE /v1/upgrade/attempts/{id}',
      'GET /healthz',
      'GET /metrics',
      'GET /openapi.json',
      'GET /readyz',
      'GET /v1/backups',
      'GET /v1/cell',
      'GET /v1/checksums',
      'GET /v1/checksums/entries',
      'GET /v1/checksums/ranges',
      'GET /v1/kv',
      'GET /v1/kv/{key}',
      'GET /v1/locks',
      'GET /v1/locks/{lock}',
      'GET /v1/members',
      'GET /v1/recover',
      'GET /v1/recover/state/{digest}',
      'GET /v1/sequencers/{sequencer}',
      'GET /v1/sessions',
      'GET /v1/snapshots',
      'GET /v1/snapshots/{which}',
      'GET /v1/status',
      'GET /v1/upgrade',
      'GET /v1/upgrade/attempts',
      'GET /v1/watch',
      'POST /v1/backups',
      'POST /v1/batch',
      'POST /v1/checksums',
      'POST /v1/drain',
      'POST /v1/locks/{lock}',
      'POST /v1/master/transfer',
      'POST /v1/members',
      'POST /v1/multiop',
      'POST /v1/recover',
      'POST /v1/sessions',
      'POST /v1/sessions/{id}/keep-alive',
      'POST /v1/snapshots',
      'POST /v1/upgrade',
      'POST /v1/upgrade/attempts',
      'POST /v1/upgrade/scans',
      'PUT /v1/kv/{key}',
    ]);
    const content = document.paths['/v1/multiop']?.post?.requestBody?.content as Record<string, { schema: object }>;
    expect(content['application/json']?.schema).toMatchObject({ type: 'object', additionalProperties: false });
  });
});

describe('the server itself', () => {
  it('a stop lets what is in flight be answered, and takes nothing new', async () => {
    const { ask, service, front } = await startFront();
    let answer: (() => void) | undefined;
    service.intercept = (_, done) => {
      answer = () => done({ kind: 'unknown', reason: 'stopping' });
      return true;
    };
    // A client that would keep its connection would be waited for: for the whole of the grace.
    const waiting = ask('PUT', '/v1/kv/a', { body: 'x', headers: { Connection: 'close' } });
    await eventually(() => answer !== undefined);
    const stopped = front.stop(5000);
    answer?.();
    expect((await waiting).status).toBe(504);
    await stopped;
    await expect(ask('GET', '/healthz')).rejects.toThrow();
  });

  it('a stop does not wait for ever', async () => {
    const { ask, service, front } = await startFront();
    service.intercept = () => true;
    const waiting = ask('PUT', '/v1/kv/a', { body: 'x' }).catch((error: Error) => error);
    await eventually(() => front.inFlight === 1);
    await front.stop(10);
    expect(await waiting).toBeInstanceOf(Error);
  });

  it('an address in use is an error with exit code 27', async () => {
    const { port } = await startFront();
    const second = new HttpFront({
      service: new FakeReplicaService(),
      host: '127.0.0.1',
      port,
      version: '0',
      processMetrics: false,
    });
    const error = await second.listen().catch((it: unknown) => it);
    expect(error).toBeInstanceOf(AddressInUseError);
    expect((error as AddressInUseError).exitCode).toBe(27);
    await second.stop(0);
  });

  it('upgrades at peer paths are handed over with their socket', async () => {
    const { port } = await startFront({
      handleUpgrade: (req, socket) => {
        socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${req.url}`);
      },
    });
    const got = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () =>
        socket.write('GET /peer/v1/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: paxos\r\n\r\n'),
      );
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(text));
    });
    expect(got).toContain('101 Switching Protocols');
    expect(got).toContain('/peer/v1/stream');
  });
});

describe('large answers', () => {
  const entry = { value: Buffer.alloc(1000, 1), createRevision: 1, revision: 1, version: 1 };
  const gets = Array.from({ length: 5 }, () => ({ op: 'get', key: 'k' }));

  it('gets of a batch beyond what one answer carries have an error of their own', async () => {
    const { post, service } = await startFront({ limits: { answerBytesMax: 2500 } });
    service.entries.set('k', entry);
    const { results } = (await post('/v1/batch', { operations: gets })).json();
    expect(json(results).map((it) => it.ok)).toEqual([true, true, false, false, false]);
    const error = { code: 'PAXOS_ANSWER_TOO_LARGE', status: 413, outcome: 'none' };
    expect(json(results)[2]).toMatchObject({ error });
  });

  it('a batch of 350 gets of the largest value is answered', async () => {
    const { post, service } = await startFront();
    service.entries.set('k', { ...entry, value: Buffer.alloc(256 * 1024, 1) });
    const operations = Array.from({ length: 350 }, () => ({ op: 'get', key: 'k' }));
    const { results } = (await post('/v1/batch', { operations })).json();
    expect(json(results).filter((it) => it.ok)).toHaveLength(32);
  });

  it('a MultiOp with too large results is told as carried out, alone and in a batch', async () => {
    const { post, service } = await startFront({ limits: { answerBytesMax: 2500 } });
    service.entries.set('k', entry);
    const forgotten = { succeeded: true, results: [], resultsForgotten: true };
    expect((await post('/v1/multiop', { then: gets })).json()).toMatchObject(forgotten);
    const batch = (await post('/v1/batch', { operations: [{ op: 'multiop', then: gets }] })).json();
    expect(json(batch.results)[0]).toMatchObject({ ok: true, ...forgotten });
  });

  it('an answer that cannot be written throws nothing at the log, and its request is released', async () => {
    const { post, ask, service, front, logged } = await startFront();
    let thrown: unknown = null;
    service.intercept = (_, done) => {
      try {
        // No result of this shape exists; it stands for whatever may go wrong while an answer is written.
        done({
          kind: 'result',
          result: { kind: 'multiop', succeeded: true } as never,
          instance: 1 as never,
          epoch: 1 as never,
        });
      } catch (error) {
        thrown = error;
      }
      return true;
    };
    for (const answer of [await ask('PUT', '/v1/kv/a', { body: 'x' }), await post('/v1/multiop', {})]) {
      expect([answer.status, answer.json().outcome]).toEqual([500, 'unknown']);
    }
    await post('/v1/batch', { operations: [{ op: 'put', key: 'a', value: 'x' }] });
    expect(thrown).toBeNull();
    expect(front.inFlight).toBe(0);
    expect(logged.some((it) => it.kind === 'answer-failed')).toBe(true);
  });
});

it('measured times of the status carry at most two decimals', async () => {
  const { ask, service } = await startFront();
  const load = {
    queuedWrites: 0,
    eventLoopLagMsP99: 0.30000000000000004,
    flushMsP50: 1.2345,
    flushMsP99: 2.999,
    itemsPerInstance: 1,
  };
  service.statusChanges = { load };
  const status = (await ask('GET', '/v1/status')).json();
  expect(status.load).toMatchObject({ eventLoopLagMsP99: 0.3, flushMsP50: 1.23, flushMsP99: 3 });
});

const snapshot = (instance: number): MemberSnapshot => ({
  member: 'n1',
  instance,
  epoch: 2,
  generation: 1,
  entries: 3,
  bytes: 200_000,
  checksum: 'ab',
  digest: 'cd',
  createdAt: '2026-01-02T03:04:05.000Z',
  verified: true,
});

/** Bytes that say where they stand, so that a piece in a wrong place shows. */
const fileBytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251));

function fakeSnapshots(
  kept: readonly MemberSnapshot[],
  { closed = () => {}, breakAt = Number.POSITIVE_INFINITY } = {},
) {
  const service: SnapshotService = {
    list: async () => kept,
    take: async (dryRun) =>
      dryRun ? { kind: 'would', instance: 9 } : { kind: 'done', snapshot: snapshot(9), taken: true },
    open: async (which, atLeast) => {
      const instance = typeof which === 'number' ? which : 9;
      if (instance < atLeast) return { kind: 'refused', code: 'PAXOS_SNAPSHOT_NOT_FOUND', message: 'Too old.' };
      return {
        kind: 'open',
        download: {
          snapshot: snapshot(instance),
          bytes: fileBytes.length,
          read: async (offset, length) => {
            if (offset >= breakAt) throw new Error('the disk failed');
            return fileBytes.subarray(offset, offset + length);
          },
          close: async () => closed(),
        },
      };
    },
  };
  return service;
}

describe('snapshots', () => {
  it('are read as the bytes of the file, with what they are in the head, and closed afterwards', async () => {
    const { ask, service } = await startFront();
    let closed = 0;
    service.snapshotService = fakeSnapshots([], { closed: () => closed++ });
    for (const which of ['current', 'newest', '9']) {
      const { status, headers, bytes } = await ask('GET', `/v1/snapshots/${which}?atLeast=9`);
      expect([status, headers['paxos-snapshot-instance'], headers['paxos-snapshot-digest']]).toEqual([200, '9', 'cd']);
      expect(bytes.equals(fileBytes)).toBe(true);
    }
    expect((await ask('HEAD', '/v1/snapshots/newest')).headers['content-length']).toBe('200000');
    await until('all are closed', () => closed === 4);
  });

  it('that cannot be read to the end are cut off, never padded or ended as if they were whole', async () => {
    const { ask, service } = await startFront();
    let closed = 0;
    service.snapshotService = fakeSnapshots([], { closed: () => closed++, breakAt: 100_000 });
    await expect(ask('GET', '/v1/snapshots/current')).rejects.toThrow();
    await until('it is closed', () => closed === 1);
  });

  it('are refused by their own codes, and while there is no state at all', async () => {
    const { ask, post, service } = await startFront();
    expect((await ask('GET', '/v1/snapshots')).json().code).toBe('PAXOS_NOT_SERVING');
    service.snapshotService = fakeSnapshots([]);
    const codeOf = async (path: string): Promise<unknown> => (await ask('GET', path)).json().code;
    expect(await codeOf('/v1/snapshots/7?atLeast=8')).toBe('PAXOS_SNAPSHOT_NOT_FOUND');
    expect(await codeOf('/v1/snapshots/07')).toBe('PAXOS_NOT_FOUND');
    expect(await codeOf('/v1/snapshots/newest?atLeast=x')).toBe('PAXOS_BAD_QUERY');
    expect((await post('/v1/snapshots', { dryRun: true })).json()).toMatchObject({ wouldTake: true, snapshots: [] });
    expect((await post('/v1/snapshots', '')).json()).toEqual({ snapshots: [snapshot(9)], taken: true });
    expect((await post('/v1/snapshots', { now: true })).json().code).toBe('PAXOS_BAD_BODY');
  });
});
