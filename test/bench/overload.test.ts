import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type StubServer, stubServer } from './stub-server.ts';

const load = (file: string) => import(new URL(`../../bench/load/${file}`, import.meta.url).href);
const { noClient } = await load('callers.mjs');
const { runOverload } = await load('overload.mjs');
const { PaxosctlConnection } = await load('paxosctl-connection.mjs');

let server: StubServer;
beforeEach(async () => {
  server = await stubServer();
});
afterEach(() => server.close());

const member = () => ({ host: '127.0.0.1', port: server.port });
const run = () =>
  runOverload({
    cell: { connect: () => PaxosctlConnection.connect(member()) },
    target: member(),
    rate: 500,
    connections: 4,
    letter: 'o',
    seconds: 0.2,
  });

describe('an overload', () => {
  it('sends at its rate, and tells what was acknowledged', async () => {
    const result = await run();
    expect(result.acknowledgedRate).toBeGreaterThan(0);
    expect(result).toMatchObject({ refusedRate: 0, refusedP99: null });
  });

  it('fails when an answer is neither an acknowledgement nor an early refusal', async () => {
    server.status = 503;
    await expect(run()).rejects.toThrow('503');
  });
});

describe('the client library of a system', () => {
  it('is missing for one that has none', () => {
    expect(noClient('paxosctl')).toBeNull();
    expect(noClient('etcd')).toBeNull();
    expect(noClient('zookeeper')).toContain('no client');
  });
});
