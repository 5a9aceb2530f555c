/**
 * Makes a failing run small: a schedule of a few faults that a person can follow, in place of minutes with hundreds of them.
 *
 * Source: pitfalls R22; delta debugging (Zeller and Hildebrandt). Every candidate is run, and one that fails in the same way
 * takes the place of the best so far. Keeps: what is returned was run and failed; the result does not depend on how many
 * run at a time, as long as the time suffices.
 */
import type { CellReport } from './cell.ts';
import type { CellRunner } from './runner.ts';
import { cellOf, type Scenario, type Script } from './scenario.ts';
import { calmer, type Edit, type Edits, fewer, lessTime, rounder } from './shrink-edits.ts';

export interface ShrinkOptions {
  /** Runs from its seed when it has no strikes. */
  readonly scenario: Scenario;
  readonly runner: CellRunner;
  /** Asked before each run: false ends the search with the best so far. */
  readonly more?: () => boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ShrinkProgress) => void;
}

export interface ShrinkProgress {
  /** Candidates that were run. */
  readonly runs: number;
  readonly before: ScenarioSize;
  /** Of the best so far. */
  readonly size: ScenarioSize;
}

/** What a reader has to follow. */
export interface ScenarioSize {
  readonly strikes: number;
  readonly simulatedMs: number;
  readonly replicas: number;
  readonly operations: number;
}

export interface Shrunk extends ShrinkProgress {
  readonly script: Script;
  readonly report: FailingReport;
  /** Nothing that is tried makes it smaller; false when the time was over first. */
  readonly minimal: boolean;
}

export type FailingReport = CellReport & { readonly violation: NonNullable<CellReport['violation']> };

interface Best {
  readonly script: Script;
  readonly report: FailingReport;
}

const hourMs = 3_600_000;
/** Further seeds for each candidate once nothing helps with its own: other messages are late, the faults are the same. */
const nudges = 2;
/** A smaller schedule may fail a little later. */
const slackShare = 0.25;
const slackMs = 500;

/** Null when the scenario holds, or the time was over before it failed. */
export async function shrink(options: ShrinkOptions): Promise<Shrunk | null> {
  const { scenario, runner, signal } = options;
  const report = await runner.run(cellOf(scenario), signal === undefined ? {} : { signal });
  if (report === null || !hasFailed(report)) return null;
  const shrinker = new Shrinker(options, report);
  if (!(await shrinker.asScript(scenario))) return null;
  const minimal = await shrinker.run();
  return { ...shrinker.progress, ...shrinker.best, minimal };
}

class Shrinker {
  readonly #options: ShrinkOptions;
  readonly #before: ScenarioSize;
  readonly #failure: string;
  readonly #original: FailingReport;
  /** A run that did not fail does not fail the next time either. */
  readonly #tried = new Set<string>();
  #runs = 1;
  #best: Best | null = null;

  constructor(options: ShrinkOptions, report: FailingReport) {
    this.#options = options;
    this.#before = sizeOf(report);
    this.#failure = failureOf(report);
    this.#original = report;
  }

  get best(): Best {
    if (this.#best === null) throw new Error('There is no script before the first run of one.');
    return this.#best;
  }

  get progress(): ShrinkProgress {
    return { runs: this.#runs, before: this.#before, size: sizeOf(this.#best?.report ?? this.#original) };
  }

  /** From now on the faults are data, and what comes behind the violation is gone. */
  async asScript({ title, expect, cell }: Scenario): Promise<boolean> {
    const { profile, strikes, violation } = this.#original;
    const script = { title, expect, profile, strikes };
    const fixed = { ...cell, replicas: profile.replicas };
    const hours = hoursUpTo(violation.atMs);
    return this.#improve([
      { ...script, cell: { ...fixed, mode: 'safety', hours, operationsMin: 0 } },
      { ...script, cell: { ...fixed, operationsMin: 0 } },
      { ...script, cell: fixed },
    ]);
  }

  /** True when nothing helps any more, false when the time was over first. */
  async run(): Promise<boolean> {
    for (let seeds = 0; this.#more(); ) {
      let improved = await this.#fewerStrikes(seeds);
      for (const edits of [calmer, fewer, lessTime]) improved = (await this.#edit(edits, seeds)) || improved;
      if (improved) continue;
      if (seeds === nudges) break;
      seeds = nudges;
    }
    // Last, since what was made round would be made shorter again.
    await this.#edit(rounder, nudges);
    await this.#fewerStrikes(nudges);
    return this.#more();
  }

  #edit(edits: Edits, seeds: number): Promise<boolean> {
    return this.#try(edits(this.best.script, this.#showsAtEnd), seeds);
  }

  get #showsAtEnd(): boolean {
    const { script, report } = this.best;
    return script.cell.mode !== 'safety' || hoursUpTo(report.violation.atMs) > script.cell.hours;
  }

  /** Leaves out ever smaller parts of the strikes, down to single ones. */
  async #fewerStrikes(seeds: number): Promise<boolean> {
    let improved = await this.#try([withStrikes(() => [])], seeds);
    for (let parts = 2; this.best.script.strikes.length > 0; ) {
      const { length } = this.best.script.strikes;
      const size = Math.ceil(length / Math.min(parts, length));
      const edits = Array.from({ length: Math.ceil(length / size) }, (_, part) =>
        withStrikes((strikes) => strikes.filter((_, i) => Math.floor(i / size) !== part)),
      );
      if (await this.#improve(this.#candidates(edits, seeds))) {
        improved = true;
        parts = Math.max(2, parts - 1);
      } else if (size === 1) break;
      else parts *= 2;
    }
    return improved;
  }

  /** Each edit once, on whatever is the best by then. */
  async #try(edits: readonly Edit[], seeds: number): Promise<boolean> {
    let improved = false;
    for (let left = edits; left.length > 0; ) {
      const found = await this.#first(this.#candidates(left, seeds));
      if (found === null) break;
      improved = true;
      left = left.slice(Math.floor(found.index / (1 + seeds)) + 1);
    }
    return improved;
  }

  /** The edited best, each with its own seed and with `seeds` others; null for what changes nothing or was tried before. */
  #candidates(edits: readonly Edit[], seeds: number): (Script | null)[] {
    return edits.flatMap((edit) => {
      const script = edit(this.best.script);
      const others = Array.from({ length: seeds }, (_, i) => (script === null ? null : nudge(script, i + 1)));
      return [script, ...others].map((each) => (each === null || this.#tried.has(JSON.stringify(each)) ? null : each));
    });
  }

  async #improve(candidates: readonly (Script | null)[]): Promise<boolean> {
    return (await this.#first(candidates)) !== null;
  }

  /** Runs candidates in their order until one fails as the original did, which is the best from then on. */
  async #first(candidates: readonly (Script | null)[]): Promise<{ readonly index: number } | null> {
    const underWay = new Map<number, AbortController>();
    let found: (Best & { readonly index: number }) | null = null;
    let next = 0;
    const limit = (): number => found?.index ?? candidates.length;
    const lane = async (): Promise<void> => {
      while (next < limit() && this.#more()) {
        const index = next++;
        const script = candidates[index];
        if (script === null || script === undefined) continue;
        const abort = new AbortController();
        underWay.set(index, abort);
        const report = await this.#run(script, abort);
        underWay.delete(index);
        if (report === null && !abort.signal.aborted) this.#tried.add(JSON.stringify(script));
        if (report === null || index >= limit()) continue;
        found = { index, ...settled(script, report) };
        for (const [other, abort] of underWay) if (other > index) abort.abort();
      }
    };
    await Promise.all(Array.from({ length: this.#options.runner.lanes }, lane));
    const better = found as (Best & { readonly index: number }) | null;
    if (better !== null) this.#best = { script: better.script, report: better.report };
    this.#options.onProgress?.(this.progress);
    return better;
  }

  /** The report, if it failed in the same way. */
  async #run(script: Script, abort: AbortController): Promise<FailingReport | null> {
    const { runner, signal, onProgress } = this.#options;
    const giveUp = (): void => abort.abort();
    signal?.addEventListener('abort', giveUp, { once: true });
    const report = await runner.run(cellOf(script), { signal: abort.signal });
    signal?.removeEventListener('abort', giveUp);
    this.#runs++;
    onProgress?.(this.progress);
    return report !== null && hasFailed(report) && failureOf(report) === this.#failure ? report : null;
  }

  #more(): boolean {
    return this.#options.signal?.aborted !== true && (this.#options.more?.() ?? true);
  }
}

const hasFailed = (report: CellReport): report is FailingReport => report.violation !== null;

/** What makes two failures the same: the property; for what any part of the code may say, also the words without their numbers. */
function failureOf({ violation: { property, message } }: FailingReport): string {
  if (!['invariant', 'bug', 'recovery', 'liveness'].includes(property)) return property;
  return `${property} ${(message.split('\n')[0] ?? '').replace(/[\d.]+/g, '#')}`;
}

/** Behind the violation nothing matters: what struck later is gone, and so is the time. */
function settled(script: Script, report: FailingReport): Best {
  const { atMs } = report.violation;
  const early = script.cell.mode === 'safety' && hoursUpTo(atMs) < script.cell.hours;
  const cell = early ? { ...script.cell, hours: hoursUpTo(atMs) } : script.cell;
  return { script: { ...script, cell, strikes: script.strikes.filter((strike) => strike.atMs <= atMs) }, report };
}

/** With some slack, in a number that can be read. */
const hoursUpTo = (atMs: number): number => Math.ceil(((atMs * (1 + slackShare) + slackMs) / hourMs) * 1e5) / 1e5;

const withStrikes =
  (change: (strikes: Script['strikes']) => Script['strikes']): Edit =>
  (script) => {
    const strikes = change(script.strikes);
    return strikes.length === script.strikes.length ? null : { ...script, strikes };
  };

/** The same schedule with other luck. */
function nudge(script: Script, number: number): Script {
  const seed = `${String(script.cell.seed).replace(/~\d+$/, '')}~${number}`;
  return { ...script, cell: { ...script.cell, seed } };
}

const sizeOf = ({ strikes, simulatedMs, profile, operations }: CellReport): ScenarioSize => ({
  strikes: strikes.length,
  simulatedMs,
  replicas: profile.replicas,
  operations,
});
