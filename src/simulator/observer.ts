/**
 * Sees everything that every replica does and tells each checker its part. No replica can see it.
 *
 * Source: pitfalls §4 (invariants after every event). Whatever is wrong is thrown as a {@link Violation}.
 */
import { type BadItem, endless } from '../core/consensus/bad-item.ts';
import { formatBallot } from '../core/consensus/ballot.ts';
import type { Configuration, ConfigurationFrom } from '../core/consensus/configuration.ts';
import type { Effect, WriteRequest } from '../core/consensus/effect.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { Input } from '../core/consensus/input.ts';
import type { AcceptedEntry } from '../core/consensus/message.ts';
import { isQuorum, voters } from '../core/consensus/quorum.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { Value } from '../core/consensus/value.ts';
import type { CommandResult } from '../core/database/command.ts';
import { firstLevel } from '../formats/levels.ts';
import { encodeValue } from '../formats/value.ts';
import type { Delivery } from '../runtime/application.ts';
import { AgreementChecker, type Choice } from './checkers/agreement.ts';
import { AppliedPrefixChecker } from './checkers/applied-prefix.ts';
import { BallotDisciplineChecker } from './checkers/ballot-discipline.ts';
import { checkBounds } from './checkers/bounds.ts';
import { BranchedReplay } from './checkers/branched-replay.ts';
import { ChangesChecker, type Proposing } from './checkers/changes.ts';
import { DurabilityChecker } from './checkers/durability.ts';
import { EpochChecker } from './checkers/epoch.ts';
import { checkKept, type KeptSnapshot } from './checkers/kept-snapshots.ts';
import { type Believer, LeaseExclusionChecker } from './checkers/lease-exclusion.ts';
import { type Begun, type Branch, Lineage, numbersOf } from './checkers/lineage.ts';
import { PartingChecker } from './checkers/partings.ts';
import { FreshTerms } from './checkers/session-terms.ts';
import { SnapshotBytesChecker } from './checkers/snapshot-bytes.ts';
import { checkStranger } from './checkers/strangers.ts';
import { Violation } from './checkers/violation.ts';
import { formatDigest, simulatedDigest } from './digest.ts';
import type { History } from './history.ts';
import type { Trace } from './trace.ts';
import { TransitionCounts } from './transition-counts.ts';

/** One life of one replica, as far as the observer needs it. */
export interface Observed {
  readonly id: ReplicaId;
  /** Name of the machine. */
  readonly name: string;
  /** Different in each life. */
  readonly process: string;
}

export class Observer {
  /** Of the generations. */
  readonly lineage = new Lineage();
  readonly replay: BranchedReplay;
  readonly transitions = new TransitionCounts();
  /** Of the members, as masters propose them. */
  readonly changes = new ChangesChecker();
  readonly #now: () => number;
  readonly #trace: Trace;
  readonly #believers: () => Iterable<Believer & { readonly process: string }>;
  readonly #agreements: Map<Branch, AgreementChecker>;
  readonly #ballots = new BallotDisciplineChecker();
  readonly #prefix = new AppliedPrefixChecker();
  readonly #lease = new LeaseExclusionChecker();
  readonly #epochs = new EpochChecker();
  readonly #durability = new DurabilityChecker();
  readonly #digests = new WeakMap<Value, string>();
  readonly #snapshots = new SnapshotBytesChecker();
  readonly #partings = new PartingChecker();
  /** Up to where second processes know what is chosen. */
  readonly #twinsKnow = new Map<ReplicaId, number>();
  readonly #terms: FreshTerms;
  /** Incarnations whose disk was put back to an older state: whatever they say of it, they must have no vote. */
  readonly #putBack = new Set<ReplicaId>();
  /** Of the cell when it was formed. */
  readonly formedLevel: number;
  #level: number;
  /** Called once, when the next change of the membership is chosen, or begins to govern. */
  atChange: { readonly when: 'chosen' | 'governs'; readonly strike: () => void } | null = null;
  #changes = { chosen: 1, governs: 1 };
  #snapshotsTaken = 0;
  /** By branch: the last that was replayed. */
  readonly #replayed = new Map<Branch, number>();
  #masterships = 0;

  constructor(options: {
    readonly formation: Configuration;
    /** 1 where absent. */
    readonly formedLevel?: number;
    readonly history: History;
    /** Others may follow; false where absent. */
    readonly generations?: boolean;
    readonly trace: Trace;
    readonly now: () => number;
    /** Every live process, asked what it would do now. */
    readonly believers: () => Iterable<Believer & { readonly process: string }>;
  }) {
    this.formedLevel = options.formedLevel ?? firstLevel;
    this.#level = this.formedLevel;
    this.#agreements = new Map([[this.lineage.newest, new AgreementChecker(options.formation)]]);
    this.replay = new BranchedReplay(options.history, this.lineage, options.generations === true);
    this.#terms = new FreshTerms(options.formation.driftPpm);
    this.#trace = options.trace;
    this.#now = options.now;
    this.#believers = options.believers;
  }

  /** The highest that any replica has known to be in force: at times nobody runs who could say. */
  get level(): number {
    return this.#level;
  }

  levelRaised(level: number): void {
    this.#level = Math.max(this.#level, level);
  }

  /** Of all replicas, received ones as well. */
  get snapshotsTaken(): number {
    return this.#snapshotsTaken;
  }

  /** Changes of master so far: how often a process became it. */
  get masterships(): number {
    return this.#masterships;
  }

  /** In the newest generation. */
  get chosenUpTo(): number {
    return this.#agreement.chosenUpTo;
  }

  /** Of the newest generation. */
  get #agreement(): AgreementChecker {
    return this.#agreementOf(this.lineage.newest);
  }

  #agreementOf(branch: Branch): AgreementChecker {
    return this.#agreements.get(branch) as AgreementChecker;
  }

  #agreementAt(instance: number): AgreementChecker {
    return this.#agreementOf(this.lineage.of(instance));
  }

  /** A member has opened its directory in a later generation, which these are to decide in. */
  generationBegun(begun: Begun, configuration: Configuration): void {
    const { acquaintances } = this.#agreement;
    const branch = this.lineage.begins(begun, this.#now());
    if (branch === null) return;
    this.#note('', 'generation begins', branch.generation, branch.generationId, branch.numbers, branch.start);
    this.#agreements.set(branch, new AgreementChecker(configuration, branch.numbers, acquaintances));
    this.#replayed.set(branch, branch.numbers);
    this.replay.begins(branch);
  }

  /** The newest one that was chosen, in force or not yet. */
  get configuration(): Configuration {
    return this.#agreement.configurationAt(Number.POSITIVE_INFINITY);
  }

  /** Somebody keeps this as what was accepted there last, in a file. @throws {Violation} when another value was chosen. */
  keeps(kept: { readonly instance: number; readonly value: Value }): void {
    const choice = this.#agreementAt(kept.instance).choice(kept.instance);
    if (choice !== undefined && choice.digest !== this.#digest(kept.value)) {
      throw new Violation('generation', `a file has another value at ${kept.instance} than was chosen`);
    }
    this.replay.keeps(kept);
  }

  /** As many as decide in `configuration` have applied everything up to `instance` at some time, or a second process of theirs knows it as chosen. */
  wasAppliedByQuorum(configuration: Configuration, instance: number): boolean {
    const knowing = [...voters(configuration)].filter(
      (id) => Math.max(this.#prefix.everAppliedUpTo(id), this.#twinsKnow.get(id) ?? 0) >= instance,
    );
    return isQuorum(configuration, new Set(knowing));
  }

  /** The two newest that were chosen, and from where each governs: of a formation that was never changed, the same twice. */
  get lastConfigurations(): AgreementChecker['lastConfigurations'] {
    return this.#agreement.lastConfigurations;
  }

  #note(who: string, what: string, ...parts: readonly (string | number)[]): void {
    this.#trace.note(this.#now(), who, what, ...parts);
  }

  #digest(value: Value): string {
    const known = this.#digests.get(value);
    if (known !== undefined) return known;
    const digest = formatDigest(simulatedDigest.entry(encodeValue(value)));
    this.#digests.set(value, digest);
    return digest;
  }

  // --- disks --------------------------------------------------------------------------------------------------------

  /** A process has read its disk. */
  recovered(
    { id, name, process }: Observed,
    found: {
      readonly promise: { readonly ballot: AcceptedEntry['ballot'] };
      readonly entries: readonly AcceptedEntry[];
      readonly chosenUpTo: number;
      readonly snapshot: { readonly instance: number; readonly checksum: string } | null;
      readonly bad: readonly BadItem[];
      readonly missingUpTo: number;
    },
  ): void {
    const { promise, entries, chosenUpTo, snapshot, bad } = found;
    if (bad.length > 0) this.#note(name, 'lost', ...bad.flatMap(({ instance, upTo }) => [instance, upTo]).slice(0, 20));
    this.#note(name, 'starts', process, formatBallot(promise.ballot), entries.length, chosenUpTo);
    if (this.#putBack.has(id)) return this.#prefix.standsAt(id, snapshot?.instance ?? 0, snapshot?.checksum ?? null);
    this.#ballots.recovered(
      id,
      promise.ballot,
      bad.some(({ upTo }) => upTo === endless),
    );
    const identified = entries.map(({ instance, ballot, value }) => ({
      instance,
      ballot,
      digest: this.#digest(value),
    }));
    this.#durability.recovered(
      id,
      snapshot?.instance ?? 0,
      identified,
      (instance, digest) => instance <= chosenUpTo && this.#agreementAt(instance).choice(instance)?.digest === digest,
      found,
    );
    for (const entry of entries) this.#durable(id, entry, chosenUpTo);
    this.#claims(name, chosenUpTo);
    // What it goes on from as chosen is: whatever else was accepted there once is not among it.
    for (const { instance, value } of entries) if (instance <= chosenUpTo) this.#isChosen(name, instance, value);
    this.#partings.durable(id, Math.max(chosenUpTo, snapshot?.instance ?? 0));
    this.#prefix.standsAt(id, snapshot?.instance ?? 0, snapshot?.checksum ?? null);
  }

  /** The disk of this incarnation is an older one from now on. */
  putBack(id: ReplicaId): void {
    this.#putBack.add(id);
  }

  isPutBack(id: ReplicaId): boolean {
    return this.#putBack.has(id);
  }

  /** A second process, which speaks in the name of `id` wherever it was let in, writes down up to where it knows what is chosen. */
  twinKnows(id: ReplicaId, chosenUpTo: number): void {
    this.#twinsKnow.set(id, Math.max(chosenUpTo, this.#twinsKnow.get(id) ?? 0));
    this.#partings.durable(id, chosenUpTo);
  }

  /** A second process of an incarnation has made this durable. */
  ofTwin({ id, name }: Observed, request: WriteRequest): void {
    this.#note(name, 'twin votes', request.promise === null ? '' : formatBallot(request.promise.ballot));
    for (const { instance, ballot, value } of request.entries) {
      if (instance <= request.chosenUpTo) continue;
      const choice = this.#agreementAt(instance).accepted({
        replica: id,
        instance,
        ballot,
        value,
        digest: this.#digest(value),
      });
      if (choice !== null) this.#chosen(choice);
    }
  }

  /** A replica asks its disk to make this durable. */
  issued({ id, name }: Observed, request: WriteRequest): void {
    if (this.#putBack.has(id)) this.#votesNoMore(name, request);
    // One step's records: it may have accepted first and promised then.
    for (const { instance, ballot, value } of request.entries) {
      if (instance > request.chosenUpTo) this.#ballots.accepted(id, instance, ballot, this.#digest(value));
      else this.#isChosen(name, instance, value);
    }
    if (request.promise !== null) this.#ballots.promised(id, request.promise.ballot);
    for (const { instance, ballot } of request.entries) {
      if (instance > request.chosenUpTo) this.#ballots.raised(id, ballot);
    }
  }

  /** The disk has said that it is. */
  durable({ id }: Observed, request: WriteRequest): void {
    if (request.promise !== null) this.#ballots.durable(id, request.promise.ballot);
    this.#partings.durable(id, request.chosenUpTo);
    for (const entry of request.entries) this.#durable(id, entry, request.chosenUpTo);
  }

  #durable(id: ReplicaId, entry: AcceptedEntry, chosenUpTo: number): void {
    const { instance, ballot, value } = entry;
    const digest = this.#digest(value);
    this.#durability.flushed(id, instance, ballot, digest);
    // What was learned as chosen is no vote: it may stand there in any ballot.
    if (instance <= chosenUpTo) return;
    const choice = this.#agreementAt(instance).accepted({ replica: id, instance, ballot, value, digest });
    if (choice !== null) this.#chosen(choice);
  }

  #chosen({ instance, ballot, digest }: Choice): void {
    this.#note('', 'chosen', instance, formatBallot(ballot), digest);
    this.#tellChanges();
    if (!this.#lease.chosen(ballot, this.lineage.of(instance).generation)) return;
    const believers = [...this.#believers()];
    this.#lease.check(believers);
    for (const { name, process } of believers) if (name !== ballot.name) this.#epochs.broken(process);
  }

  /** By where the newest one governs from, and whether everything before that is chosen. */
  #tellChanges(): void {
    const { from } = this.#agreement.lastConfigurations[1];
    const before = this.#changes;
    const governs = this.#agreement.chosenUpTo >= from - 1;
    if (from === before.chosen && (from === before.governs || !governs)) return;
    this.#changes = { chosen: from, governs: governs ? from : before.governs };
    const { atChange } = this;
    if (atChange === null || this.#changes[atChange.when] === before[atChange.when]) return;
    this.atChange = null;
    atChange.strike();
  }

  #votesNoMore(name: string, { promise, entries, chosenUpTo }: WriteRequest): void {
    if (promise === null && entries.every(({ instance }) => instance <= chosenUpTo)) return;
    throw new Violation('time-travel', `${name} votes on a disk that is older than what it acknowledged`, {
      promise: promise === null ? null : formatBallot(promise.ballot),
      instances: entries.map(({ instance }) => instance),
    });
  }

  /** A snapshot of this replica counts from now on, taken or received. */
  snapshotCounts({ id, name }: Observed, instance: number, sha256: string): void {
    this.#partings.durable(id, instance);
    this.#snapshotsTaken++;
    this.#snapshots.taken(name, instance, sha256);
  }

  /** A replica has taken or received one, and says that it stands for everything up to `standsFor`. @throws {Violation} */
  snapshotsKept({ name }: Observed, kept: readonly KeptSnapshot[], standsFor: number): void {
    checkKept(name, kept, standsFor);
  }

  /** The two newest snapshots of a replica stand for everything up to the older of them. */
  snapshotsStandFor({ id }: Observed, instance: number): void {
    this.#durability.cut(id, instance + 1);
  }

  // --- steps --------------------------------------------------------------------------------------------------------

  stepped(
    observed: Observed,
    input: Input,
    effects: readonly Effect[],
    replica: Replica,
    checksum: () => string,
  ): void {
    const { id, name } = observed;
    const [what, from] = input.kind === 'message' ? [input.message.kind, input.from] : ['', ''];
    this.#note(name, input.kind, what, from, effects.length, replica.chosenUpTo, replica.appliedUpTo, replica.state);
    this.transitions.count(effects, ({ machine, from, event, to }, cause) =>
      this.#note(name, machine, from, '->', to, event, cause === event ? '' : cause),
    );
    for (const effect of effects) if (effect.kind === 'bad-settled') this.#durability.settled(id, effect.above);
    if (effects.some(({ kind }) => kind === 'parted')) {
      const { from } = replica.configurations.at(-1) as ConfigurationFrom;
      this.#partings.parted(
        id,
        this.#agreementAt(from).configurations.filter((it) => it.from <= from),
      );
    }
    replica.checkInvariants();
    this.#claims(name, replica.chosenUpTo);
    if (input.kind === 'message' && !this.#agreement.acquaintances.has(input.from)) checkStranger(name, input, effects);
    if (input.kind === 'snapshot-installed' && input.handle.instance > this.#prefix.appliedUpTo(id)) {
      this.#prefix.standsAt(id, input.handle.instance, checksum());
    }
  }

  /** A replica does not let `whom` in, and says that it was removed. @throws {Violation} */
  turnsAway({ id }: Observed, whom: ReplicaId): void {
    this.#partings.turnedAway(id, whom, this.#agreement.configurations);
  }

  /** After the same step: what is in use of everything that is limited. */
  measured(
    { name }: Observed,
    limits: { readonly replica: Replica; readonly pendingItemsMax: number; readonly openFiles: number },
    effects: readonly Effect[],
  ): void {
    const { replica, pendingItemsMax, openFiles } = limits;
    const { appliedUpTo, pendingItems } = replica;
    const { alpha } = replica.configuration;
    checkBounds(name, { appliedUpTo, alpha, pendingItems, pendingItemsMax, openFiles }, effects);
  }

  /** After the same step of a member that operators may change: what it proposes of the members. */
  proposes(
    { id, process }: Observed,
    input: Input,
    effects: readonly Effect[],
    core: { readonly replica: Replica; readonly proposing: () => Proposing },
  ): void {
    this.changes.stepped(process, input, effects, { self: id, ...core });
  }

  /** @throws {Violation} when a replica takes for chosen what no majority holds. */
  #claims(name: string, chosenUpTo: number): void {
    // The state that a generation begins with is nobody's choice; whoever has lost it cannot tell where it began.
    if (chosenUpTo === numbersOf(chosenUpTo)) return;
    const known = this.#agreementAt(chosenUpTo).chosenUpTo;
    if (chosenUpTo <= known) return;
    throw new Violation('agreement', `${name} takes ${chosenUpTo} as chosen; only ${known} are`);
  }

  #isChosen(name: string, instance: number, value: Value): void {
    const choice = this.#agreementAt(instance).choice(instance);
    if (choice?.digest === this.#digest(value)) return;
    throw new Violation('agreement', `${name} takes another value as chosen at ${instance} than was chosen`, {
      chosen: choice?.digest ?? null,
    });
  }

  /** The application was restored to its state after `instance`. */
  restored({ id }: Observed, instance: number): void {
    this.#prefix.standsAt(id, instance, null);
  }

  applied(observed: Observed, delivery: Delivery, results: readonly CommandResult[], checksum: string): void {
    const { id, name } = observed;
    const { instance, epoch, value, current } = delivery;
    this.#isChosen(name, instance, value);
    this.#note(name, 'applies', instance, value.kind, epoch, checksum);
    this.#prefix.applied(id, instance, this.#digest(value), epoch);
    this.#prefix.checksum(id, instance, checksum);
    const branch = this.lineage.of(instance);
    if (instance !== (this.#replayed.get(branch) ?? 0) + 1) return;
    this.#replayed.set(branch, instance);
    if (value.kind === 'mastership') this.#terms.mastershipBegins(this.#now());
    const { items, cellTimeMs } = value.kind === 'submitted' ? value : { items: [], cellTimeMs: null };
    const expired = this.replay.applied({ instance, epoch, current, cellTimeMs, items, results });
    for (const session of expired) this.#terms.expired(session, this.#now());
  }

  // --- mastership ---------------------------------------------------------------------------------------------------

  /** A process looked whether it may serve, for a client. */
  looked({ name, process }: Observed, serving: { readonly epoch: number; readonly believer: Believer } | null): void {
    if (serving === null) return;
    this.#lease.check([serving.believer]);
    this.#note(name, 'serves', serving.epoch);
    this.#epochs.serves(process, serving.epoch);
  }

  mastership({ name, process }: Observed, role: string, cause: string): void {
    this.#note(name, role, cause);
    if (role !== 'master') this.#epochs.broken(process);
    else this.#masterships++;
  }

  died({ name, process }: Observed, how: string): void {
    this.#note(name, 'dies', how);
    this.changes.died(process);
    this.#epochs.broken(process);
  }

  /** A replica answers a write. @throws {Violation} unless a majority holds it. */
  acknowledges({ name }: Observed, instance: number): void {
    this.#durability.acknowledged(name, instance, this.#agreementAt(instance).choice(instance) !== undefined);
  }

  checksumAt(observed: Observed, instance: number, checksum: string): void {
    this.#prefix.checksum(observed.id, instance, checksum);
  }
}
