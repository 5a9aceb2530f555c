import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  ConditionFailedError,
  connect,
  MemoryMarks,
  NotAllowedError,
  OutcomeUnknownError,
  type PaxosClient,
  UnreachableError,
  UsageError,
} from '../../src/client/index.ts';
import { eventually, type RunningFront, startFront } from '../runtime/http/front.ts';

const clients: PaxosClient[] = [];
const servers: net.Server[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((it) => it.close()));
  for (const server of servers.splice(0)) server.close();
});

function clientOf(endpoints: readonly string[], options: Partial<Parameters<typeof connect>[0]> = {}): PaxosClient {
  const client = connect({ endpoints, timeoutMs: 5000, ...options });
  clients.push(client);
  return client;
}

/** A port on which nobody listens: it was free a moment ago. */
async function deadEndpoint(): Promise<string> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Says that it is master, takes other requests in full and then breaks the connection; counts them. */
async function breakingEndpoint(): Promise<{ url: string; requests: () => number }> {
  let requests = 0;
  const status = JSON.stringify({ role: 'master', lease: { held: true }, cell: { id: 'cell-1' }, members: [] });
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (data.toString('latin1').startsWith('GET /v1/status')) {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${status.length}\r\n\r\n${status}`);
        return;
      }
      requests += 1;
      socket.resetAndDestroy();
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, requests: () => requests };
}

/** Takes connections and never says a word, as a stopped process does; counts the requests that are no questions. */
async function silentEndpoint(): Promise<{ url: string; writes: () => number }> {
  let writes = 0;
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (!data.toString('latin1').startsWith('GET ')) writes += 1;
    });
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, writes: () => writes };
}

const moved = (service: RunningFront['service'], to: RunningFront): void => {
  service.notServing = { kind: 'redirect', name: 'other', url: to.url };
};

describe('reading and writing', () => {
  it('puts, gets, compares and swaps, and deletes', async () => {
    const { url } = await startFront();
    const client = clientOf([url]);
    expect(await client.get('a')).toBeNull();
    expect(await client.put('a', 'ü', { ifAbsent: true })).toEqual({ revision: 1, instance: 1, epoch: 1 });
    await expect(client.put('a', 'x', { ifAbsent: true })).rejects.toBeInstanceOf(ConditionFailedError);
    await expect(client.put('a', 'x', { ifRevision: 7 })).rejects.toMatchObject({
      code: 'PAXOS_CONDITION_FAILED',
      exitCode: 6,
      outcome: 'none',
    });
    await client.put('a', Buffer.from([0xff]), { ifRevision: 1 });
    expect(await client.get('a')).toEqual({
      key: 'a',
      value: Buffer.from([0xff]),
      revision: 2,
      createRevision: 1,
      version: 2,
    });
    expect(await client.delete('a')).toEqual({ deleted: true, revision: 3 });
    expect(await client.delete('a')).toEqual({ deleted: false, revision: null });
  });

  it.each(['.', '..', 'a/b', 'a b+c', '😀', '%41', '../x', '?x=1#y'])(
    'the key %j is carried whatever URLs think of it',
    async (key) => {
      const { url, service } = await startFront();
      const client = clientOf([url]);
      await client.put(key, 'x');
      expect([...service.entries.keys()]).toEqual([key]);
      expect((await client.get(key))?.value.toString()).toBe('x');
      expect((await client.delete(key)).deleted).toBe(true);
    },
  );

  it('text that UTF-8 cannot carry is refused before it is sent', async () => {
    const { url, service } = await startFront();
    const client = clientOf([url]);
    await expect(client.put('\ud800', 'x')).rejects.toBeInstanceOf(UsageError);
    await expect(client.put('a', '\ud800')).rejects.toBeInstanceOf(UsageError);
    expect(service.submitted).toEqual([]);
  });

  it('lists over pages, at one point in time when asked', async () => {
    const { url } = await startFront();
    const client = clientOf([url]);
    for (const key of ['p1', 'p2', 'p3', 'q']) await client.put(key, key);
    const seen: string[] = [];
    for await (const entry of client.list({ prefix: 'p', pageSize: 1, consistent: true })) {
      if (seen.length === 0) await client.delete('p3');
      seen.push(entry.value.toString());
    }
    expect(seen).toEqual(['p1', 'p2', 'p3']);
  });

  it('runs MultiOps and batches, and tells what a write would do', async () => {
    const { url } = await startFront();
    const client = clientOf([url]);
    // biome-ignore lint/suspicious/noThenProperty: the name in the contract of MultiOp.
    const multiOp = { guard: [{ key: 'a', test: 'absent' }], then: [{ op: 'put', key: 'a', value: '1' }] } as const;
    expect(await client.multiOpDryRun(multiOp)).toMatchObject({ dryRun: true, wouldChange: true });
    expect((await client.multiOp(multiOp)).succeeded).toBe(true);
    expect((await client.multiOp(multiOp)).succeeded).toBe(false);
    expect(await client.putDryRun('a', 'x', { ifAbsent: true })).toMatchObject({ succeeded: false });
    const results = await client.batch([
      { op: 'get', key: 'a' },
      { op: 'put', key: 'b', value: '2', ifRevision: 9 },
    ]);
    expect(results.map((it) => it.ok)).toEqual([true, false]);
  });

  it('errors keep code, exit code and outcome of the answer', async () => {
    const { url } = await startFront();
    const client = clientOf([url]);
    await expect(client.put('\0x', '1')).rejects.toBeInstanceOf(NotAllowedError);
    await expect(client.put('\0x', '1')).rejects.toMatchObject({ code: 'PAXOS_KEY_RESERVED', exitCode: 12 });
    await expect(client.put('a', Buffer.alloc(300_000))).rejects.toMatchObject({
      code: 'PAXOS_TOO_LARGE',
      exitCode: 2,
    });
    await expect(client.put('a', '1', { ifEpoch: 9 })).rejects.toMatchObject({
      code: 'PAXOS_EPOCH_CHANGED',
      exitCode: 6,
    });
  });
});

describe('finding the master', () => {
  it('follows a redirect and goes straight to the master from then on', async () => {
    const master = await startFront();
    const replica = await startFront();
    moved(replica.service, master);
    const client = clientOf([replica.url]);
    await client.put('a/b c', 'x');
    expect([...master.service.entries.keys()]).toEqual(['a/b c']);
    expect(client.master).toBe(master.url);
    await replica.front.stop(0);
    expect((await client.get('a/b c'))?.value.toString()).toBe('x');
  });

  it('tries other endpoints when one refuses connections', async () => {
    const { url } = await startFront();
    const client = clientOf([await deadEndpoint(), url]);
    expect((await client.put('a', 'x')).revision).toBe(1);
  });

  it('waits for a master to be elected', async () => {
    const { url, service } = await startFront();
    service.notServing = { kind: 'no-master', retryAfterMs: 20 };
    const client = clientOf([url]);
    const writing = client.put('a', 'x');
    setTimeout(() => {
      service.notServing = null;
    }, 60);
    expect((await writing).revision).toBe(1);
    expect(service.submitted).toHaveLength(1);
  });

  it('a write that was refused without effect is sent again', async () => {
    const { url, service } = await startFront();
    let refusals = 3;
    service.intercept = (_, done) => {
      if (refusals === 0) return false;
      refusals -= 1;
      done({ kind: 'none', reason: 'overloaded', redirect: null, retryAfterMs: 5 });
      return true;
    };
    expect((await clientOf([url]).put('a', 'x')).revision).toBe(1);
  });

  it('without a master in time nothing was done, and the error says what each endpoint did', async () => {
    const { url, service } = await startFront();
    service.notServing = { kind: 'no-master', retryAfterMs: 20 };
    const dead = await deadEndpoint();
    const error = await clientOf([dead, url], { timeoutMs: 1500 })
      .put('a', 'x')
      .catch((it: unknown) => it);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error).toMatchObject({ exitCode: 3, outcome: 'none' });
    expect((error as Error).message).toContain(`${dead}: connection refused`);
  });

  it('two replicas that point at each other do not spin', async () => {
    const [a, b] = [await startFront(), await startFront()];
    moved(a.service, b);
    moved(b.service, a);
    await expect(clientOf([a.url], { timeoutMs: 100 }).get('x')).rejects.toMatchObject({ exitCode: 3 });
  });
});

describe('a replica that hangs', () => {
  it('listed first delays no write while another one serves', async () => {
    const silent = await silentEndpoint();
    const { url } = await startFront();
    const client = clientOf([silent.url, url], { timeoutMs: 20_000 });
    const started = performance.now();
    expect((await client.put('a', 'x')).revision).toBe(1);
    expect((await client.get('a'))?.value.toString()).toBe('x');
    expect(performance.now() - started).toBeLessThan(2000);
    expect(silent.writes()).toBe(0);
  });

  it('never gets a write that could not be sent again: nothing was done', async () => {
    const silent = await silentEndpoint();
    const error = await clientOf([silent.url], { timeoutMs: 150 })
      .put('a', 'x')
      .catch((it: unknown) => it);
    expect(error).toMatchObject({ code: 'PAXOS_UNREACHABLE', exitCode: 3, outcome: 'none' });
    expect((error as Error).message).toContain(`${silent.url}: no answer within`);
    expect(silent.writes()).toBe(0);
  });

  it('gets no write either when another replica takes it for the master', async () => {
    const silent = await silentEndpoint();
    const replica = await startFront();
    replica.service.notServing = { kind: 'redirect', name: 'silent', url: silent.url };
    const failing = clientOf([replica.url], { timeoutMs: 200 }).put('a', 'x');
    await expect(failing).rejects.toMatchObject({ exitCode: 3, outcome: 'none' });
    expect(silent.writes()).toBe(0);
  });

  it('or is down is made up for by members of the same cell that were met before', async () => {
    const { url } = await startFront();
    const other = await startFront();
    other.service.cell = 'cell-2';
    const cell = { id: 'cell-1', name: 'default', members: [other.url, url] };
    const client = clientOf([await deadEndpoint()], { cell });
    expect((await client.put('a', 'x')).revision).toBe(1);
    expect(other.service.submitted).toEqual([]);
    expect(client.master).toBe(url);
  });
});

describe('what is not known', () => {
  it('a write whose connection broke after it was sent is unknown, and is not sent again', async () => {
    const broken = await breakingEndpoint();
    const other = await startFront();
    const client = clientOf([broken.url, other.url]);
    const error = await client.put('a', 'x').catch((it: unknown) => it);
    expect(error).toBeInstanceOf(OutcomeUnknownError);
    expect(error).toMatchObject({ exitCode: 7, outcome: 'unknown' });
    expect(broken.requests()).toBe(1);
    expect(other.service.submitted).toEqual([]);
  });

  it('a read whose connection broke is asked of another replica', async () => {
    const broken = await breakingEndpoint();
    const other = await startFront();
    expect(await clientOf([broken.url, other.url]).get('a')).toBeNull();
    expect(broken.requests()).toBe(1);
  });

  it('a write without an answer in time is unknown', async () => {
    const { url, service } = await startFront();
    service.intercept = () => true;
    await expect(clientOf([url], { timeoutMs: 400 }).put('a', 'x')).rejects.toBeInstanceOf(OutcomeUnknownError);
    await expect(clientOf([url]).put('a', 'x', { timeoutMs: 400 })).rejects.toBeInstanceOf(OutcomeUnknownError);
  });

  it('a write that the replica itself cannot tell is unknown, without a retry', async () => {
    const { url, service } = await startFront();
    service.intercept = (_, done) => {
      done({ kind: 'unknown', reason: 'mastership-lost' });
      return true;
    };
    await expect(clientOf([url]).put('a', 'x')).rejects.toMatchObject({ code: 'PAXOS_OUTCOME_UNKNOWN' });
    expect(service.submitted).toHaveLength(1);
  });
});

describe('a session', () => {
  it('sends an unknown write again under the same number, and it takes effect once', async () => {
    const { url, service } = await startFront();
    const session = await clientOf([url]).openSession();
    let lost = 2;
    service.intercept = (command, done) => {
      if (lost === 0) return false;
      lost -= 1;
      // The first was carried out, and its answer was lost.
      if (lost === 1) {
        service.intercept = null;
        service.submit(command, () => done({ kind: 'unknown', reason: 'timeout' }));
        return true;
      }
      done({ kind: 'unknown', reason: 'timeout' });
      return true;
    };
    expect((await session.put('a', 'x')).revision).toBe(1);
    expect(service.revision).toBe(1);
    const numbers = service.submitted.flatMap((it) => (it.kind === 'multiop' ? [it.session?.sequence] : []));
    expect(new Set(numbers)).toEqual(new Set([1]));
    await session.close();
  });

  it('goes on at another replica when the connection breaks', async () => {
    const { url, service } = await startFront();
    const broken = await breakingEndpoint();
    const client = clientOf([url, broken.url]);
    const session = await client.openSession();
    service.notServing = { kind: 'redirect', name: 'broken', url: broken.url };
    const writing = session.put('a', 'x');
    await eventually(() => broken.requests() > 0);
    service.notServing = null;
    expect((await writing).revision).toBe(1);
  });

  it('numbers each write, and a batch by its operations', async () => {
    const { url, service } = await startFront();
    const session = await clientOf([url]).openSession();
    await session.put('a', '1');
    await session.batch([
      { op: 'put', key: 'b', value: '2' },
      { op: 'delete', key: 'b' },
    ]);
    await session.delete('a');
    const numbers = service.submitted.flatMap((it) => (it.kind === 'multiop' ? [it.session?.sequence] : []));
    expect(numbers).toEqual([1, 2, 3, 4]);
  });

  it('an ended session makes a write unknown', async () => {
    const { url } = await startFront();
    const session = await clientOf([url]).openSession();
    await session.close();
    await expect(session.put('a', '1')).rejects.toMatchObject({ code: 'PAXOS_SESSION_EXPIRED', exitCode: 7 });
  });
});

describe('position marks', () => {
  it('the newest mark goes along with every request', async () => {
    const { url, service } = await startFront();
    const client = clientOf([url]);
    await client.put('a', 'x');
    const judged: string[] = [];
    const judge = service.judgePosition.bind(service);
    service.judgePosition = (mark) => {
      judged.push(mark);
      return judge(mark);
    };
    await client.get('a');
    expect(judged).toEqual(['cell-1:1']);
  });

  it('a replica that sends the client elsewhere has judged nothing: its own mark takes the place of none', async () => {
    const master = await startFront();
    const other = await startFront();
    const client = clientOf([other.url]);
    moved(other.service, master);
    await client.put('a', 'x');
    // Put back to an older state together with the master, and further by now than what the client has seen.
    other.service.position = () => 'cell-1:9';
    const judged: string[] = [];
    master.service.judgePosition = (mark) => {
      judged.push(mark);
      return { kind: 'serve' };
    };
    const again = clientOf([other.url], { marks: new MemoryMarks('cell-1:1') });
    expect((await again.get('a'))?.value.toString()).toBe('x');
    expect(judged).toEqual(['cell-1:1']);
  });

  it('a cell that went back is an error with its own exit code', async () => {
    const { url, service } = await startFront();
    service.judgePosition = () => ({
      kind: 'refuse',
      status: 409,
      code: 'PAXOS_CELL_ROLLED_BACK',
      message: 'The cell went back.',
    });
    const client = clientOf([url]);
    await client.put('a', 'x');
    await expect(client.get('a')).rejects.toMatchObject({ code: 'PAXOS_CELL_ROLLED_BACK', exitCode: 13 });
  });
});

describe('gathering calls', () => {
  it('calls made at the same time share requests, each with its own outcome', async () => {
    const { url, service, ask } = await startFront();
    const client = clientOf([url], { batch: true });
    const writes = Array.from({ length: 600 }, (_, i) => client.put(`k${i}`, String(i)));
    const failing = client.put('k0', 'x', { ifRevision: 99 });
    await expect(failing).rejects.toBeInstanceOf(ConditionFailedError);
    expect((await Promise.all(writes)).map((it) => it.revision)).toContain(600);
    expect((await client.get('k7'))?.value.toString()).toBe('7');
    expect(await client.get('none')).toBeNull();
    expect(await client.delete('none')).toEqual({ deleted: false, revision: null });
    expect(service.submitted).toHaveLength(602);
    const { text } = await ask('GET', '/metrics');
    const batches = Number(/operation="batch",status="200"\} (\d+)/.exec(text)?.[1]);
    expect(batches).toBeLessThan(12);
  });

  it('operations that were refused without effect go into a later request', async () => {
    const { url, service } = await startFront();
    let refusals = 5;
    service.intercept = (_, done) => {
      if (refusals === 0) return false;
      refusals -= 1;
      done({ kind: 'none', reason: 'overloaded', redirect: null, retryAfterMs: 5 });
      return true;
    };
    const client = clientOf([url], { batch: true });
    await Promise.all(Array.from({ length: 10 }, (_, i) => client.put(`k${i}`, 'x')));
    expect(service.revision).toBe(10);
  });

  it('a broken connection makes its writes unknown and its reads go on', async () => {
    const broken = await breakingEndpoint();
    const { url } = await startFront();
    const client = clientOf([broken.url, url], { batch: true });
    const [write, read] = await Promise.allSettled([client.put('a', 'x'), client.get('a')]);
    expect(write).toMatchObject({ status: 'rejected', reason: { outcome: 'unknown' } });
    expect(read).toMatchObject({ status: 'fulfilled', value: null });
  });
});

it('endpoints are http URLs', () => {
  for (const endpoint of ['', 'localhost:7401', 'ftp://x', 'nonsense']) {
    expect(() => connect({ endpoints: [endpoint] })).toThrow(UsageError);
  }
  expect(() => connect({ endpoints: [] })).toThrow(UsageError);
});

it('mastership is handed over through the master', async () => {
  const master = await startFront();
  const replica = await startFront();
  moved(replica.service, master);
  const client = clientOf([replica.url]);
  expect(await client.transfer({ to: 'n3', dryRun: true })).toEqual({ from: 'n1', to: 'n3', epoch: 2, dryRun: true });
  await expect(client.transfer({ to: 'n9' })).rejects.toMatchObject({ code: 'PAXOS_MEMBER_UNKNOWN', exitCode: 5 });
});
