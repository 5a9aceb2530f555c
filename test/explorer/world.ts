/**
 * A small world around replicas of the log: messages in flight in no order, disks that flush when told, one true time.
 *
 * Everything that can happen is a method, and each notes itself as an `Action` when `recording`: an action names what it
 * acts on (this message, that member), so that a list of them still means something when some are left out.
 */
import { type Configuration, memberId, type Member as Seat } from '../../src/core/consensus/configuration.ts';
import type { Effect, WriteRequest } from '../../src/core/consensus/effect.ts';
import type {
  CellTimeMs,
  Epoch,
  Instance,
  MonotonicMs,
  ReplicaId,
  RequestId,
} from '../../src/core/consensus/identity.ts';
import { parseReplicaId, replicaId } from '../../src/core/consensus/identity.ts';
import type { Clocks, Input, SnapshotHandle } from '../../src/core/consensus/input.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import { Random } from '../../src/core/random.ts';
import { Checker } from './checker.ts';
import { itemOf } from './items.ts';
import { Member, type MemberWorld, type Of } from './member.ts';
import { names, type Profile } from './profile.ts';

export interface Envelope {
  readonly from: ReplicaId;
  readonly to: Member;
  readonly message: Message;
}

/** One thing that happens. Members are named by place, messages by what they say. */
export type Action =
  | { readonly kind: 'deliver' | 'copy' | 'drop'; readonly message: string }
  | { readonly kind: 'flush'; readonly member: number; readonly count: number }
  | { readonly kind: 'wake'; readonly member: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'suspend'; readonly member: number; readonly ms: number }
  | { readonly kind: 'crash'; readonly member: number; readonly keep: number }
  | { readonly kind: 'start'; readonly member: number }
  | { readonly kind: 'lose-disk'; readonly member: number }
  | { readonly kind: 'submit'; readonly member: number; readonly count: number }
  | { readonly kind: 'change'; readonly member: number; readonly configuration: Configuration }
  | { readonly kind: 'hand-over'; readonly member: number; readonly to: ReplicaId | null }
  | { readonly kind: 'snapshot'; readonly member: number }
  | { readonly kind: 'fetched'; readonly member: number };

/** More than this are never in flight at once: the oldest is lost. */
const inFlightMax = 60;

/** How a lost disk comes back. Only the first is sound; the others are for showing that the explorer would notice. */
export type Rejoin = 'new-incarnation' | 'same-identity';

/** Names a message so that it is found again in a schedule from which other steps were taken out. */
export function messageKey({ from, to, message }: Envelope): string {
  const ballot =
    'ballot' in message ? `${message.ballot.round}${message.ballot.name}${message.ballot.incarnation}` : '';
  const instance = 'instance' in message ? message.instance : 'from' in message ? message.from : '';
  const page = 'page' in message ? message.page : '';
  return `${from}>${to.id} ${message.kind} ${ballot} ${instance} ${page}`;
}

export class World implements MemberWorld {
  readonly profile: Profile;
  readonly limits: Partial<Limits>;
  readonly members: Member[] = [];
  readonly inFlight: Envelope[] = [];
  readonly checker: Checker;
  readonly formation: Configuration;
  readonly #atFormation: SnapshotHandle;
  readonly #rejoin: Rejoin;
  /** Moves of the core's state machines that were made, by id. */
  readonly transitions: Set<string>;
  /** True time. */
  nowMs = 0;
  recording: Action[] | null = null;
  /** Told of every step, for a transcript. */
  onStep: ((member: Member, input: Input, effects: readonly Effect[]) => void) | null = null;
  readonly #startedMs: number[] = [];
  readonly #baseMs: number[] = [];
  readonly #suspendedMs: number[] = [];
  #requests = 0;

  constructor(profile: Profile, rejoin: Rejoin = 'new-incarnation', transitions: Set<string> = new Set()) {
    this.transitions = transitions;
    this.profile = profile;
    this.limits = profile.limits;
    this.#rejoin = rejoin;
    const { alpha, leaseMs, voters } = profile;
    const seats = names.slice(0, voters).map((name) => seat(name, 1, 'voter'));
    this.formation = { members: seats, alpha, leaseMs, driftPpm: 10_000 };
    const configurations = [{ from: 0 as Instance, configuration: this.formation }];
    this.#atFormation = { instance: 0 as Instance, epoch: 0 as Epoch, cellTimeMs: 0 as CellTimeMs, configurations };
    this.checker = new Checker(this, this.formation);
    for (let i = 0; i < voters; i++) this.#add(names[i] as string, 1).start();
    if (profile.change > 0) this.#add(names[voters] as string, 1).start();
  }

  #add(name: string, incarnation: number): Member {
    const member = new Member(this, replicaId(name, incarnation), this.members.length, this.#atFormation);
    this.members.push(member);
    return member;
  }

  // --- what members ask of their world ----------------------------------------------------------------------------------

  clocks(member: Member): Clocks {
    const { index } = member;
    const base = this.#baseMs[index] ?? 0;
    const ran = (this.nowMs - (this.#startedMs[index] ?? 0)) * this.#rate(index);
    return {
      monotonicMs: (base + ran - (this.#suspendedMs[index] ?? 0)) as MonotonicMs,
      wallMs: 1_700_000_000_000 + base + ran,
      bootMs: Math.floor((base + ran) / 10) * 10,
    };
  }

  #rate(index: number): number {
    return this.profile.rates[index] ?? 1;
  }

  random(member: Member): Random {
    return new Random(`${this.profile.seed}/${member.index}/${member.boots}`);
  }

  send(member: Member, to: ReplicaId, message: Message): void {
    this.checker.onSend(member, message);
    for (const other of this.members) {
      if (other.id !== to) continue;
      if (this.inFlight.length >= inFlightMax) this.inFlight.shift();
      this.inFlight.push({ from: member.id, to: other, message });
      return;
    }
  }

  durable(member: Member, request: WriteRequest): void {
    this.checker.onDurable(member, request);
  }

  applied(member: Member, effect: Of<'apply'>): void {
    this.checker.onApply(member, effect);
  }

  settled(_member: Member, effect: Of<'settle'>): void {
    this.checker.onSettle(effect);
  }

  mastership(member: Member, effect: Of<'mastership'>): void {
    this.checker.onMastership(member, effect);
  }

  transition({ transition }: Of<'transition'>): void {
    this.transitions.add(transition.id);
  }

  stepped(member: Member, input: Input, effects: readonly Effect[]): void {
    this.onStep?.(member, input, effects);
  }

  #note(action: Action): void {
    this.recording?.push(action);
  }

  // --- messages ---------------------------------------------------------------------------------------------------------

  /** Hands over the message at this place of those in flight; it stays there as well when `copy`. */
  deliver(place: number, copy: boolean): void {
    const envelope = this.inFlight[place] as Envelope;
    if (this.recording !== null) this.#note({ kind: copy ? 'copy' : 'deliver', message: messageKey(envelope) });
    if (!copy) this.inFlight.splice(place, 1);
    const { from, to, message } = envelope;
    if (to.alive) to.step({ kind: 'message', at: this.clocks(to), from, message });
    this.checker.checkServing();
  }

  drop(place: number): void {
    const envelope = this.inFlight[place] as Envelope;
    if (this.recording !== null) this.#note({ kind: 'drop', message: messageKey(envelope) });
    this.inFlight.splice(place, 1);
  }

  // --- disk, process ------------------------------------------------------------------------------------------------------

  flush(member: Member, count: number): void {
    this.#note({ kind: 'flush', member: member.index, count });
    member.flush(count);
    this.checker.checkServing();
  }

  crash(member: Member, keep: number): void {
    this.#note({ kind: 'crash', member: member.index, keep });
    member.crash(keep);
  }

  start(member: Member): void {
    this.#note({ kind: 'start', member: member.index });
    this.#startedMs[member.index] = this.nowMs;
    this.#suspendedMs[member.index] = 0;
    this.#baseMs[member.index] = (member.boots * 7919 + member.index * 104_729) % 1_000_000;
    member.start();
    this.checker.checkServing();
  }

  /** The incarnation ends with its disk; the next one starts empty and waits to be admitted by a change of membership. */
  loseDisk(member: Member): void {
    this.#note({ kind: 'lose-disk', member: member.index });
    member.crash(0);
    if (this.#rejoin === 'same-identity') {
      member.wipe(this.#atFormation);
      return;
    }
    member.gone = true;
    const { name, incarnation } = parseReplicaId(member.id);
    this.#add(name, incarnation + 1);
  }

  // --- time ---------------------------------------------------------------------------------------------------------------

  pass(ms: number): void {
    this.#note({ kind: 'pass', ms });
    this.nowMs += ms;
    this.checker.checkServing();
  }

  /** True time until the core of `member` wants to be woken. */
  msToWake(member: Member): number {
    if (!member.alive || member.wakeAtMs === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
    return Math.max(0, (member.wakeAtMs - this.clocks(member).monotonicMs) / this.#rate(member.index));
  }

  /** Time goes on until `member` is due, which it is told; others may be late by then. */
  wake(member: Member): void {
    this.#note({ kind: 'wake', member: member.index });
    const ms = this.msToWake(member);
    if (ms === Number.POSITIVE_INFINITY) return;
    this.nowMs += ms + 0.01;
    member.wakeAtMs = Number.POSITIVE_INFINITY;
    member.step({ kind: 'woken', at: this.clocks(member) });
    this.checker.checkServing();
  }

  /** The machine of `member` sleeps: its monotonic clock stands still, the others go on. */
  suspend(member: Member, ms: number): void {
    this.#note({ kind: 'suspend', member: member.index, ms });
    this.nowMs += ms;
    const { index } = member;
    this.#suspendedMs[index] = (this.#suspendedMs[index] ?? 0) + ms * this.#rate(index);
    this.checker.checkServing();
  }

  // --- requests -----------------------------------------------------------------------------------------------------------

  submit(member: Member, count: number): void {
    this.#note({ kind: 'submit', member: member.index, count });
    const submissions = [];
    for (let i = 0; i < count && this.#requests < 999; i++) {
      const request = ++this.#requests as RequestId;
      this.checker.onSubmit(request);
      submissions.push({ request, item: itemOf(request) });
    }
    member.step({ kind: 'submit', at: this.clocks(member), submissions });
    this.checker.checkServing();
  }

  change(member: Member, configuration: Configuration): void {
    this.#note({ kind: 'change', member: member.index, configuration });
    const request = ++this.#requests as RequestId;
    member.step({ kind: 'change-configuration', at: this.clocks(member), request, configuration });
    this.checker.checkServing();
  }

  handOver(member: Member, to: ReplicaId | null): void {
    this.#note({ kind: 'hand-over', member: member.index, to });
    member.step({ kind: 'hand-over', at: this.clocks(member), to });
    this.checker.checkServing();
  }

  // --- snapshots ------------------------------------------------------------------------------------------------------------

  snapshot(member: Member): void {
    this.#note({ kind: 'snapshot', member: member.index });
    member.takeSnapshot();
    this.checker.checkServing();
  }

  /** The snapshot that `member` asked for arrives, when its provider has one. */
  fetched(member: Member): void {
    this.#note({ kind: 'fetched', member: member.index });
    const provider = this.members.find(({ id, gone }) => id === member.fetching && !gone);
    const handle: SnapshotHandle | null = provider?.handle ?? null;
    member.fetched(handle);
    this.checker.checkServing();
  }

  // --- replaying ------------------------------------------------------------------------------------------------------------

  /** Does `action` where it still means something; says whether it did. */
  act(action: Action): boolean {
    switch (action.kind) {
      case 'deliver':
      case 'copy':
      case 'drop': {
        const place = this.inFlight.findIndex((envelope) => messageKey(envelope) === action.message);
        if (place < 0) return false;
        if (action.kind === 'drop') this.drop(place);
        else this.deliver(place, action.kind === 'copy');
        return true;
      }
      case 'pass':
        this.pass(action.ms);
        return true;
      default:
        return this.#actOn(this.members[action.member], action);
    }
  }

  #actOn(
    member: Member | undefined,
    action: Exclude<Action, { readonly kind: 'deliver' | 'copy' | 'drop' | 'pass' }>,
  ): boolean {
    if (member === undefined || member.gone) return false;
    if (action.kind === 'start') {
      if (member.alive) return false;
      this.start(member);
      return true;
    }
    if (action.kind === 'lose-disk') {
      this.loseDisk(member);
      return true;
    }
    if (!member.alive) return false;
    switch (action.kind) {
      case 'flush':
        if (member.pending.length === 0) return false;
        this.flush(member, action.count);
        return true;
      case 'wake':
        this.wake(member);
        return true;
      case 'suspend':
        this.suspend(member, action.ms);
        return true;
      case 'crash':
        this.crash(member, action.keep);
        return true;
      case 'submit':
        this.submit(member, action.count);
        return true;
      case 'change':
        this.change(member, action.configuration);
        return true;
      case 'hand-over':
        this.handOver(member, action.to);
        return true;
      case 'snapshot':
        this.snapshot(member);
        return true;
      case 'fetched':
        if (member.fetching === null) return false;
        this.fetched(member);
        return true;
    }
  }
}

export const seat = (name: string, incarnation: number, role: Seat['role']): Seat => ({
  name,
  incarnation,
  role,
  url: '',
});

/** Is `id` in `configuration`, with or without a vote? */
export const hasSeat = (configuration: Configuration, id: ReplicaId): boolean =>
  configuration.members.some((member) => memberId(member) === id);
