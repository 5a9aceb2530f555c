/**
 * `cell restore` and the recovery of a lost majority, with the operator's program and any member killed at random moments and run again
 * until it is done (pitfall O11): the same end each time, no acknowledged write lost beyond what was shown and typed, and nobody serves
 * the generation before.
 *
 * `PAXOSCTL_SEED` (drawn, and printed first) and `PAXOSCTL_ROUNDS` (3) change a run.
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { numbersApart } from '../../src/formats/history-points.ts';
import type { RecoverReport } from '../../src/formats/recovery.ts';
import type { Price } from '../../src/operator/recovery/decide.ts';
import { type CliResult, startCli } from '../commands/run-cli.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const seed = process.env.PAXOSCTL_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
const rounds = Number(process.env.PAXOSCTL_ROUNDS ?? 3);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
/** Runs that are cut short; what comes after is left alone. */
const killedRunsMax = 3;
const runsMax = 15;

/** Writes one after the other to whoever takes them, and keeps what was acknowledged, by the instance that it was. */
class Writer {
  readonly acknowledged = new Map<string, number>();
  readonly #cell: CellProcess;
  #stopped = false;
  #done: Promise<void> | null = null;
  #next = 0;

  constructor(cell: CellProcess) {
    this.#cell = cell;
  }

  start(): void {
    this.#stopped = false;
    this.#done = this.#write();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    while (!this.#stopped) {
      const key = `w${++this.#next}`;
      for (const { url } of this.#cell.members) {
        const signal = AbortSignal.timeout(1_000);
        const answer = await fetch(`${url}/v1/kv/${key}`, { method: 'PUT', body: key, signal }).catch(() => null);
        const document =
          answer?.status === 200 ? ((await answer.json().catch(() => null)) as { instance: number }) : null;
        if (document === null) continue;
        this.acknowledged.set(key, document.instance);
        break;
      }
      await sleep(20);
    }
  }

  /** Acknowledged, and not there any more. */
  async missing(url: string): Promise<readonly number[]> {
    const gone: number[] = [];
    for (const [key, instance] of this.acknowledged) {
      const answer = await fetch(`${url}/v1/kv/${key}`);
      if (answer.status === 404) gone.push(instance);
      else expect([key, answer.status]).toEqual([key, 200]);
    }
    return gone;
  }
}

interface Typed {
  loss: number;
  unknown: readonly string[];
  again: boolean;
}

/** Types the command until it is done, as an operator who reads what it says and accepts the price that was shown. */
async function untilDone(
  cell: CellProcess,
  random: Random,
  command: (typed: Typed) => readonly string[],
  killable: readonly ReplicaChild[],
): Promise<{ readonly accepted: number; readonly result: CliResult; readonly log: readonly string[] }> {
  const env = {
    XDG_STATE_HOME: path.join(cell.folder, 'operator'),
    PAXOSCTL_ENDPOINTS: cell.urls.join(','),
    PAXOSCTL_TIMEOUT: '10s',
  };
  const typed: Typed = { loss: 0, unknown: [], again: false };
  const log: string[] = [];
  let accepted = 0;
  let killed = 0;
  for (let run = 0; run < runsMax; run++) {
    const program = startCli(command(typed), { env, cwd: cell.folder });
    // Those that only ask for the price change nothing.
    const mayGoOn = typed.loss > 0 || typed.unknown.length > 0;
    if (mayGoOn && killed < killedRunsMax && random.below(5) > 0) {
      killed++;
      log.push(await killAtRandom(random, killable, () => program.process.kill('SIGKILL')));
    }
    const result = await program.result;
    for (const member of killable) if (!member.running) member.start();
    await allAnswer(killable);
    const { error, generation } = documentOf(result);
    log.push(error === undefined ? `exit ${result.code}` : `exit ${result.code}: ${error.message}`);
    if (result.code === 0 && generation !== undefined) return { accepted, result, log };
    const price = error?.facts.price as Price | undefined;
    if (price !== undefined) {
      typed.loss = Math.max(typed.loss, price.revisionsAtLeast);
      typed.unknown = price.notAsked;
      accepted = Math.max(accepted, typed.loss);
    } else if (/with another state/.test(error?.message ?? '')) typed.again = true;
  }
  throw new Error(`It was not done in ${runsMax} runs: ${log.join(' | ')}`);
}

function documentOf({ stdout }: CliResult): {
  readonly generation?: number;
  readonly error?: { readonly message: string; readonly facts: Readonly<Record<string, unknown>> };
} {
  try {
    return JSON.parse(stdout);
  } catch {
    return {};
  }
}

/** The program, one member or all of them, at some moment of its run. */
async function killAtRandom(
  random: Random,
  members: readonly ReplicaChild[],
  killProgram: () => void,
): Promise<string> {
  const afterMs = random.below(4_000);
  const whom = random.below(members.length + 2);
  await sleep(afterMs);
  const one = members[whom];
  if (whom === members.length) killProgram();
  else if (one !== undefined) await (one.running ? one.kill() : null);
  else await Promise.all(members.filter(({ running }) => running).map((it) => it.kill()));
  const name = one?.name ?? (whom === members.length ? 'the program' : 'all members');
  // Back before the program gives up, or only afterwards.
  if (random.below(2) === 0) {
    await sleep(random.below(1_500));
    for (const member of members) if (!member.running) member.start();
  }
  return `${name} killed after ${afterMs} ms`;
}

const reportOf = async ({ url }: ReplicaChild): Promise<RecoverReport | null> => {
  const answer = await fetch(`${url}/v1/recover`).catch(() => null);
  return answer?.status === 200 ? ((await answer.json()) as RecoverReport) : null;
};

const allAnswer = (members: readonly ReplicaChild[]): Promise<unknown> =>
  until('all say what they hold', async () => {
    const reports = await Promise.all(members.map(reportOf));
    return reports.every((it) => it !== null) || null;
  });

/** Of all of them the same one, and not that of before. */
async function oneGeneration(members: readonly ReplicaChild[], above: number): Promise<number> {
  const reports = (await Promise.all(members.map(reportOf))).flatMap((it) => it ?? []);
  const ids = new Set(reports.map(({ generation, generationId }) => `${generation} ${generationId}`));
  expect([reports.length, [...ids]]).toEqual([members.length, [expect.any(String)]]);
  const generation = reports[0]?.generation ?? 0;
  expect(generation).toBeGreaterThan(above);
  return generation;
}

it('a restore ends the same whoever was killed, and costs what was typed', {
  timeout: 60_000 * rounds + 60_000,
}, async () => {
  say(`restores, PAXOSCTL_SEED=${seed}`);
  const random = new Random(`restores ${seed}`);
  await withCell({ replicas: 3 }, async (cell) => {
    let generation = 1;
    for (let round = 0; round < rounds; round++) {
      const file = path.join(cell.folder, `backup-${round}`);
      const { url } = await cell.master();
      expect((await fetch(`${url}/v1/kv/order`, { method: 'PUT', body: `kept ${round}` })).status).toBe(200);
      const env = { XDG_STATE_HOME: path.join(cell.folder, 'operator'), PAXOSCTL_ENDPOINTS: cell.urls.join(',') };
      expect((await startCli(['snapshot', 'save', file], { env }).result).code).toBe(0);
      const writer = new Writer(cell);
      writer.start();
      await until('some were acknowledged', () => writer.acknowledged.size > 3 || null);
      const command = ({ loss, unknown, again }: Typed): string[] => [
        ...['cell', 'restore', file, '--confirm', 'default', '--json', '--accept-loss', String(loss)],
        ...['--save', path.join(cell.folder, `saved-${round}-${loss}-${again}`)],
        ...(unknown.length === 0 ? [] : ['--accept-unknown-loss', unknown.join(',')]),
        ...(again ? ['--again'] : []),
      ];
      // An operator does not accept to be faster than the clients: they are stopped once the first price was shown.
      const stopped = sleep(random.below(1_500)).then(() => writer.stop());
      const { accepted, log } = await untilDone(cell, random, command, cell.members);
      await stopped;
      await cell.agreement();
      generation = await oneGeneration(cell.members, generation);
      const master = await cell.master();
      expect(await (await fetch(`${master.url}/v1/kv/order`)).text()).toBe(`kept ${round}`);
      const missing = await writer.missing(master.url);
      say(`round ${round}: generation ${generation}; ${missing.length} lost, ${accepted} accepted; ${log.join(' | ')}`);
      expect(missing.length).toBeLessThanOrEqual(accepted);
      // Nothing that the generation itself acknowledged.
      expect(missing.filter((instance) => instance > (generation - 1) * numbersApart)).toEqual([]);
    }
  });
});

it('a lost majority is recovered the same whoever was killed, and loses nothing that was known', {
  timeout: 60_000 * rounds + 60_000,
}, async () => {
  say(`recoveries, PAXOSCTL_SEED=${seed}`);
  for (let round = 0; round < rounds; round++) {
    const random = new Random(`recoveries ${seed} ${round}`);
    await withCell({ replicas: 5 }, async (cell) => {
      await cell.master();
      const writer = new Writer(cell);
      writer.start();
      await until('some were acknowledged', () => writer.acknowledged.size > 3 || null);
      await writer.stop();
      await cell.agreement();
      const [left, lost] = [cell.members.slice(0, 2), cell.members.slice(2)];
      for (const member of lost) {
        await member.kill();
        rmSync(member.directory, { recursive: true });
      }
      const plan = path.join(cell.folder, 'plan.json');
      const env = {
        XDG_STATE_HOME: path.join(cell.folder, 'operator'),
        PAXOSCTL_ENDPOINTS: left.map(({ url }) => url).join(','),
        PAXOSCTL_TIMEOUT: '10s',
      };
      const planning = ['recover', 'plan', '--lost', lost.map(({ name }) => name).join(','), '--out', plan, '--json'];
      await until('it is planned', async () => (await startCli(planning, { env }).result).code === 0 || null);
      const command = ({ loss, unknown }: Typed): string[] => [
        ...['recover', 'apply', plan, '--confirm', 'default', '--json', '--accept-loss', String(loss)],
        ...(unknown.length === 0 ? [] : ['--accept-unknown-loss', unknown.join(',')]),
      ];
      const { log } = await untilDone(cell, random, command, left);
      await oneGeneration(left, 1);
      const master = await until('there is a master', async () => {
        const statuses = await Promise.all(left.map((it) => it.status()));
        return left[statuses.findIndex((it) => it?.role === 'master' && it.lease.held)] ?? null;
      });
      say(`round ${round}: ${writer.acknowledged.size} acknowledged; ${log.join(' | ')}`);
      expect(await writer.missing(master.url)).toEqual([]);
    });
  }
});
