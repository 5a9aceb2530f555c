/**
 * Puts what the members' databases are at one instance side by side, and says what follows for this replica.
 *
 * Source: PML §6.2 (the master sends its checksum to all; here everybody to everybody, since the master may be the damaged one:
 * pitfall P30); design §5. Digests are opaque here. Two kinds are never mixed: those of a full scan and the running sums, which
 * do not see what rots in memory.
 * Keeps: this replica sets itself aside only for a majority of the voters against it; it comes back only when a full scan of
 * its own equals that of a majority of them; whoever was not heard counts for nothing.
 */
import { memberId } from './configuration.ts';
import { type ReplicaContext, resendMs } from './context.ts';
import { type DatabaseReport, type Judgement, judgeDatabases } from './database-verdict.ts';
import type { Instance, ReplicaId } from './identity.ts';
import type { Message } from './message.ts';

/** What one replica's database is at `instance`. */
export interface DatabaseDigests {
  readonly instance: Instance;
  /** Digested anew from all that is stored; else the sum that is kept up with each operation. */
  readonly full: boolean;
  /** Over all values chosen up to the instance, in hex. */
  readonly logChain: string;
  readonly database: string;
  /** Of the program. */
  readonly version: string;
}

/** Why this replica is set aside. */
export interface DatabaseEvidence {
  readonly instance: Instance;
  readonly logChain: string;
  /** What it held. */
  readonly database: string;
  readonly right: string;
  readonly by: 'majority' | 'version';
  /** Who holds the right one. */
  readonly holders: readonly ReplicaId[];
}

export interface ForkBranch {
  readonly members: readonly ReplicaId[];
  readonly logChain: string;
}

/** What is known of one instance. */
export interface ComparedDatabases {
  readonly instance: Instance;
  readonly full: boolean;
  readonly judgement: Judgement;
  readonly reported: readonly ReplicaId[];
  /** Members that have not said anything of that instance: not checked. */
  readonly silent: readonly ReplicaId[];
}

export interface ComparisonHooks {
  /** Whether this replica is set aside. */
  isSetAside(): boolean;
  setAside(evidence: DatabaseEvidence): void;
  takeBack(instance: Instance): void;
}

/** Instances of which reports are kept, of each kind. */
const instancesKept = 8;
/** Who does not answer is asked so often. */
const asksMax = 10;

const kinds: readonly boolean[] = [true, false];
const none: readonly Round[] = [];

interface Round {
  readonly instance: Instance;
  readonly full: boolean;
  readonly reports: Map<ReplicaId, DatabaseDigests>;
  asks: number;
  askedMs: number;
  /** How many had reported when it was judged last. */
  judged: number;
}

export class DatabaseComparison {
  readonly #context: ReplicaContext;
  readonly #hooks: ComparisonHooks;
  /** In the order of their instances. */
  #rounds: Round[] = [];
  #latest: ComparedDatabases | null = null;
  /** The database was built anew, and waits to be compared. */
  #replayed = false;
  #wantedMs = Number.NEGATIVE_INFINITY;

  constructor(context: ReplicaContext, hooks: ComparisonHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** Of the newest instance at which a full scan was compared; null before the first. */
  get latest(): ComparedDatabases | null {
    return this.#latest;
  }

  /** This replica's own digests. A second report of an instance takes the place of the first: the database was built anew. */
  onChecked(digests: DatabaseDigests): void {
    const round = this.#round(digests);
    if (round === null) return;
    round.reports.set(this.#context.self, digests);
    round.asks = 0;
    round.judged = 0;
    this.#ask(round);
    this.#judge(round);
  }

  onDigests(from: ReplicaId, { digests, answer }: Extract<Message, { kind: 'digests' }>): void {
    const round = this.#round(digests);
    if (round === null) return;
    round.reports.set(from, digests);
    round.judged = 0;
    const own = round.reports.get(this.#context.self);
    if (answer && own !== undefined) this.#send(from, own, false);
    this.#judge(round);
  }

  /** The application holds a state that was built anew: what this replica has said of the old one no longer counts. */
  onReplayed(): void {
    for (const round of this.#rounds) round.reports.delete(this.#context.self);
    this.#replayed = true;
    // A check that lies behind the snapshot is scanned again with the log: there is time for that first.
    this.#wantedMs = this.#context.now.monotonicMs;
  }

  #round({ instance, full }: DatabaseDigests): Round | null {
    const known = this.#rounds.find((round) => round.instance === instance && round.full === full);
    if (known !== undefined) return known;
    const round: Round = { instance, full, reports: new Map(), asks: 0, askedMs: 0, judged: 0 };
    const alike = this.#rounds.filter((other) => other.full === full);
    if (alike.length >= instancesKept) {
      // Old news of an instance that nobody keeps any more.
      if (instance < (alike[0] as Round).instance) return null;
      this.#rounds = this.#rounds.filter((other) => other !== alike[0]);
    }
    this.#rounds = [...this.#rounds, round].sort((a, b) => a.instance - b.instance);
    return round;
  }

  #members(): readonly ReplicaId[] {
    return this.#context.configurations.latest.configuration.members.map(memberId);
  }

  #send(to: ReplicaId, digests: DatabaseDigests, answer: boolean): void {
    this.#context.outbox.send(to, { kind: 'digests', digests, answer });
  }

  #ask(round: Round): void {
    const own = round.reports.get(this.#context.self);
    if (own === undefined) return;
    round.asks++;
    round.askedMs = this.#context.now.monotonicMs;
    for (const member of this.#silent(round)) this.#send(member, own, true);
  }

  #silent(round: Round): readonly ReplicaId[] {
    return this.#members().filter((member) => !round.reports.has(member));
  }

  // --- judging --------------------------------------------------------------------------------------------------------

  #judge(round: Round): void {
    const { self, configurations, outbox } = this.#context;
    const own = round.reports.get(self);
    const members = this.#members();
    const reports = members.flatMap((member): DatabaseReport[] => {
      const digests = round.reports.get(member);
      return digests === undefined ? [] : [{ member, ...digests }];
    });
    if (own === undefined || reports.length < 2) return;
    const voters = configurations.latest.configuration.members.filter(({ role }) => role === 'voter').map(memberId);
    const judgement = judgeDatabases(voters, reports);
    const reported = reports.map(({ member }) => member as ReplicaId);
    if (judgement.kind === 'fork') return this.#forked(round, reports);
    if (reported.length !== round.judged) {
      round.judged = reported.length;
      const { instance, full } = round;
      const comparison: ComparedDatabases = { instance, full, judgement, reported, silent: this.#silent(round) };
      if (full && instance >= (this.#latest?.instance ?? 0)) this.#latest = comparison;
      outbox.push({ kind: 'compared', comparison });
    }
    if (judgement.kind === 'differ' && judgement.quarantine.includes(self)) this.#setAside(own, judgement, reports);
    else if (round.full && this.#isRight(own, voters, reports)) this.#takeBack(round.instance);
  }

  #setAside(
    own: DatabaseDigests,
    { right, by }: Extract<Judgement, { kind: 'differ' }>,
    reports: readonly DatabaseReport[],
  ): void {
    if (right === null || by === null) return;
    // What is known of an instance from before the database was built anew says nothing of what it is now.
    if (this.#hooks.isSetAside() && !this.#replayed) return;
    this.#replayed = false;
    const holders = reports.filter(({ database }) => database === right).map(({ member }) => member as ReplicaId);
    const { instance, logChain, database } = own;
    this.#hooks.setAside({ instance, logChain, database, right, by, holders });
  }

  /** As a majority of the voters, this replica itself among them. */
  #isRight(own: DatabaseDigests, voters: readonly ReplicaId[], reports: readonly DatabaseReport[]): boolean {
    const alike = reports.filter(
      ({ member, database }) => database === own.database && voters.includes(member as ReplicaId),
    );
    return alike.length * 2 > voters.length;
  }

  #takeBack(instance: Instance): void {
    if (!this.#hooks.isSetAside() || !this.#replayed) return;
    this.#replayed = false;
    this.#hooks.takeBack(instance);
  }

  #forked(round: Round, reports: readonly DatabaseReport[]): void {
    const branches = new Map<string, ReplicaId[]>();
    for (const { member, logChain } of reports) {
      branches.set(logChain, [...(branches.get(logChain) ?? []), member as ReplicaId]);
    }
    const list = [...branches].map(([logChain, members]): ForkBranch => ({ members, logChain }));
    this.#context.outbox.push({ kind: 'fork-seen', instance: round.instance, branches: list });
  }

  // --- time -----------------------------------------------------------------------------------------------------------

  get #askEveryMs(): number {
    return 2 * resendMs(this.#context);
  }

  /** The newest round that still lacks somebody, of each kind. Asked twice a step, and nearly always there is none. */
  #open(): readonly Round[] {
    let open: Round[] | null = null;
    for (const full of kinds) {
      const round = this.#newest(full);
      if (round === undefined || !this.#isOpen(round)) continue;
      open ??= [];
      open.push(round);
    }
    return open ?? none;
  }

  #newest(full: boolean): Round | undefined {
    for (let i = this.#rounds.length - 1; i >= 0; i--) {
      const round = this.#rounds[i] as Round;
      if (round.full === full) return round;
    }
    return undefined;
  }

  #isOpen({ asks, reports }: Round): boolean {
    const { configurations, self } = this.#context;
    if (asks >= asksMax || !reports.has(self)) return false;
    for (const member of configurations.latest.configuration.members) if (!reports.has(memberId(member))) return true;
    return false;
  }

  tick(): void {
    const now = this.#context.now.monotonicMs;
    for (const round of this.#open()) if (now >= round.askedMs + this.#askEveryMs) this.#ask(round);
    if (!this.#wants() || now < this.#wantedMs + 4 * this.#askEveryMs) return;
    this.#wantedMs = now;
    for (const member of this.#members()) {
      if (member !== this.#context.self) this.#context.outbox.send(member, { kind: 'check-wanted' });
    }
  }

  #wants(): boolean {
    return this.#replayed && this.#hooks.isSetAside();
  }

  dueMs(): number {
    let due = Number.POSITIVE_INFINITY;
    for (const { askedMs } of this.#open()) due = Math.min(due, askedMs + this.#askEveryMs);
    if (!this.#wants()) return due;
    return Math.min(due, Math.max(this.#wantedMs + 4 * this.#askEveryMs, this.#context.now.monotonicMs));
  }
}
