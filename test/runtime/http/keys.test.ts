import { describe, expect, it } from 'vitest';
import { startFront } from './front.ts';

describe('one key over HTTP', () => {
  it('a put answers revision, instance and epoch, with the revision as ETag', async () => {
    const { ask } = await startFront();
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({ revision: 1, instance: 1, epoch: 1 });
    expect(answer.headers.etag).toBe('"1"');
    expect(answer.headers['content-type']).toBe('application/json');
  });

  it('a get answers the bytes as they were put, of any size and kind', async () => {
    const { ask } = await startFront();
    for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 128, 10]), Buffer.alloc(200_000, 0xfe)]) {
      await ask('PUT', '/v1/kv/a', { body: bytes });
      const answer = await ask('GET', '/v1/kv/a');
      expect(answer.status).toBe(200);
      expect(answer.bytes.equals(bytes)).toBe(true);
    }
  });

  it('a get tells revision, creation revision and version in headers', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/other', { body: '1' });
    await ask('PUT', '/v1/kv/a', { body: '1' });
    await ask('PUT', '/v1/kv/a', { body: '2' });
    const { headers } = await ask('GET', '/v1/kv/a');
    expect(headers).toMatchObject({ etag: '"3"', 'paxos-create-revision': '2', 'paxos-version': '2' });
  });

  it('HEAD is GET without the body, and If-None-Match of the present revision answers 304', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'four' });
    const head = await ask('HEAD', '/v1/kv/a');
    expect([head.status, head.headers['content-length'], head.bytes.length]).toEqual([200, '4', 0]);
    expect((await ask('GET', '/v1/kv/a', { headers: { 'If-None-Match': '"1"' } })).status).toBe(304);
    expect((await ask('GET', '/v1/kv/a', { headers: { 'If-None-Match': '"0"' } })).status).toBe(200);
  });

  it('an absent key is 404 with a code of its own, for get and delete', async () => {
    const { ask } = await startFront();
    for (const method of ['GET', 'DELETE']) {
      const answer = await ask(method, '/v1/kv/a');
      expect([answer.status, answer.json().code, answer.json().outcome]).toEqual([404, 'PAXOS_KEY_NOT_FOUND', 'none']);
      expect(answer.headers['content-type']).toBe('application/problem+json');
    }
  });

  it('a delete of a present key answers 200 and the key is gone', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    const answer = await ask('DELETE', '/v1/kv/a');
    expect([answer.status, answer.json().deleted]).toEqual([200, true]);
    expect((await ask('GET', '/v1/kv/a')).status).toBe(404);
  });

  it('If-Match is compare-and-swap by revision, If-None-Match: * creates only', async () => {
    const { ask } = await startFront();
    const put = (headers: Record<string, string>) => ask('PUT', '/v1/kv/a', { body: 'x', headers });
    expect((await put({ 'If-Match': '"1"' })).status).toBe(412);
    expect((await put({ 'If-None-Match': '*' })).status).toBe(200);
    const again = await put({ 'If-None-Match': '*' });
    expect([again.status, again.json().code]).toEqual([412, 'PAXOS_CONDITION_FAILED']);
    expect((await put({ 'If-Match': '"1"' })).json().revision).toBe(2);
    expect((await put({ 'If-Match': '"1"' })).status).toBe(412);
    expect((await put({ 'If-Match': '*' })).status).toBe(200);
    expect((await ask('DELETE', '/v1/kv/a', { headers: { 'If-Match': '"1"' } })).status).toBe(412);
    expect((await ask('DELETE', '/v1/kv/a', { headers: { 'If-Match': '"3"' } })).status).toBe(200);
  });

  it.each([
    ['If-Match', '1'],
    ['If-Match', 'W/"1"'],
    ['If-Match', '"1", "2"'],
    ['If-Match', '"9007199254740993"'],
    ['If-None-Match', '"1"'],
    ['Paxos-Epoch', '-1'],
    ['Paxos-Epoch', '1.5'],
    ['Idempotency-Key', 'nosequence'],
    ['Idempotency-Key', 's1-0/0'],
    ['Idempotency-Key', 's1-0/-1'],
    ['Idempotency-Key', 's1-0/9007199254740992'],
    ['Idempotency-Key', '../x/1'],
  ])('a malformed %s: %s is 400 and nothing is proposed', async (name, value) => {
    const { ask, service } = await startFront();
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x', headers: { [name]: value } });
    expect([answer.status, answer.json().code]).toEqual([400, 'PAXOS_BAD_HEADER']);
    expect(service.submitted).toEqual([]);
  });

  it('keys are percent-decoded UTF-8, slashes included, and NFC and NFD are two keys', async () => {
    const { ask, service } = await startFront();
    const keys = ['a/b', 'a b', 'ü', 'u\u0308', '100%', '__proto__', 'toString', 'hasOwnProperty', '😀', '../x', 'a+b'];
    for (const key of keys) {
      expect((await ask('PUT', `/v1/kv/${encodeURIComponent(key)}`, { body: key })).status).toBe(200);
    }
    expect([...service.entries.keys()]).toEqual(keys);
    for (const key of keys) expect((await ask('GET', `/v1/kv/${encodeURIComponent(key)}`)).text).toBe(key);
    expect((await ask('GET', '/v1/kv/a/b')).text).toBe('a/b');
  });

  it('a second copy of a write under a session gets the first one’s answer', async () => {
    const { ask, post, service } = await startFront();
    const { session } = (await post('/v1/sessions', {})).json();
    const headers = { 'Idempotency-Key': `${session}/1` };
    const first = await ask('PUT', '/v1/kv/a', { body: 'x', headers });
    const second = await ask('PUT', '/v1/kv/a', { body: 'x', headers });
    expect(second.json()).toEqual(first.json());
    expect(service.revision).toBe(1);
  });

  it('a session that is not known is 409 with outcome unknown', async () => {
    const { ask } = await startFront();
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x', headers: { 'Idempotency-Key': 's7-0/1' } });
    expect(answer.status).toBe(409);
    expect(answer.json()).toMatchObject({ code: 'PAXOS_SESSION_EXPIRED', outcome: 'unknown' });
  });

  it('Paxos-Epoch of an ended epoch is 409 and nothing is written', async () => {
    const { ask, service } = await startFront();
    service.epoch = 3;
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x', headers: { 'Paxos-Epoch': '2' } });
    expect([answer.status, answer.json().code]).toEqual([409, 'PAXOS_EPOCH_CHANGED']);
    expect(answer.json().facts).toEqual({ key: 'a', epoch: 3 });
    expect((await ask('PUT', '/v1/kv/a', { body: 'x', headers: { 'Paxos-Epoch': '3' } })).status).toBe(200);
  });

  it('dryRun tells what a write would do and proposes nothing', async () => {
    const { ask, service } = await startFront();
    const put = await ask('PUT', '/v1/kv/a?dryRun=true', { body: 'x' });
    expect(put.json()).toEqual({ dryRun: true, succeeded: true, guard: [], wouldChange: true });
    const remove = await ask('DELETE', '/v1/kv/a?dryRun=true', { headers: { 'If-Match': '"5"' } });
    expect(remove.json()).toEqual({ dryRun: true, succeeded: false, guard: [false], wouldChange: false });
    expect(service.submitted).toEqual([]);
  });
});

describe('facts of refusals', () => {
  it('a failed condition names key, wanted and present revision; an absent key is named', async () => {
    const { ask } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    const swap = await ask('PUT', '/v1/kv/a', { body: 'y', headers: { 'If-Match': '"9"' } });
    expect([swap.status, swap.json().facts]).toEqual([412, { key: 'a', wantedRevision: 9, presentRevision: 1 }]);
    const create = await ask('PUT', '/v1/kv/a', { body: 'y', headers: { 'If-None-Match': '*' } });
    expect(create.json().facts).toEqual({ key: 'a', wantedRevision: 0, presentRevision: 1 });
    const remove = await ask('DELETE', '/v1/kv/b', { headers: { 'If-Match': '*' } });
    expect(remove.json().facts).toEqual({ key: 'b', wantedRevision: 'any', presentRevision: 0 });
    expect((await ask('GET', '/v1/kv/b')).json().facts).toEqual({ key: 'b' });
    expect((await ask('DELETE', '/v1/kv/b')).json().facts).toEqual({ key: 'b' });
  });

  it('a write of unknown outcome names its key', async () => {
    const { ask, service } = await startFront();
    service.intercept = (_, done) => {
      done({ kind: 'unknown', reason: 'timeout' });
      return true;
    };
    const answer = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect(answer.json().facts).toEqual({ key: 'a', reason: 'timeout' });
  });
});

describe('Paxos-Epoch on what is not proposed', () => {
  it('an ended epoch is 409 for reads, listings, dry runs and transfers, and an error for gets of a batch', async () => {
    const { ask, post, service } = await startFront();
    await ask('PUT', '/v1/kv/a', { body: 'x' });
    service.epoch = 3;
    const old = { 'Paxos-Epoch': '2' };
    for (const answer of [
      await ask('GET', '/v1/kv/a', { headers: old }),
      await ask('GET', '/v1/kv/a?consistency=stale', { headers: old }),
      await ask('GET', '/v1/kv', { headers: old }),
      await ask('PUT', '/v1/kv/a?dryRun=true', { body: 'y', headers: old }),
      await post('/v1/master/transfer', {}, old),
    ]) {
      expect([answer.status, answer.json().code]).toEqual([409, 'PAXOS_EPOCH_CHANGED']);
    }
    const batch = await post('/v1/batch', { operations: [{ op: 'get', key: 'a' }] }, old);
    expect(batch.json().results).toMatchObject([
      { ok: false, error: { code: 'PAXOS_EPOCH_CHANGED', outcome: 'none' } },
    ]);
    expect((await ask('GET', '/v1/kv/a', { headers: { 'Paxos-Epoch': '3' } })).status).toBe(200);
    expect((await ask('GET', '/v1/kv/a', { headers: { 'Paxos-Epoch': 'x' } })).status).toBe(400);
  });
});
