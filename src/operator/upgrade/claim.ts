/**
 * Who may drive: one claim in the cell, renewed every second and stamped by the master's clock; nobody's after ten (design §6).
 *
 * Every change of the journal is guarded by the claim's own instance. A driver that was taken for dead and is not changes
 * nothing any more, whatever it still believes.
 */

import { OutcomeUnknownError, RefusedError } from '../../errors/index.ts';
import { levelKey } from '../../formats/levels.ts';
import type { UpgradeStateDocument } from '../../formats/upgrade-body.ts';
import { type Attempt, type Claim, claimLapsesMs, claimRenewEveryMs, endStates, keys } from './journal.ts';
import type { UpgradeWorld } from './world.ts';

/** Ended ones that stay in the journal. */
const attemptsKept = 30;
/** Beyond the time after which a claim has lapsed, for a driver that renews it to be seen doing so. */
const lapseLookMs = 250;

export interface JournalState {
  readonly level: number;
  readonly levelInstance: number;
  /** Of what finalizing announced; 0 where nothing is. */
  readonly raiseInstance: number;
  readonly cellTimeMs: number;
  readonly claim: { readonly claim: Claim; readonly instance: number; readonly ageMs: number } | null;
  readonly claimInstance: number;
  /** The attempt that is open. */
  readonly current: { readonly attempt: Attempt; readonly instance: number } | null;
  readonly currentInstance: number;
  /** All of them, oldest first. */
  readonly attempts: readonly Attempt[];
}

export function journalOf(state: UpgradeStateDocument): JournalState {
  const entry = (key: string) => state.entries.find((it) => it.key === key);
  const claim = entry(keys.claim);
  const renewed = Number(entry(keys.renewed)?.value ?? 0);
  const id = entry(keys.current)?.value;
  const current = id === undefined ? undefined : entry(keys.attempt(id));
  return {
    level: state.level,
    levelInstance: entry(levelKey)?.instance ?? 0,
    raiseInstance: entry(keys.raise)?.instance ?? 0,
    cellTimeMs: state.cellTimeMs,
    claim:
      claim === undefined
        ? null
        : {
            claim: claimIn(claim.value),
            instance: claim.instance,
            ageMs: Math.max(0, state.cellTimeMs - renewed),
          },
    claimInstance: claim?.instance ?? 0,
    current:
      current === undefined ? null : { attempt: openAttempt(id ?? '', current.value), instance: current.instance },
    currentInstance: entry(keys.current)?.instance ?? 0,
    attempts: state.entries
      .filter(({ key }) => key.startsWith(keys.attempts))
      // One that nobody can read is not shown, and hides none of the others.
      .flatMap(({ value }) => attemptIn(value) ?? [])
      .map((it) => (endStates.has(it.state) || it.attempt === id ? it : { ...it, endedBy: 'new-generation' as const }))
      .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1)),
  };
}

function parsed(value: string): object | null {
  try {
    const document: unknown = JSON.parse(value);
    return typeof document === 'object' ? document : null;
  } catch {
    return null;
  }
}

/** The cell takes none that is not whole; a claim that is none lapses like any other. */
const claimIn = (value: string): Claim => ({ attempt: 'unknown', driver: 'somebody', nonce: '', ...parsed(value) });

function attemptIn(value: string): Attempt | null {
  const document = parsed(value) as Attempt | null;
  return Array.isArray(document?.members) && Array.isArray(document.steps) ? document : null;
}

/** @throws {RefusedError} (exit 5) where nobody could go on with it. */
function openAttempt(id: string, value: string): Attempt {
  const attempt = attemptIn(value);
  if (attempt !== null) return attempt;
  throw new RefusedError(`Upgrade ${id} is open, and its journal cannot be read; nothing was done.`, {
    facts: { attempt: id },
    suggestions: ['curl http://127.0.0.1:7401/v1/upgrade'],
  });
}

/** Exit 5: somebody else drives. Names them. */
export function drivenBy({ claim, ageMs }: NonNullable<JournalState['claim']>): RefusedError {
  return new RefusedError(
    `Upgrade ${claim.attempt} is being driven by ${claim.driver}, who was heard ${Math.round(ageMs / 1000)} s ago; nothing was done.`,
    {
      facts: { attempt: claim.attempt, driver: claim.driver, ageMs },
      suggestions: ['paxosctl upgrade status', 'paxosctl upgrade resume'],
    },
  );
}

export const hasLapsed = (journal: JournalState): boolean =>
  journal.claim === null || journal.claim.ageMs >= claimLapsesMs;

/** Resolves when nobody drives any more. @throws {RefusedError} when somebody still does after the time in which that shows. */
export async function untilLapsed(world: UpgradeWorld, onWaiting: (driver: string) => void): Promise<JournalState> {
  const deadline = world.nowMs() + claimLapsesMs + 2 * claimRenewEveryMs;
  for (;;) {
    const journal = journalOf(await world.readState());
    if (journal.claim === null || hasLapsed(journal)) return journal;
    if (world.nowMs() >= deadline) throw drivenBy(journal.claim);
    onWaiting(journal.claim.claim.driver);
    await world.sleep(lapseLookMs);
  }
}

/** The claim of this driver, and the journal as this driver last wrote it. */
export class HeldClaim {
  readonly #world: UpgradeWorld;
  readonly #claim: Claim;
  readonly #instance: number;
  #attemptInstance: number;
  /** What is to be raised stands in the cell. */
  #announced: boolean;
  #lost: RefusedError | null = null;
  /** It is being given back by this driver itself: that nobody has it any more is no loss. */
  #ending = false;
  #stop: () => void = () => undefined;

  private constructor(
    world: UpgradeWorld,
    claim: Claim,
    state: { claimInstance: number; attemptInstance: number; announced: boolean },
  ) {
    this.#world = world;
    this.#claim = claim;
    this.#instance = state.claimInstance;
    this.#attemptInstance = state.attemptInstance;
    this.#announced = state.announced;
  }

  /** Takes a claim that nobody holds, together with the journal as it is to be from then on. @throws {RefusedError} */
  static async take(world: UpgradeWorld, journal: JournalState, claim: Claim, attempt: Attempt): Promise<HeldClaim> {
    const attemptKey = keys.attempt(attempt.attempt);
    const known = journal.current?.attempt.attempt === attempt.attempt ? journal.current.instance : 0;
    // What was announced is withdrawn with the step that leaves it, and only while nothing was raised by it.
    const withdraws = journal.raiseInstance > 0 && attempt.state !== 'finalizing';
    const body = {
      guard: [
        { key: keys.claim, instance: journal.claimInstance },
        { key: keys.current, instance: journal.currentInstance },
        { key: attemptKey, instance: known },
        ...(withdraws
          ? [
              { key: levelKey, instance: journal.levelInstance },
              { key: keys.raise, instance: journal.raiseInstance },
            ]
          : []),
      ],
      writes: [
        { key: keys.claim, value: JSON.stringify(claim) },
        { key: keys.current, value: attempt.attempt },
        { key: attemptKey, value: JSON.stringify(attempt) },
        ...(withdraws ? [{ key: keys.raise, value: null }] : []),
      ],
      renew: true,
    };
    await sure(world, body, (now) => now.claim?.claim.nonce === claim.nonce);
    const now = journalOf(await world.readState());
    if (now.claim?.claim.nonce !== claim.nonce || now.current === null) {
      if (now.claim !== null) throw drivenBy(now.claim);
      throw new RefusedError('Somebody else changed the journal of upgrades just now; nothing was done.', {
        suggestions: ['paxosctl upgrade status'],
      });
    }
    const held = new HeldClaim(world, claim, {
      claimInstance: now.claim.instance,
      attemptInstance: now.current.instance,
      announced: now.raiseInstance > 0,
    });
    held.#stop = world.every(claimRenewEveryMs, () => void held.#renew());
    return held;
  }

  /** Set once somebody else has the claim: nothing more may be done. */
  get lost(): RefusedError | null {
    return this.#lost;
  }

  async #renew(): Promise<void> {
    const guard = [{ key: keys.claim, instance: this.#instance }];
    try {
      if (!(await this.#world.write({ guard, renew: true }))) await this.#look();
    } catch {
      // No master just now, or not known: the next one tells. The journal itself is guarded all the same.
    }
  }

  /**
   * Asks now: a driver that slept (a closed laptop) believes that it holds what was taken long ago.
   * @throws {RefusedError} when the claim is somebody else's, or the upgrade was ended; {OperatorError} when nobody tells.
   */
  async confirm(): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    const guard = [{ key: keys.claim, instance: this.#instance }];
    if (await this.#world.write({ guard, renew: true })) return;
    await this.#look();
    if (this.#lost !== null) throw this.#lost;
  }

  async #look(): Promise<void> {
    const { claim } = journalOf(await this.#world.readState());
    if (claim?.claim.nonce === this.#claim.nonce) return;
    // A renewal that was on its way comes to the cell after the end, or when the next upgrade has begun already.
    if (this.#ending && claim?.claim.attempt !== this.#claim.attempt) return;
    this.#lost =
      claim === null
        ? new RefusedError('The claim of this driver is gone: the upgrade was ended elsewhere.')
        : drivenBy(claim);
  }

  /**
   * Replaces the journal; what it already says is no error. `end`: the attempt is over, and the claim is given back.
   * @throws {RefusedError} when the claim is somebody else's; {OperatorError} when the cell cannot choose.
   */
  async save(attempt: Attempt, { end = false } = {}): Promise<void> {
    if (this.#lost !== null) throw this.#lost;
    const attemptKey = keys.attempt(attempt.attempt);
    const value = JSON.stringify(attempt);
    const over = end || endStates.has(attempt.state);
    const old = over ? await this.#outlived() : [];
    this.#ending = over;
    const body = {
      guard: [
        { key: keys.claim, instance: this.#instance },
        { key: attemptKey, instance: this.#attemptInstance },
      ],
      writes: [
        { key: attemptKey, value },
        ...this.#announcing(attempt),
        ...old.map((key) => ({ key, value: null })),
        ...(over ? [keys.current, keys.claim, keys.renewed, keys.raise].map((key) => ({ key, value: null })) : []),
      ],
      ...(over ? {} : { renew: true }),
    };
    const saidBy = (state: JournalState): boolean =>
      state.attempts.some((it) => it.attempt === attempt.attempt && JSON.stringify(it) === value);
    await sure(this.#world, body, saidBy);
    const raw = await this.#world.readState();
    const entry = raw.entries.find(({ key }) => key === attemptKey);
    if (entry?.value !== value) {
      this.#ending = false;
      await this.#look();
      throw (
        this.#lost ?? new RefusedError('The journal of upgrades was changed by somebody else; nothing more was done.')
      );
    }
    this.#attemptInstance = entry.instance;
    this.#announced = raw.entries.some(({ key }) => key === keys.raise);
    if (over) this.#stop();
  }

  /** With the step that begins finalizing: every replica holds the level that is raised later against it. */
  #announcing({ raiseTo, state }: Attempt): { readonly key: string; readonly value: string }[] {
    if (state !== 'finalizing' || raiseTo === null || this.#announced) return [];
    return [{ key: keys.raise, value: String(raiseTo) }];
  }

  /** Ended attempts beyond those that `history` keeps. */
  async #outlived(): Promise<readonly string[]> {
    const { attempts } = journalOf(await this.#world.readState());
    const ended = attempts.filter(({ endedBy, state }) => endStates.has(state) || endedBy !== undefined);
    return ended.slice(0, Math.max(0, ended.length - attemptsKept)).map((it) => keys.attempt(it.attempt));
  }

  /** The level of the cell, from `journal.level`. False when it is another one by now. */
  async raise(journal: JournalState, level: number): Promise<boolean> {
    if (this.#lost !== null) throw this.#lost;
    const guard = [
      { key: keys.claim, instance: this.#instance },
      { key: levelKey, instance: journal.levelInstance },
      { key: keys.raise, instance: journal.raiseInstance },
    ];
    const writes = [{ key: levelKey, value: String(level) }];
    await sure(this.#world, { guard, writes, renew: true }, (now) => now.level === level);
    return journalOf(await this.#world.readState()).level === level;
  }

  /** Gives the claim back, so that the next driver need not wait until it lapses. */
  async release(): Promise<void> {
    this.#stop();
    if (this.#lost !== null) return;
    const guard = [{ key: keys.claim, instance: this.#instance }];
    const writes = [keys.claim, keys.renewed].map((key) => ({ key, value: null }));
    await this.#world.write({ guard, writes }).catch(() => undefined);
  }

  stop(): void {
    this.#stop();
  }
}

/** Writes until it is known to have happened, or not to happen any more: the guards make a second copy harmless. */
async function sure(
  world: UpgradeWorld,
  body: Parameters<UpgradeWorld['write']>[0],
  happened: (journal: JournalState) => boolean,
): Promise<void> {
  for (;;) {
    try {
      await world.write(body);
      return;
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      if (happened(journalOf(await world.readState()))) return;
    }
  }
}
