import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StubServer, stubServer } from './stub-server.ts';

// The benchmark is plain JavaScript outside of the type-checked tree.
const load = (file: string) => import(new URL(`../../bench/load/${file}`, import.meta.url).href);
const { runClosedLoop } = await load('closed-loop.mjs');
const { checkFilled, fill } = await load('fill.mjs');
const { firstAcknowledgedWrite } = await load('first-write.mjs');
const { parseAnswer } = await load('http-connection.mjs');
const { fits, makeValue } = await load('keys-and-values.mjs');
const { PaxosctlConnection } = await load('paxosctl-connection.mjs');
const { call } = await load('promises.mjs');

let server: StubServer;
beforeEach(async () => {
  server = await stubServer();
});
afterEach(() => server.close());

const member = () => ({ host: '127.0.0.1', port: server.port, pid: process.pid });
const cell = () => ({ members: [member()], connect: () => PaxosctlConnection.connect(member()) });

describe('a connection to paxosctl', () => {
  it('reads what it put', async () => {
    const connection = await PaxosctlConnection.connect(member());
    await call(connection, 'put', 'a', 'value');
    expect(await call(connection, 'get', 'a')).toBe('value');
    connection.close();
  });

  it('swaps with the token of the last write and is refused with an older one', async () => {
    const connection = await PaxosctlConnection.connect(member());
    await call(connection, 'put', 'a', 'first');
    const first = await call(connection, 'token', 'a');
    const second = await call(connection, 'swap', 'a', 'second', first);
    await call(connection, 'swap', 'a', 'third', second);
    await expect(call(connection, 'swap', 'a', 'late', first)).rejects.toThrow('412');
    expect(await call(connection, 'get', 'a')).toBe('third');
    connection.close();
  });

  it('fails the request in flight when the server goes away', async () => {
    const connection = await PaxosctlConnection.connect(member());
    await call(connection, 'put', 'a', 'value');
    await server.close();
    await expect(call(connection, 'get', 'a')).rejects.toThrow();
  });

  it('creates many keys in one batch', async () => {
    await fill({ cell: cell(), member: member(), letter: 'n', count: 250, valueBytes: 100 });
    await checkFilled({ cell: cell(), member: member(), letter: 'n', count: 250, valueBytes: 100, samples: 20 });
  });
});

describe('a closed loop', () => {
  const row = { connections: 4, letter: 'k', keysEach: 2, valueBytes: 100, seconds: 0.1 };
  const run = (operation: string) => runClosedLoop({ cell: cell(), targets: [member()], operation, ...row });
  const filled = () => fill({ cell: cell(), member: member(), letter: 'k', count: 8, valueBytes: 100 });

  it.each(['put', 'get', 'swap'])('counts the answers to %s', async (operation) => {
    await filled();
    const result = await run(operation);
    expect(result.operations).toBeGreaterThan(0);
    expect(result.latenciesMs.length).toBe(result.operations);
    expect(result.seconds).toBeGreaterThanOrEqual(0.09);
  });

  it('fails when an acknowledged write cannot be read', async () => {
    await filled();
    server.loseWrites = true;
    await expect(run('put')).rejects.toThrow('does not hold what was acknowledged last');
  });

  it('fails when an answer is not 200', async () => {
    await filled();
    server.status = 503;
    await expect(run('get')).rejects.toThrow('503');
  });
});

describe('a writer that tries every member', () => {
  it('goes on until one acknowledges', async () => {
    server.status = 503;
    const nobody = { host: '127.0.0.1', port: 1 };
    const waiting = firstAcknowledgedWrite({
      cell: { connect: (to: object) => PaxosctlConnection.connect(to) },
      members: [nobody, member()],
      key: 'f',
      value: 'v',
    });
    const healedAt = performance.now();
    server.status = null;
    expect(await waiting).toBeGreaterThanOrEqual(healedAt);
  });
});

describe('the HTTP parser', () => {
  it('waits for the rest of an answer, wherever it was cut', () => {
    const whole = Buffer.from('HTTP/1.1 200 OK\r\nETag: "7"\r\ncontent-length: 5\r\n\r\nhello');
    for (let cut = 0; cut < whole.length; cut += 1) expect(parseAnswer(whole.subarray(0, cut))).toBeNull();
    const answer = parseAnswer(whole);
    expect([answer.status, answer.header('etag'), answer.text()]).toEqual([200, '"7"', 'hello']);
  });

  it('joins chunks', () => {
    const whole = Buffer.from('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
    expect(parseAnswer(whole.subarray(0, whole.length - 1))).toBeNull();
    expect(parseAnswer(whole).text()).toBe('abcde');
  });

  it('refuses what is no answer', () => {
    expect(() => parseAnswer(Buffer.from('SSH-2.0-x\r\n\r\n'))).toThrow('not an HTTP/1.1 answer');
  });
});

describe('values', () => {
  it.each([5, 100, 8192, 32768])('of %i bytes have that length and fit their key', (bytes) => {
    const value = makeValue('k0000001', 12, bytes);
    expect(fits('k0000001', value, bytes)).toBe(true);
    expect(makeValue('k0000001', 13, bytes)).not.toBe(value);
  });

  it('are told from those of another key', () => {
    expect(fits('k0000002', makeValue('k0000001', 12, 100), 100)).toBe(false);
  });
});
