/**
 * One replica, with the test in the place of all the others, of the disk and of the clocks: for exact schedules.
 *
 * Nothing becomes durable, and no message that waits for a write is seen as sent, until `persist` is called.
 */
import { zeroBallot } from '../../src/core/consensus/ballot.ts';
import type { ComparisonRule } from '../../src/core/consensus/comparison.ts';
import type { Configuration, Member } from '../../src/core/consensus/configuration.ts';
import type { Effect, PromiseRecord, WriteRequest } from '../../src/core/consensus/effect.ts';
import type {
  CellTimeMs,
  Epoch,
  Instance,
  MonotonicMs,
  ReplicaId,
  RequestId,
  WriteId,
} from '../../src/core/consensus/identity.ts';
import type { Clocks, Input } from '../../src/core/consensus/input.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { Replica } from '../../src/core/consensus/replica.ts';
import { Random } from '../../src/core/random.ts';
import { itemOf } from './core-text.ts';
import { configurationOf } from './log-cell.ts';
import { acceptedOf, ballot, id, promiseTo, voteFor } from './messages.ts';

type Kind = Message['kind'];
type Of<K extends Kind> = Extract<Message, { kind: K }>;
type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

export interface LoneOptions {
  readonly self?: string;
  readonly names?: readonly (string | Member)[];
  readonly leaseMs?: number;
  readonly alpha?: number;
  /** Where the configuration that it begins with governs from. */
  readonly from?: number;
  readonly limits?: Partial<Limits>;
  /** Durable before this start. */
  readonly promised?: string;
  readonly grantedMs?: number;
  readonly entries?: readonly AcceptedEntry[];
  readonly chosenUpTo?: number;
  /** Its state up to there is gone. */
  readonly missingUpTo?: number;
  /** It compares disks before it votes. */
  readonly compare?: ComparisonRule;
  /** Its database was not the right one before this start. */
  readonly quarantined?: boolean;
}

export interface Sent<K extends Kind = Kind> {
  readonly to: ReplicaId;
  readonly message: Of<K>;
}

export class LoneReplica {
  core: Replica;
  readonly self: ReplicaId;
  readonly configuration: Configuration;
  readonly #limits: Partial<Limits>;
  readonly #compare: ComparisonRule | undefined;
  readonly #quarantined: boolean;
  readonly #from: Instance;
  nowMs = 1000;
  wallMs = 5_000_000;
  bootMs = 1000;
  // The disk.
  #promise: PromiseRecord;
  #entries = new Map<number, AcceptedEntry>();
  #chosenUpTo: number;
  readonly #missingUpTo: number;
  #pending: WriteRequest[] = [];
  #durable = 0;
  #boots = 0;
  /** Every effect since the last `forget`, in order. */
  effects: Effect[] = [];
  #nextRequest = 1;

  constructor(options: LoneOptions = {}) {
    this.self = id(options.self ?? 'c');
    this.configuration = configurationOf(options.names ?? ['a', 'b', 'c'], {
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
      ...(options.alpha === undefined ? {} : { alpha: options.alpha }),
    });
    this.#limits = options.limits ?? {};
    this.#compare = options.compare;
    this.#quarantined = options.quarantined ?? false;
    this.#from = (options.from ?? 0) as Instance;
    this.#promise = {
      ballot: options.promised === undefined ? zeroBallot : ballot(options.promised),
      leaseMsMax: options.grantedMs ?? 0,
    };
    for (const entry of options.entries ?? []) this.#entries.set(entry.instance, entry);
    this.#chosenUpTo = options.chosenUpTo ?? 0;
    this.#missingUpTo = options.missingUpTo ?? 0;
    this.core = this.#boot();
  }

  #boot(): Replica {
    const zero = 0 as Instance;
    return new Replica({
      self: this.self,
      at: this.clocks,
      random: new Random(`lone ${this.#boots++}`),
      limits: this.#limits,
      quarantined: this.#quarantined,
      recovered: {
        promise: this.#promise,
        entries: [...this.#entries.values()].sort((a, b) => a.instance - b.instance),
        chosenUpTo: this.#chosenUpTo as Instance,
        missingUpTo: this.#missingUpTo as Instance,
        handle: {
          instance: zero,
          epoch: 0 as Epoch,
          cellTimeMs: 0 as CellTimeMs,
          configurations: [{ from: this.#from, configuration: this.configuration }],
        },
        ...(this.#compare === undefined ? {} : { compare: this.#compare }),
      },
    });
  }

  get clocks(): Clocks {
    return { monotonicMs: this.nowMs as MonotonicMs, wallMs: this.wallMs, bootMs: this.bootMs };
  }

  /** Loses what is not durable and starts anew; the effects of the first step are returned. */
  restart(): readonly Effect[] {
    this.#pending = [];
    this.#durable = 0;
    this.effects = [];
    this.core = this.#boot();
    return this.wake();
  }

  // --- inputs ---------------------------------------------------------------------------------------------------------

  step(input: Input): readonly Effect[] {
    const effects = this.core.step(input);
    this.core.checkInvariants();
    this.effects.push(...effects);
    for (const effect of effects) if (effect.kind === 'persist') this.#pending.push(effect.request);
    return effects;
  }

  deliver(from: string, message: Message): readonly Effect[] {
    return this.step({ kind: 'message', at: this.clocks, from: id(from), message });
  }

  wake(): readonly Effect[] {
    return this.step({ kind: 'woken', at: this.clocks });
  }

  /** All three clocks go on together, without a step. */
  pass(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
    this.bootMs += ms;
  }

  /** Time passes and the replica is woken, once. */
  wait(ms: number): readonly Effect[] {
    this.pass(ms);
    return this.wake();
  }

  /** Wakes it every few milliseconds until `condition` holds. */
  waitUntil(condition: () => boolean, msMax = 5000): void {
    for (let waited = 0; !condition(); waited += 5) {
      if (waited > msMax) throw new Error(`not within ${msMax} ms; state ${this.core.state}`);
      this.wait(5);
    }
  }

  /** Makes everything written so far durable, or the first `count` writes. */
  persist(count = this.#pending.length): readonly Effect[] {
    const effects: Effect[] = [];
    for (let i = 0; i < count; i++) {
      const request = this.#pending.shift();
      if (request === undefined) break;
      if (request.promise !== null) this.#promise = request.promise;
      for (const entry of request.entries) this.#entries.set(entry.instance, entry);
      this.#chosenUpTo = Math.max(this.#chosenUpTo, request.chosenUpTo);
      this.#durable = request.write;
      effects.push(...this.step({ kind: 'persisted', at: this.clocks, write: request.write as WriteId }));
    }
    return effects;
  }

  submit(...texts: readonly string[]): readonly RequestId[] {
    const submissions = texts.map((text) => ({ request: this.#nextRequest++ as RequestId, item: itemOf(text) }));
    this.step({ kind: 'submit', at: this.clocks, submissions });
    return submissions.map(({ request }) => request);
  }

  // --- what came out --------------------------------------------------------------------------------------------------

  forget(): void {
    this.effects = [];
  }

  of<K extends Effect['kind']>(kind: K): readonly EffectOf<K>[] {
    return this.effects.filter((effect): effect is EffectOf<K> => effect.kind === kind);
  }

  /** Messages that have left: those that wait for a write only once it is durable. */
  sent<K extends Kind>(kind: K): readonly Sent<K>[] {
    return this.of('send')
      .filter(({ message, after }) => message.kind === kind && (after === null || after <= this.#durable))
      .map(({ to, message }) => ({ to, message: message as Of<K> }));
  }

  /** The newest message of a kind, to anybody, that has left. */
  lastSent<K extends Kind>(kind: K): Of<K> {
    const sent = this.sent(kind).at(-1);
    if (sent === undefined) throw new Error(`no ${kind} was sent`);
    return sent.message;
  }

  /** Items applied, in order, with those that were skipped left out. */
  get appliedTexts(): readonly string[] {
    const utf8 = new TextDecoder();
    return this.of('apply').flatMap(({ value, current }) =>
      value.kind === 'submitted' && current ? value.items.map((item) => utf8.decode(item)) : [],
    );
  }

  // --- the others, when they are kind ---------------------------------------------------------------------------------

  /** Campaigns until its prepare is out, with a pre-vote of each of `voters`. */
  becomeCandidate(voters: readonly string[]): Of<'prepare'> {
    this.waitUntil(() => this.core.state === 'asking');
    for (const voter of voters) this.deliver(voter, voteFor(this.lastSent('pre-vote')));
    this.persist();
    return this.lastSent('prepare');
  }

  /** Becomes master with `voters`, whose promises report `reported`; everything is durable and acknowledged at once. */
  becomeMaster(voters: readonly string[], reported: readonly string[] = []): void {
    const message = this.becomeCandidate(voters);
    for (const voter of voters) this.deliver(voter, promiseTo(message, reported));
    this.settle(voters);
  }

  /** Own writes become durable and `voters` acknowledge every accept, until nothing more is proposed. */
  settle(voters: readonly string[]): void {
    let done = 0;
    for (;;) {
      this.persist();
      const accepts = this.of('send').filter(({ message }) => message.kind === 'accept');
      if (accepts.length === done) return;
      for (const { to, message } of accepts.slice(done)) {
        const name = voters.find((voter) => id(voter) === to);
        if (name !== undefined && message.kind === 'accept')
          this.deliver(name, acceptedOf(message, this.core.appliedUpTo));
      }
      done = accepts.length;
    }
  }
}
