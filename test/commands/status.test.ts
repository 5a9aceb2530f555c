import { afterEach, describe, expect, it } from 'vitest';
import { type FakeCell, fakeCell } from './fake-cell.ts';
import { cli, startCli } from './run-cli.ts';

let cell: FakeCell | null = null;
afterEach(async () => {
  await cell?.close();
  cell = null;
});

async function status(cell: FakeCell, ...args: string[]) {
  return cli(['status', '--endpoints', cell.endpoints, ...args]);
}

describe('status', () => {
  it('of a cell that is well says so, with exit code 0, whichever replica was asked', async () => {
    cell = await fakeCell(3);
    const { code, stdout } = await cli(['status', '--json', '--endpoints', cell.replicas[2]?.url ?? '']);
    const document = JSON.parse(stdout);
    expect(document.cell).toMatchObject({
      id: 'cell-1',
      name: 'default',
      generation: 1,
      level: 1,
      health: 'healthy',
      tolerates: 1,
      intended: 1,
      why: [],
      master: 'n1',
      epoch: 4,
    });
    expect(document.members.map((it: { name: string }) => it.name)).toEqual(['n1', 'n2', 'n3']);
    expect(document.members[1]).toMatchObject({
      role: 'replica',
      voting: true,
      incarnation: 1,
      version: '0.1.0',
      applied: 9184,
      lag: 0,
      answered: true,
    });
    expect(code).toBe(0);
  });

  it('names a member that does not answer, and ends with 9 because the cell serves with less tolerance', async () => {
    cell = await fakeCell(3);
    await cell.replicas[2]?.close();
    const { code, stdout } = await status(cell);
    expect(stdout).toContain('DEGRADED');
    expect(stdout).toContain('tolerates 0 of 1 intended failures');
    expect(stdout).toMatch(/why: n3 does not answer at http:\S+ \(connection refused\)/);
    expect(code).toBe(9);
  });

  it('ends with 3 when the rest is no quorum, and still shows what is known', async () => {
    cell = await fakeCell(3);
    await cell.replicas[0]?.close();
    await cell.replicas[2]?.close();
    const { code, stdout } = await cli(['status', '--endpoints', cell.replicas[1]?.url ?? '', '--json']);
    expect(JSON.parse(stdout).cell).toMatchObject({ health: 'unavailable', master: null, tolerates: 0 });
    expect(code).toBe(3);
  });

  it('names the odd database out', async () => {
    cell = await fakeCell(3);
    const odd = cell.replicas[1];
    if (odd) odd.status = { checksum: { instance: 9184, log: 'aa', database: 'cc' } };
    const { code, stdout } = await status(cell);
    expect(stdout).toContain('n2 holds another database than the majority at instance 9184');
    expect(code).toBe(9);
  });

  it('shows names from the cell escaped', async () => {
    cell = await fakeCell(1);
    const [only] = cell.replicas;
    if (only) only.status = { cell: { id: 'x', name: 'evil\u001b[2J', generation: 1 } };
    const { stdout } = await status(cell);
    expect(stdout).toContain('evil\\x1b[2J');
    expect(stdout).not.toContain('\u001b');
  });

  it('with --watch --json writes one document a line until it is interrupted, with exit code 130', async () => {
    cell = await fakeCell(1);
    const running = startCli(['status', '--watch', '--interval', '20ms', '--json', '--endpoints', cell.endpoints]);
    await expect.poll(() => running.output().stdout.split('\n').length, { timeout: 10_000 }).toBeGreaterThan(3);
    running.process.kill('SIGINT');
    const { code, stdout } = await running.result;
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line).cell.health).toBe('healthy');
    expect(code).toBe(130);
  });
});

describe('wait', () => {
  it('ends when the condition holds', async () => {
    cell = await fakeCell(3);
    const running = startCli(['wait', 'caught-up=n3', '--endpoints', cell.endpoints, '--json']);
    expect(JSON.parse((await running.result).stdout)).toMatchObject({ condition: 'caught-up=n3' });
    expect((await running.result).code).toBe(0);
  });

  it('ends when a master appears', async () => {
    cell = await fakeCell(1);
    const [only] = cell.replicas;
    if (only) only.status = { role: 'candidate', lease: { held: false, remainingMs: 0 } };
    const running = startCli(['wait', 'master', '--endpoints', cell.endpoints]);
    await expect.poll(() => running.output().stderr, { timeout: 10_000 }).toContain('Waiting for master');
    if (only) only.status = {};
    expect((await running.result).code).toBe(0);
  });

  it.each([
    ['master', 3],
    ['healthy', 3],
    ['version=9.9.9', 9],
  ])('%s that does not come to hold ends with %i when the time is up', async (condition, exit) => {
    cell = await fakeCell(1);
    const [only] = cell.replicas;
    if (only) only.status = { role: 'candidate', lease: { held: false, remainingMs: 0 } };
    const { code, stdout } = await cli([
      'wait',
      condition,
      '--timeout',
      '300ms',
      '--json',
      '--endpoints',
      cell.endpoints,
    ]);
    expect(JSON.parse(stdout).error).toMatchObject({ outcome: 'none', exitCode: exit });
    expect(code).toBe(exit);
  });

  it('does not go on waiting for a member that does not exist', async () => {
    cell = await fakeCell(3);
    const { code, stdout } = await cli(['wait', 'caught-up=n9', '--json', '--endpoints', cell.endpoints]);
    expect(JSON.parse(stdout).error.code).toBe('PAXOS_MEMBER_UNKNOWN');
    expect(code).toBe(5);
  });

  it('does not go on waiting for databases that differ', async () => {
    cell = await fakeCell(3);
    const odd = cell.replicas[1];
    if (odd) odd.status = { checksum: { instance: 9184, log: 'aa', database: 'cc' } };
    const { code } = await cli(['wait', 'checksums-agree', '--endpoints', cell.endpoints]);
    expect(code).toBe(4);
  });
});
