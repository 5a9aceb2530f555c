/**
 * At least 200 rounds of faults on three and five real replicas under concurrent clients.
 *
 * `PAXOSCTL_TORTURE_ROUNDS` (100 for each size), `PAXOSCTL_TORTURE_MINUTES` (no limit), `PAXOSCTL_TORTURE_SEED` (drawn) and
 * `PAXOSCTL_TORTURE_FAULTS` (all; else those whose name matches) change a run; the seed is printed first.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';
import { faults } from '../support/torture/faults.ts';
import { hookFaults } from '../support/torture/hook-faults.ts';
import { torture } from '../support/torture/torture.ts';
import { torturedCell } from '../support/torture/tortured-cell.ts';
import { buildTunedReplica, type TunedProgram } from '../support/tuned-program.ts';

const rounds = Number(process.env.PAXOSCTL_TORTURE_ROUNDS ?? 100);
const minutes = Number(process.env.PAXOSCTL_TORTURE_MINUTES ?? Number.POSITIVE_INFINITY);
const named = new RegExp(process.env.PAXOSCTL_TORTURE_FAULTS ?? '');
const kinds = [...faults, ...hookFaults].filter(({ name }) => named.test(name));
const drawn = String(Math.floor(Math.random() * 2 ** 32));

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

const say = (line: string): void => void process.stderr.write(`${line}\n`);

it.each([3, 5])(
  '%i replicas under faults lose nothing, read nothing stale and stay one database',
  {
    timeout: 3 * 3_600_000,
  },
  async (replicas) => {
    const seed = `${process.env.PAXOSCTL_TORTURE_SEED ?? drawn}/${replicas}`;
    say(`torture of ${replicas} replicas, ${rounds} rounds, PAXOSCTL_TORTURE_SEED=${seed.split('/')[0]}`);
    const report = await withCell(torturedCell(replicas, tuned), (cell) =>
      torture(cell, { rounds, seed, timeoutMs: minutes * 60_000, faults: kinds, onRound: say }),
    );
    say(JSON.stringify(report));
    if (minutes === Number.POSITIVE_INFINITY) expect(report.rounds).toBe(rounds);
    expect(report.outcomes.ok).toBeGreaterThan(report.rounds * 10);
  },
);
