/**
 * Rounds of one fault each under concurrent clients: faults are drawn from a seed, processes and networks are real, so the
 * same seed gives the same faults but not the same run.
 *
 * Checked: every history linearizable, no acknowledged write lost and no refused one there, writes under a session exactly
 * once, one database on all replicas after every round, an answer for every client after every recovery.
 */
import { Random } from '../../../src/core/random.ts';
import { CellClient } from '../cell-client.ts';
import type { CellProcess } from '../cell-process.ts';
import { until } from '../until.ts';
import { type Fault, faults } from './faults.ts';
import type { Hand } from './hand.ts';
import { Journal } from './journal.ts';
import { LibraryHand } from './library-hand.ts';
import { PlainHand } from './plain-hand.ts';
import { Tormentor } from './tormentor.ts';
import { requireExactlyOnce, requireLedger, requireLinearizable } from './verdict.ts';

export interface TortureOptions {
  readonly rounds: number;
  readonly seed: string;
  /** Ends after the round in which this many ms are over. */
  readonly timeoutMs?: number;
  /** Instead of all. */
  readonly faults?: readonly Fault[];
  readonly onRound?: (line: string) => void;
}

export interface TortureReport {
  readonly rounds: number;
  readonly operations: number;
  readonly outcomes: Journal['outcomes'];
  readonly writtenOnce: number;
  readonly counted: number;
}

const keysPerRound = 4;
/** Answers that each round begins with, so that a fault strikes into work under way. */
const answersBeforeFault = 60;

export async function torture(cell: CellProcess, options: TortureOptions): Promise<TortureReport> {
  const { rounds, seed, timeoutMs = Number.POSITIVE_INFINITY } = options;
  const random = new Random(seed);
  const journal = new Journal();
  const hands = handsOn(cell, random);
  const tormentors = hands.map((hand, at) => {
    const name = `c${at + 1}`;
    return new Tormentor({ name, hand, random: random.fork(`client ${name}`), journal });
  });
  const auditor = new CellClient({ urls: cell.urls, random: random.fork('auditor'), carriesMarks: true });
  const started = performance.now();
  const allKeys: string[] = [];
  let done = 0;
  try {
    for (const fault of schedule(rounds, random.fork('faults'), options.faults ?? faults)) {
      const keys = Array.from({ length: keysPerRound }, (_, at) => `round/${done + 1}/${at + 1}`);
      allKeys.push(...keys);
      const began = performance.now();
      const drawn = await round(cell, { fault, keys, tormentors, random: random.fork(`round ${done + 1}`) }).catch(
        (error: Error) => {
          throw new Error(`Round ${done + 1} (${fault.name}) of seed ${seed}: ${error.message}`, { cause: error });
        },
      );
      done++;
      options.onRound?.(`round ${done}: ${fault.name}${drawn}, ${Math.round(performance.now() - began)} ms`);
      if (performance.now() - started > timeoutMs) break;
    }
    const reader = tormentors[0] as Tormentor;
    for (const key of allKeys) await reader.read(key);
    requireLinearizable(journal);
    await requireLedger(journal, auditor);
    await requireExactlyOnce(journal, auditor);
    await cell.agreement();
  } finally {
    await Promise.all([...new Set<{ close(): Promise<void> }>([...hands, auditor])].map((open) => open.close()));
  }
  const counted = [...journal.counters.values()].reduce((sum, count) => sum + count, 0);
  return {
    rounds: done,
    operations: journal.operations.length,
    outcomes: journal.outcomes,
    writtenOnce: journal.ledger.length,
    counted,
  };
}

/** Ways into the cell, one a client; those that share one are gathered into common requests. */
function handsOn({ urls }: CellProcess, random: Random): Hand[] {
  const plain = (at: number, options: { withSession: boolean; carriesMarks: boolean }): Hand =>
    new PlainHand({ urls, random: random.fork(`routes ${at}`), ...options });
  const gathering = new LibraryHand({ urls, random: random.fork('gathering'), withSession: false });
  return [
    plain(1, { withSession: true, carriesMarks: true }),
    plain(2, { withSession: false, carriesMarks: false }),
    plain(3, { withSession: true, carriesMarks: false }),
    plain(4, { withSession: false, carriesMarks: true }),
    new LibraryHand({ urls, random: random.fork('numbered'), withSession: true }),
    gathering,
    gathering,
  ];
}

/** All kinds before any comes again. */
function* schedule(rounds: number, random: Random, kinds: readonly Fault[]): Generator<Fault> {
  let left: Fault[] = [];
  for (let i = 0; i < rounds; i++) {
    if (left.length === 0) left = random.shuffle(kinds);
    yield left.pop() as Fault;
  }
}

interface Round {
  readonly fault: Fault;
  readonly keys: readonly string[];
  readonly tormentors: readonly Tormentor[];
  readonly random: Random;
}

/** What the fault drew, in words. */
async function round(cell: CellProcess, { fault, keys, tormentors, random }: Round): Promise<string> {
  let over = false;
  let drawn: unknown;
  const work = Promise.all(tormentors.map((tormentor) => tormentor.run(keys, () => over)));
  // Awaited at the end; until then its failure must not go unhandled, and ends every wait below.
  const failed = work.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(error),
  );
  failed.catch(() => undefined);
  const answers = (): number => tormentors.reduce((sum, tormentor) => sum + tormentor.answered, 0);
  try {
    const before = answers();
    await Promise.race([failed, until('clients are answered', () => answers() >= before + answersBeforeFault)]);
    drawn = await fault.strike(cell, random);
    const recovered = tormentors.map(({ answered }) => answered);
    await Promise.race([
      failed,
      until(
        'every client is answered after the fault',
        async () => {
          cell.refuseUnexpectedEnds();
          return tormentors.every(({ answered }, at) => answered > (recovered[at] as number));
        },
        { timeoutMs: 30_000 },
      ),
    ]);
  } finally {
    over = true;
  }
  await work;
  await cell.agreement(30_000);
  for (const key of keys) await (tormentors[0] as Tormentor).read(key);
  return typeof drawn === 'string' ? ` (${drawn})` : '';
}
