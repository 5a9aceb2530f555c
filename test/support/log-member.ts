/**
 * One process of a cell of logs: a `Replica`, its disk, its clocks and an application that only remembers.
 *
 * The disk makes writes durable in order, by itself after `flushMs` or, while held, when told; a crash loses what is not
 * durable. Messages that wait for a write leave when it is. Clocks run at `rate`; their starting points differ with each
 * boot, so that nothing of one process can be mistaken for something of another.
 */
import { type BadItem, endless, type ItemIdentity } from '../../src/core/consensus/bad-item.ts';
import { zeroBallot } from '../../src/core/consensus/ballot.ts';
import { type Configuration, memberId } from '../../src/core/consensus/configuration.ts';
import type { Effect, PromiseRecord, WriteRequest } from '../../src/core/consensus/effect.ts';
import type {
  CellTimeMs,
  Epoch,
  Instance,
  MonotonicMs,
  ReplicaId,
  RequestId,
} from '../../src/core/consensus/identity.ts';
import type { Clocks, Input, SnapshotHandle } from '../../src/core/consensus/input.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { Replica } from '../../src/core/consensus/replica.ts';
import { unreachable } from '../../src/core/invariant.ts';
import { digestOf, itemOf, valueText } from './core-text.ts';
import type { Cancel } from './event-queue.ts';
import type { LogCell } from './log-cell.ts';

/** What became of a request: the instance where it was applied, or why it was not. */
export type Outcome =
  | { readonly kind: 'applied'; readonly instance: number; readonly current: boolean }
  | { readonly kind: 'settled'; readonly reason: string };

interface Snapshot {
  readonly handle: SnapshotHandle;
  readonly hash: number;
}

type Without<T> = T extends unknown ? Omit<T, 'at'> : never;
type Untimed = Without<Input>;

export class LogMember {
  readonly id: ReplicaId;
  readonly #cell: LogCell;
  #core: Replica | null = null;
  boots = 0;
  // What the disk holds.
  promise: PromiseRecord = { ballot: zeroBallot, leaseMsMax: 0 };
  readonly entries = new Map<number, AcceptedEntry>();
  durableChosenUpTo = 0 as Instance;
  /** What it holds and cannot give back: single instances, each until a later entry takes its place. */
  readonly bad = new Map<number, ItemIdentity | null>();
  #endlessFrom: Instance | null = null;
  snapshot: Snapshot;
  /** Milliseconds until a write is durable. */
  flushMs: () => number = () => 0.5;
  #pending: WriteRequest[] = [];
  #diskHeld = false;
  #lastFlushMs = 0;
  #held: { readonly after: number; readonly to: ReplicaId; readonly message: Message }[] = [];
  #timer: Cancel | null = null;
  // Clocks.
  rate = 1;
  wallOffsetMs = 1_700_000_000_000;
  /** Time that this boot's monotonic clock did not count. */
  suspendedMs = 0;
  #startedMs = 0;
  #monotonicBase = 0;
  /** Every input waits so long before it is looked at; in order. */
  lagMs: () => number = () => 0;
  #lastInputMs = 0;
  #pausedUntilMs = 0;
  // The application.
  hash = 0;
  appliedUpTo = 0;
  /** Labels of what was applied since the last start or snapshot, by instance. */
  readonly applied = new Map<number, string>();
  /** Removed, and wanted no more. */
  parted = false;
  readonly outcomes = new Map<RequestId, Outcome>();
  readonly texts = new Map<RequestId, string>();
  #nextRequest = 1;
  /** The last effects, newest last, for tests that look at one step. */
  lastEffects: readonly Effect[] = [];

  constructor(cell: LogCell, id: ReplicaId, formation: Configuration) {
    this.#cell = cell;
    this.id = id;
    const configurations = [{ from: 0 as Instance, configuration: formation }];
    const handle = { instance: 0 as Instance, epoch: 0 as Epoch, cellTimeMs: 0 as CellTimeMs, configurations };
    this.snapshot = { handle, hash: 0 };
  }

  get alive(): boolean {
    return this.#core !== null;
  }

  /** The running replica. Never step it directly. */
  get core(): Replica {
    if (this.#core === null) throw new Error(`${this.id} is down`);
    return this.#core;
  }

  get isServing(): boolean {
    return this.#core?.isServing(this.clocks()) === true;
  }

  get pendingWrites(): number {
    return this.#pending.length;
  }

  // --- clocks ---------------------------------------------------------------------------------------------------------

  clocks(): Clocks {
    const ran = (this.#cell.nowMs - this.#startedMs) * this.rate;
    const monotonicMs = (this.#monotonicBase + ran - this.suspendedMs) as MonotonicMs;
    const bootMs = Math.floor((this.#monotonicBase + ran) / 10) * 10;
    return { monotonicMs, wallMs: this.wallOffsetMs + this.#monotonicBase + ran, bootMs };
  }

  // --- life -----------------------------------------------------------------------------------------------------------

  start(): void {
    if (this.#core !== null) throw new Error(`${this.id} already runs`);
    this.boots++;
    this.#startedMs = this.#cell.nowMs;
    this.#monotonicBase = this.#cell.random.between(0, 1_000_000);
    this.suspendedMs = 0;
    this.#lastInputMs = 0;
    this.hash = this.snapshot.hash;
    this.appliedUpTo = this.snapshot.handle.instance;
    this.applied.clear();
    this.parted = false;
    const { handle } = this.snapshot;
    const chosenUpTo = Math.max(this.durableChosenUpTo, handle.instance) as Instance;
    // As the write-ahead log does: from now on it vouches only for what is there.
    const first = Math.min(...this.bad.keys());
    if (first <= this.durableChosenUpTo) this.durableChosenUpTo = (first - 1) as Instance;
    this.#core = new Replica({
      self: this.id,
      at: this.clocks(),
      random: this.#cell.random.fork(`${this.id} boot ${this.boots}`),
      limits: this.#cell.limits,
      recovered: {
        promise: this.promise,
        entries: [...this.entries.values()].sort((a, b) => a.instance - b.instance),
        chosenUpTo,
        handle,
        bad: this.#badItems(),
      },
      digestOf,
    });
    this.feed({ kind: 'woken' });
  }

  /** Ends the process at once. Of the writes not yet durable the first `keep` are on the disk all the same. */
  crash(keep = 0): void {
    for (const request of this.#pending.slice(0, keep)) this.#makeDurable(request);
    this.#core = null;
    this.#pending = [];
    this.#held = [];
    this.#timer?.cancel();
    this.#pausedUntilMs = 0;
    this.#diskHeld = false;
  }

  restart(): void {
    if (this.alive) this.crash();
    this.start();
  }

  /** The process stands still; what arrives meanwhile is looked at afterwards, with the clocks of then. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#cell.nowMs + ms);
  }

  get paused(): boolean {
    return this.#pausedUntilMs > this.#cell.nowMs;
  }

  // --- inputs ---------------------------------------------------------------------------------------------------------

  /** Stamped with the clocks when it is looked at. */
  feed(input: Untimed): void {
    const boot = this.boots;
    const now = this.#cell.nowMs;
    const at = Math.max(now + this.lagMs(), this.#lastInputMs, this.#pausedUntilMs);
    if (at <= now) {
      this.#step(input);
      return;
    }
    this.#lastInputMs = at;
    this.#cell.queue.after(at - now, () => {
      if (this.#core === null || this.boots !== boot) return;
      if (this.paused) this.feed(input);
      else this.#step(input);
    });
  }

  #step(input: Untimed): void {
    if (this.#core === null) return;
    const timed = { ...input, at: this.clocks() } as Input;
    const effects = this.#core.step(timed);
    this.lastEffects = effects;
    this.#cell.onStep(this, timed, effects);
    for (const effect of effects) this.#carryOut(effect);
    this.#core?.checkInvariants();
    this.#cell.checker.checkServing();
  }

  submit(...texts: readonly string[]): readonly RequestId[] {
    const requests = texts.map((text) => {
      const request = this.#nextRequest++ as RequestId;
      this.texts.set(request, text);
      this.#cell.checker.onSubmit(text);
      return request;
    });
    const submissions = texts.map((text, i) => ({ request: requests[i] as RequestId, item: itemOf(text) }));
    this.feed({ kind: 'submit', submissions });
    return requests;
  }

  changeConfiguration(configuration: Configuration): RequestId {
    const request = this.#nextRequest++ as RequestId;
    this.feed({ kind: 'change-configuration', request, configuration });
    return request;
  }

  /** What became of `request`, if anything yet. */
  outcome(request: RequestId): Outcome | undefined {
    return this.outcomes.get(request);
  }

  // --- effects --------------------------------------------------------------------------------------------------------

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.#pending.push(effect.request);
        return this.#scheduleFlush();
      case 'send':
        if (effect.after === null) this.#cell.send(this.id, effect.to, effect.message);
        else this.#held.push({ after: effect.after, to: effect.to, message: effect.message });
        return;
      case 'apply':
        return this.#apply(effect);
      case 'settle':
        for (const request of effect.requests) this.#settle(request, effect.reason);
        return;
      case 'fetch-snapshot':
        return this.#fetchSnapshot(effect.provider, effect.above);
      case 'mastership':
        if (effect.role === 'master') this.#cell.checker.onMaster(this);
        return;
      case 'bad-settled':
        // Not durable: a next start may say again that its end is gone.
        return;
      case 'halted':
      case 'compared':
      case 'set-aside':
      case 'taken-back':
      case 'check-wanted':
      case 'fork-seen':
      case 'transition':
        return;
      case 'parted':
        this.parted = true;
        return;
      case 'wake':
        return this.#wakeAt(effect.at);
      default:
        return unreachable(effect);
    }
  }

  #wakeAt(at: number): void {
    this.#timer?.cancel();
    const waitMs = Math.max(0, (at - this.clocks().monotonicMs) / this.rate);
    const boot = this.boots;
    this.#timer = this.#cell.queue.after(Math.ceil(waitMs * 100 + 0.1) / 100, () => {
      if (this.boots === boot && this.alive) this.feed({ kind: 'woken' });
    });
  }

  #answer(request: RequestId, outcome: Outcome): void {
    if (this.outcomes.has(request)) throw new Error(`request ${request} of ${this.id} was answered twice`);
    if (!this.texts.has(request) && outcome.kind === 'applied' && outcome.instance === 0) return;
    this.outcomes.set(request, outcome);
  }

  #settle(request: RequestId, reason: string): void {
    this.#answer(request, { kind: 'settled', reason });
    const text = this.texts.get(request);
    if (text !== undefined && reason !== 'unknown') this.#cell.checker.onNever(text);
  }

  #apply(effect: Extract<Effect, { kind: 'apply' }>): void {
    const { instance, value, current, epoch, requests } = effect;
    if (instance !== this.appliedUpTo + 1) throw new Error(`${this.id} applied ${instance} after ${this.appliedUpTo}`);
    this.appliedUpTo = instance;
    this.hash = mix(this.hash, `${valueText(value)} ${epoch} ${current}`);
    this.applied.set(instance, valueText(value));
    this.#cell.checker.onApply(this, effect, (list) => list.map((request) => this.texts.get(request) ?? ''));
    for (const request of requests ?? []) this.#answer(request, { kind: 'applied', instance, current });
  }

  // --- disk -----------------------------------------------------------------------------------------------------------

  /** From now on nothing becomes durable until told. */
  holdDisk(): void {
    this.#diskHeld = true;
  }

  /** Makes the first `count` of the waiting writes durable, all when absent, and reports them. */
  flush(count = this.#pending.length): void {
    for (let i = 0; i < count && this.#pending.length > 0; i++) this.#flushOne();
  }

  releaseDisk(): void {
    this.#diskHeld = false;
    this.flush();
  }

  #scheduleFlush(): void {
    if (this.#diskHeld) return;
    const at = Math.max(this.#cell.nowMs + this.flushMs(), this.#lastFlushMs);
    this.#lastFlushMs = at;
    const boot = this.boots;
    this.#cell.queue.after(at - this.#cell.nowMs, () => {
      if (this.boots === boot && this.alive && !this.#diskHeld && this.#pending.length > 0) this.#flushOne();
    });
  }

  #flushOne(): void {
    const request = this.#pending.shift() as WriteRequest;
    this.#makeDurable(request);
    const ready = this.#held.filter(({ after }) => after <= request.write);
    this.#held = this.#held.filter(({ after }) => after > request.write);
    for (const { to, message } of ready) this.#cell.send(this.id, to, message);
    this.feed({ kind: 'persisted', write: request.write });
  }

  #makeDurable(request: WriteRequest): void {
    if (request.promise !== null) this.promise = request.promise;
    for (const entry of request.entries) {
      this.entries.set(entry.instance, entry);
      this.bad.delete(entry.instance);
    }
    this.durableChosenUpTo = Math.max(this.durableChosenUpTo, request.chosenUpTo) as Instance;
    this.#cell.checker.onDurable(this, request);
  }

  /** The entry at `instance` can be read no more; what it was is still known, or not. */
  damage(instance: number, known: 'identity known' | 'identity lost'): void {
    const entry = this.entries.get(instance);
    if (entry === undefined) throw new Error(`${this.id} has nothing at ${instance}`);
    this.entries.delete(instance);
    const { ballot, value } = entry;
    this.bad.set(instance, known === 'identity known' ? { ballot, digest: digestOf(value) } : null);
  }

  /** The newest `count` entries are gone, and so is how many there were. */
  loseEnd(count: number): void {
    const instances = [...this.entries.keys()].sort((a, b) => a - b).slice(-count);
    for (const instance of instances) this.entries.delete(instance);
    this.#endlessFrom = instances[0] as Instance;
    this.durableChosenUpTo = Math.min(this.durableChosenUpTo, this.#endlessFrom - 1) as Instance;
  }

  #badItems(): BadItem[] {
    const single = [...this.bad].map(([at, identity]) => ({
      instance: at as Instance,
      upTo: at as Instance,
      identity,
    }));
    if (this.#endlessFrom !== null) single.push({ instance: this.#endlessFrom, upTo: endless, identity: null });
    return single.sort((a, b) => a.instance - b.instance);
  }

  /** Whether it stopped for good because an item is lost, and which. */
  get lost(): number | null {
    return this.#core?.lost?.instance ?? null;
  }

  // --- snapshots ------------------------------------------------------------------------------------------------------

  /** Takes one of what is applied; the disk's log below it is gone. */
  takeSnapshot(): void {
    const handle = this.core.handle();
    if (handle.instance <= this.snapshot.handle.instance) return;
    this.#keepSnapshot({ handle, hash: this.hash });
    this.feed({ kind: 'snapshot-taken', instance: handle.instance });
  }

  #keepSnapshot(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    for (const key of this.entries.keys()) if (key <= snapshot.handle.instance) this.entries.delete(key);
  }

  #fetchSnapshot(provider: ReplicaId, above: Instance): void {
    const boot = this.boots;
    this.#cell.queue.after(5, () => {
      if (!this.alive || this.boots !== boot) return;
      const snapshot = this.#cell.connected(provider, this.id) ? this.#cell.member(provider).snapshot : null;
      if (snapshot === null || snapshot.handle.instance <= Math.max(above, this.appliedUpTo)) {
        this.feed({ kind: 'snapshot-failed' });
        return;
      }
      this.#keepSnapshot(snapshot);
      this.hash = snapshot.hash;
      this.appliedUpTo = snapshot.handle.instance;
      this.#step({ kind: 'snapshot-installed', handle: snapshot.handle });
    });
  }
}

/** Ids of all members of a configuration. */
export const idsOf = (configuration: Configuration): readonly ReplicaId[] => configuration.members.map(memberId);

function mix(hash: number, text: string): number {
  let h = hash ^ 0x9e3779b9;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x5bd1e995) ^ (h >>> 13);
  return h >>> 0;
}
