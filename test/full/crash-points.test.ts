/**
 * Every named point that the life of one replica passes: a start, writes, snapshots, a log that is cut. Ended before and after
 * each, and again at a drawn point of the start that follows; each operation failing once. What was acknowledged is there.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { withCell } from '../support/cell-process.ts';
import { Hooks, ordersOf, startWith } from '../support/hooks/hooks.ts';
import type { Moment } from '../support/hooks/points.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

const seed = process.env.PAXOSCTL_TORTURE_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const hour = { timeout: 3_600_000 };
const busy = tunedEnv({
  snapshotLogBytes: 24 * 1024,
  segmentBytes: 16 * 1024,
  limits: { retainBehindSnapshotInstances: 8 },
});
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const moments = ['before', 'after'] as const;
const writesLeast = 40;
/** Enough for a snapshot, for which the points of upkeep wait. */
const writesAfterFailure = 120;
/** Long enough for every point of a running replica to come. */
const writesMax = 400;

/** Writes that never change, so that whatever was acknowledged must be there as it was. */
class Ledger {
  readonly #client: CellClient;
  readonly #acknowledged = new Map<string, string>();
  #next = 0;

  constructor(urls: readonly string[]) {
    this.#client = new CellClient({ urls, random: new Random(1), wanders: 0 });
  }

  get size(): number {
    return this.#acknowledged.size;
  }

  async write(timeoutMs = 300): Promise<boolean> {
    const key = `k${this.#next++}`;
    const body = key.padEnd(700, '.');
    const request = { method: 'PUT', path: keyPath(key), body, repeatable: false } as const;
    const outcome = await this.#client.perform(request, timeoutMs);
    if (outcome.kind !== 'answer' || outcome.status !== 200) return false;
    this.#acknowledged.set(key, body);
    return true;
  }

  /** All of it, page by page. */
  async expectAll(): Promise<void> {
    const stored = new Map<string, string>();
    for (let after = ''; ; ) {
      const query = new URLSearchParams({ limit: '500', ...(after === '' ? {} : { after }) });
      const outcome = await this.#client.perform({ method: 'GET', path: `/v1/kv?${query}`, repeatable: true }, 20_000);
      if (outcome.kind !== 'answer') throw new Error(outcome.why);
      const page = JSON.parse(outcome.body) as { entries: { key: string; value: string }[]; next: string | null };
      for (const { key, value } of page.entries) stored.set(key, value);
      if (page.next === null) break;
      after = page.next;
    }
    const wrong = [...this.#acknowledged].filter(([key, value]) => stored.get(key) !== value);
    expect(wrong.map(([key]) => key)).toEqual([]);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

interface Place {
  readonly point: string;
  /** The times that it is passed by then, and one more. */
  readonly nth: number;
}

/** One place for each point that a start passes, and one for each that work passes until the log was cut. */
async function placesOf(
  member: ReplicaChild,
  ledger: Ledger,
): Promise<{ readonly start: readonly Place[]; readonly work: readonly Place[] }> {
  await ledger.expectAll();
  const { passed: atStart } = await new Hooks(member).report();
  const before = ledger.size;
  let { passed } = await new Hooks(member).report();
  await until(
    'the log was cut',
    async () => {
      await ledger.write();
      ({ passed } = await new Hooks(member).report());
      return ledger.size > before + writesLeast && (passed['wal.retire'] ?? 0) > (atStart['wal.retire'] ?? 0);
    },
    { timeoutMs: 60_000 },
  );
  const start = Object.keys(atStart).map((point) => ({ point, nth: 1 }));
  const work = Object.entries(passed).map(([point, times]) => ({ point, nth: (atStart[point] ?? 0) + 1, times }));
  return { start, work: work.filter(({ nth, times }) => times >= nth) };
}

/** Works until the trap has ended it; false when it was not reached. */
async function endedAtWork(member: ReplicaChild, ledger: Ledger): Promise<boolean> {
  const end = member.end(60_000);
  for (let writes = 0; writes < writesMax && member.running; writes++) await ledger.write();
  if (!member.running) {
    expect(await end).toEqual({ code: null, signal: 'SIGKILL' });
    return true;
  }
  await member.kill();
  await end;
  return false;
}

/** Those of a life that only starts and works: the first one also formed the cell. */
async function placesOfLife(member: ReplicaChild, ledger: Ledger): ReturnType<typeof placesOf> {
  await placesOf(member, ledger);
  await member.kill();
  member.start();
  const places = await placesOf(member, ledger);
  await member.kill();
  return places;
}

it(
  'an end before and after every point of a life loses nothing, nor does another one while it comes back',
  hour,
  async () => {
    say(`crash points, PAXOSCTL_TORTURE_SEED=${seed}`);
    const random = new Random(seed);
    await withCell({ replicas: 1, programOf: () => tuned.program, env: busy }, async (cell) => {
      const [member] = cell.members as [ReplicaChild];
      const ledger = new Ledger(cell.urls);
      const { start, work } = await placesOfLife(member, ledger);
      let ends = 0;
      let again = 0;
      const missed: string[] = [];
      for (const { point, nth } of [...start, ...work]) {
        for (const moment of moments) {
          const first = `${moment} ${point}${nth === 1 ? '' : ` no. ${nth}`}`;
          startWith(member, ordersOf({ point, moment, nth, act: { kind: 'crash' } }));
          if (await endedAtWork(member, ledger)) ends++;
          else missed.push(first);
          const second = { ...random.pick(start), moment: random.pick(moments) };
          startWith(member, ordersOf({ ...second, act: { kind: 'crash' } }));
          if ((await member.end(5_000).catch(() => null)) !== null) again++;
          else await member.kill();
          member.start();
          await ledger.expectAll();
          await member.kill();
          say(`${first}, then ${second.moment} ${second.point}; ${ledger.size} writes`);
        }
      }
      say(
        `${start.length} points of a start, ${work.length} of its work: ${ends} ends, ${again} of the starts after them`,
      );
      say(`not reached: ${missed.join(', ') || 'none'}`);
      expect(ends).toBeGreaterThan(1.5 * (start.length + work.length));
      await ledger.close();
    });
  },
);

const failures: readonly (readonly [moment: Moment, reason: 'io' | 'full'])[] = [
  ['before', 'io'],
  ['after', 'io'],
  ['before', 'full'],
];

it(
  'each operation of the disk failing once: the replica ends with a reason, or goes on; nothing is lost',
  hour,
  async () => {
    await withCell({ replicas: 1, programOf: () => tuned.program, env: busy }, async (cell) => {
      const [member] = cell.members as [ReplicaChild];
      const ledger = new Ledger(cell.urls);
      const { start, work } = await placesOfLife(member, ledger);
      const outcomes = new Map<string, number>();
      for (const { point, nth } of [...start, ...work]) {
        for (const [moment, reason] of failures) {
          const what = `${reason} ${moment} ${point}${nth === 1 ? '' : ` no. ${nth}`}`;
          const logged = member.log().length;
          startWith(member, ordersOf({ point, moment, nth, act: { kind: 'fail', reason } }));
          const end = member.end(60_000);
          for (let writes = 0; writes < writesAfterFailure && member.running; writes++) await ledger.write();
          const outcome = member.running ? 'went on' : `exit ${(await end).code}`;
          if (member.running) {
            await until(`a write is told after ${what}`, () => ledger.write(1_000));
            await member.kill();
          } else {
            const said = member.log().slice(logged);
            expect(said, what).toMatch(/"code":"PAXOS_(DISK_FAILED|DISK_FULL|DATA_CORRUPT)"/);
            expect(said, what).not.toMatch(/InvariantViolation|TypeError/);
          }
          await end;
          member.start();
          await ledger.expectAll();
          await member.kill();
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          say(`${what}: ${outcome}; ${ledger.size} writes`);
        }
      }
      say(`failing operations: ${[...outcomes].map(([outcome, times]) => `${outcome} ${times} times`).join(', ')}`);
      await ledger.close();
    });
  },
);

it('an end at every point of its formation: the same command forms the same cell', hour, async () => {
  let points: readonly string[] = [];
  await withCell({ replicas: 3, programOf: () => tuned.program, env: busy }, async (cell) => {
    const [member] = cell.members as [ReplicaChild];
    points = Object.keys((await new Hooks(member).report()).passed).filter((point) => !/^(send|receive)/.test(point));
  });
  let ends = 0;
  for (const point of points) {
    for (const moment of moments) {
      await withCell({ replicas: 3, programOf: () => tuned.program, env: busy, started: false }, async (cell) => {
        const [member, ...others] = cell.members as [ReplicaChild, ...ReplicaChild[]];
        startWith(member, ordersOf({ point, moment, nth: 1, act: { kind: 'crash' } }));
        for (const other of others) other.start();
        if ((await member.end(3_000).catch(() => null)) === null) await member.kill();
        else ends++;
        member.start();
        await cell.master();
        await cell.agreement();
        const ids = new Set((await cell.statuses()).map((status) => status?.cell.id));
        expect(ids.size, `${moment} ${point}`).toBe(1);
        expect((await cell.statuses()).map((status) => status?.members.length)).toEqual([3, 3, 3]);
      });
    }
  }
  say(`${points.length} points of a formation, ${ends} ends at them`);
  expect(ends).toBeGreaterThan(points.length);
});
