/**
 * One process of an explored cell: the production `Replica`, what its disk holds, and what waits for the disk.
 *
 * Nothing happens here by itself: the explorer decides when a write becomes durable, when the process ends and starts, and
 * which input comes next. A crash loses every write that is not durable and every message that waited for one.
 */
import { zeroBallot } from '../../src/core/consensus/ballot.ts';
import type { Effect, PromiseRecord, WriteRequest } from '../../src/core/consensus/effect.ts';
import type { Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { Clocks, Input, SnapshotHandle } from '../../src/core/consensus/input.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { Replica } from '../../src/core/consensus/replica.ts';
import { unreachable } from '../../src/core/invariant.ts';
import type { Random } from '../../src/core/random.ts';

export type Of<Kind extends Effect['kind']> = Extract<Effect, { kind: Kind }>;

/** What a member asks of the world that it lives in. */
export interface MemberWorld {
  readonly limits: Partial<Limits>;
  /** The clocks of `member` now. */
  clocks(member: Member): Clocks;
  /** Chance of the boot that begins. */
  random(member: Member): Random;
  /** A message leaves. */
  send(member: Member, to: ReplicaId, message: Message): void;
  durable(member: Member, request: WriteRequest): void;
  applied(member: Member, effect: Of<'apply'>): void;
  settled(member: Member, effect: Of<'settle'>): void;
  mastership(member: Member, effect: Of<'mastership'>): void;
  transition(effect: Of<'transition'>): void;
  /** Before the effects of a step are carried out. */
  stepped(member: Member, input: Input, effects: readonly Effect[]): void;
}

interface Held {
  readonly after: number;
  readonly to: ReplicaId;
  readonly message: Message;
}

export const noPromise: PromiseRecord = { ballot: zeroBallot, leaseMsMax: 0 };

export class Member {
  readonly id: ReplicaId;
  /** Place in the explorer's list of members; a new incarnation has a place of its own. */
  readonly index: number;
  readonly #world: MemberWorld;
  #core: Replica | null = null;
  boots = 0;
  /** The disk is lost: this incarnation has ended for ever. */
  gone = false;
  // What the disk holds.
  promise = noPromise;
  readonly entries = new Map<number, AcceptedEntry>();
  durableChosenUpTo = 0;
  handle: SnapshotHandle;
  // What is lost with the process.
  pending: WriteRequest[] = [];
  held: Held[] = [];
  /** Monotonic time at which the core asked to be woken. */
  wakeAtMs = Number.POSITIVE_INFINITY;
  /** A snapshot is asked for, from this provider. */
  fetching: ReplicaId | null = null;
  appliedUpTo = 0;

  constructor(world: MemberWorld, id: ReplicaId, index: number, handle: SnapshotHandle) {
    this.#world = world;
    this.id = id;
    this.index = index;
    this.handle = handle;
  }

  get alive(): boolean {
    return this.#core !== null;
  }

  /** The running replica; null while the process is down. Never step it directly. */
  get core(): Replica | null {
    return this.#core;
  }

  start(): void {
    this.boots++;
    const { handle, promise } = this;
    this.appliedUpTo = handle.instance;
    this.#core = new Replica({
      self: this.id,
      at: this.#world.clocks(this),
      random: this.#world.random(this),
      limits: this.#world.limits,
      recovered: {
        promise,
        entries: [...this.entries.values()].sort((a, b) => a.instance - b.instance),
        chosenUpTo: Math.max(this.durableChosenUpTo, handle.instance) as Instance,
        handle,
      },
    });
    this.step({ kind: 'woken', at: this.#world.clocks(this) });
  }

  /** Ends the process. Of the writes not yet durable the first `keep` reach the disk all the same. */
  crash(keep: number): void {
    for (let i = 0; i < keep && i < this.pending.length; i++) this.#makeDurable(this.pending[i] as WriteRequest);
    this.#core = null;
    this.pending = [];
    this.held = [];
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    this.fetching = null;
  }

  /** The disk forgets everything, promises too: what an operator must never make of it is the same member again. */
  wipe(handle: SnapshotHandle): void {
    this.promise = noPromise;
    this.entries.clear();
    this.durableChosenUpTo = 0;
    this.handle = handle;
  }

  /** Makes the first `count` waiting writes durable with one flush, sends what waited for them, and reports them. */
  flush(count: number): void {
    const { pending } = this;
    let last: WriteRequest | undefined;
    for (let i = 0; i < count && pending.length > 0; i++) {
      last = pending.shift() as WriteRequest;
      this.#makeDurable(last);
    }
    if (last === undefined) return;
    this.#sendHeld(last.write);
    this.step({ kind: 'persisted', at: this.#world.clocks(this), write: last.write });
  }

  #sendHeld(durable: number): void {
    if (this.held.length === 0) return;
    const { held } = this;
    this.held = [];
    for (const item of held) {
      if (item.after <= durable) this.#world.send(this, item.to, item.message);
      else this.held.push(item);
    }
  }

  #makeDurable(request: WriteRequest): void {
    if (request.promise !== null) this.promise = request.promise;
    for (const entry of request.entries) this.entries.set(entry.instance, entry);
    if (request.chosenUpTo > this.durableChosenUpTo) this.durableChosenUpTo = request.chosenUpTo;
    this.#world.durable(this, request);
  }

  /** Feeds one input and carries out what comes of it. */
  step(input: Input): void {
    const core = this.#core;
    if (core === null) return;
    const effects = core.step(input);
    this.#world.stepped(this, input, effects);
    for (const effect of effects) this.#carryOut(effect);
    core.checkInvariants();
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.pending.push(effect.request);
        return;
      case 'send':
        if (effect.after === null) this.#world.send(this, effect.to, effect.message);
        else this.held.push({ after: effect.after, to: effect.to, message: effect.message });
        return;
      case 'apply':
        this.appliedUpTo = effect.instance;
        return this.#world.applied(this, effect);
      case 'settle':
        return this.#world.settled(this, effect);
      case 'fetch-snapshot':
        this.fetching = effect.provider;
        return;
      case 'mastership':
        return this.#world.mastership(this, effect);
      case 'bad-settled':
      case 'halted':
        throw new Error('nothing of a disk is ever bad here');
      case 'compared':
      case 'set-aside':
      case 'taken-back':
      case 'check-wanted':
      case 'fork-seen':
        throw new Error('no database is compared here');
      case 'parted':
        return;
      case 'transition':
        return this.#world.transition(effect);
      case 'wake':
        this.wakeAtMs = effect.at;
        return;
      default:
        return unreachable(effect);
    }
  }

  // --- snapshots ------------------------------------------------------------------------------------------------------

  /** Keeps what is applied as a snapshot; the disk's log up to it is gone. */
  takeSnapshot(): void {
    const core = this.#core;
    if (core === null) return;
    const handle = core.handle();
    if (handle.instance <= this.handle.instance) return;
    this.#keep(handle);
    this.step({ kind: 'snapshot-taken', at: this.#world.clocks(this), instance: handle.instance });
  }

  /** The fetch under way ends: with `handle`, or with nothing when that is null or tells nothing new. */
  fetched(handle: SnapshotHandle | null): void {
    this.fetching = null;
    const at = this.#world.clocks(this);
    if (handle === null || handle.instance <= this.appliedUpTo) {
      this.step({ kind: 'snapshot-failed', at });
      return;
    }
    this.#keep(handle);
    this.appliedUpTo = handle.instance;
    this.step({ kind: 'snapshot-installed', at, handle });
  }

  #keep(handle: SnapshotHandle): void {
    this.handle = handle;
    for (const key of this.entries.keys()) if (key <= handle.instance) this.entries.delete(key);
  }
}
