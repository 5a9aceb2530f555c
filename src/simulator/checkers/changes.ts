/**
 * Changes (I7, P49): a master proposes a change of the members only on what they have told it of themselves for that, and on what they have
 * acknowledged to it; nobody who is well goes before another has come, and while an upgrade is open the members stay the same ones.
 *
 * Source: design §3 "Membership", §6; pitfalls P49, D10, O9, U4. Judged by what was sent and has arrived, and not by what the master makes
 * of it. Where another question of the same master came between, the one that says less against it counts.
 */
import { ballotsEqual } from '../../core/consensus/ballot.ts';
import { type Configuration, type Member, memberId } from '../../core/consensus/configuration.ts';
import type { Effect } from '../../core/consensus/effect.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { Input } from '../../core/consensus/input.ts';
import { quorumSize, voters } from '../../core/consensus/quorum.ts';
import type { Replica } from '../../core/consensus/replica.ts';
import { isSupported } from '../../formats/levels.ts';
import {
  type ConditionDocument,
  type IdentityDocument,
  isCondition,
  isIdentity,
  paths,
} from '../../runtime/membership/documents.ts';
import { lagInstancesMax } from '../../runtime/membership/plan.ts';
import { Violation } from './violation.ts';

/** When a process asks, by its own clock, and what it has applied. */
export interface AskedAt {
  /** True time: what is asked at one moment is one look at all members. */
  readonly atMs: number;
  readonly monotonicMs: number;
  readonly appliedUpTo: number;
}

/** What the proposer knows beside what it was told. */
export interface Proposing {
  readonly level: number;
  readonly upgradeOpen: boolean;
}

interface Look extends AskedAt {
  readonly answers: Map<ReplicaId, ConditionDocument>;
  /** When each had last acknowledged something, as the look began. */
  readonly heardMs: ReadonlyMap<ReplicaId, number>;
}

/** Of one process. */
interface Proposer {
  readonly looks: Look[];
  readonly identities: Map<string, IdentityDocument>;
  readonly heard: Map<ReplicaId, { readonly instance: number; readonly atMs: number }>;
  masterSinceMs: number;
}

/** Whoever raises the level asks all members, too, and one look may be that one's. */
const looksKept = 3;
/** What was asked longer ago than this is what no change waits for. */
const lookMsMax = 20_000;

/** Of the core of a member. */
export interface Step {
  readonly self: ReplicaId;
  readonly replica: Pick<Replica, 'ballot' | 'configurations'>;
  readonly proposing: () => Proposing;
}

const textOf = ({ members }: Configuration): readonly string[] => members.map((it) => `${memberId(it)} ${it.role}`);

export class ChangesChecker {
  readonly #proposers = new Map<string, Proposer>();
  /** Changes that somebody has proposed: whoever takes one over has not judged it. */
  readonly #known = new Set<string>();

  #of(process: string): Proposer {
    let proposer = this.#proposers.get(process);
    if (proposer === undefined) {
      proposer = { looks: [], identities: new Map(), heard: new Map(), masterSinceMs: Number.POSITIVE_INFINITY };
      this.#proposers.set(process, proposer);
    }
    return proposer;
  }

  died(process: string): void {
    this.#proposers.delete(process);
  }

  /** `process` asks another one how it is. Returns what takes the answer, as it arrives. */
  asks(process: string, path: string, at: AskedAt): (answer: unknown) => void {
    const { heard, identities, looks } = this.#of(process);
    if (path === paths.identity) {
      return (answer) => void (isIdentity(answer) && identities.set(answer.name, answer));
    }
    if (path !== paths.condition) return () => undefined;
    let look = looks.at(-1);
    if (look?.atMs !== at.atMs) {
      const heardMs = new Map([...heard].map(([id, { atMs }]) => [id, atMs]));
      look = { ...at, answers: new Map(), heardMs };
      looks.push(look);
      if (looks.length > looksKept) looks.shift();
    }
    const { answers } = look;
    return (answer) => void (isCondition(answer) && answers.set(answer.id, answer));
  }

  /** After a step of `process`. @throws {Violation} when it proposes a change that it must not. */
  stepped(process: string, input: Input, effects: readonly Effect[], { self, replica, proposing }: Step): void {
    if (input.kind === 'message') this.#acknowledged(process, input, replica);
    for (const effect of effects) {
      if (effect.kind === 'mastership' && effect.role === 'master') {
        this.#of(process).masterSinceMs = input.at.monotonicMs;
      }
      if (effect.kind !== 'persist') continue;
      for (const { instance, ballot, value } of effect.request.entries) {
        if (value.kind !== 'configuration') continue;
        const { configuration } = value;
        const key = `${instance} ${textOf(configuration).join()}`;
        if (this.#known.has(key)) continue;
        this.#known.add(key);
        const before = replica.configurations.at(-1)?.configuration;
        if (before === undefined || !ballotsEqual(ballot, replica.ballot)) continue;
        const nowMs = input.at.monotonicMs;
        this.#proposed(process, { self, before, after: configuration, nowMs, ...proposing() });
      }
    }
  }

  #acknowledged(process: string, input: Extract<Input, { kind: 'message' }>, replica: Step['replica']): void {
    if (input.message.kind !== 'accepted') return;
    const { ballot, instance } = input.message;
    if (!ballotsEqual(ballot, replica.ballot)) return;
    const { heard } = this.#of(process);
    // A copy of an earlier one shows no life.
    if (instance <= (heard.get(input.from)?.instance ?? 0)) return;
    heard.set(input.from, { instance, atMs: input.at.monotonicMs });
  }

  #proposed(
    process: string,
    change: Proposing & {
      readonly self: ReplicaId;
      readonly before: Configuration;
      readonly after: Configuration;
      readonly nowMs: number;
    },
  ): void {
    const { self, before, after, nowMs, level, upgradeOpen } = change;
    const proposer = this.#of(process);
    const looks = proposer.looks.filter((look) => nowMs - look.monotonicMs <= lookMsMax);
    if (looks.length === 0) return;
    const silentMs = 2 * before.leaseMs;
    /** By nothing that this look has brought is it to be counted on. */
    const fails = (id: ReplicaId, look: Look): boolean => {
      const answer = look.answers.get(id);
      if (answer === undefined || !answer.durable || look.appliedUpTo - answer.appliedUpTo > lagInstancesMax)
        return true;
      const heardMs = proposer.heard.get(id)?.atMs ?? Number.NEGATIVE_INFINITY;
      const judgesMs = look.monotonicMs - silentMs;
      return voters(before).has(id) && proposer.masterSinceMs <= judgesMs && heardMs < judgesMs;
    };
    const votes = (id: ReplicaId, look: Look): boolean => look.answers.get(id)?.participation === 'voting';
    const perhaps = (id: ReplicaId): boolean =>
      id === self || looks.some((look) => !fails(id, look) && votes(id, look));
    /** By every look, and for as long as the change was judged. */
    const surely = (id: ReplicaId): boolean =>
      id === self ||
      looks.every((look) => {
        const heardMs = look.heardMs.get(id) ?? Number.NEGATIVE_INFINITY;
        return !fails(id, look) && votes(id, look) && heardMs >= nowMs - silentMs;
      });
    const violated = (what: string, facts: Readonly<Record<string, unknown>> = {}): never => {
      throw new Violation('change', `${self} proposes ${what}`, {
        before: textOf(before),
        after: textOf(after),
        ...facts,
      });
    };
    const [old, next] = [voters(before), voters(after)];
    const gained = [...next].filter((id) => !old.has(id));
    const isSame = gained.length === 0 && old.size === next.size;
    for (const id of gained) {
      if (looks.every((look) => fails(id, look))) violated(`a vote for ${id}, which did not answer, or is behind`);
    }
    const well = [...next].filter((id) => gained.includes(id) || perhaps(id));
    if (!isSame && well.length < quorumSize(after)) {
      violated(`a change after which ${quorumSize(after)} are needed, and ${well.length} can be counted on`, { well });
    }
    const come = after.members.filter((it) => !before.members.some(({ name }) => name === it.name));
    const gone = before.members.filter((it) => !after.members.some(({ name }) => name === it.name));
    const isWellVoter = (it: Member): boolean => it.role === 'voter' && surely(memberId(it));
    if (come.length > 0 && gone.some(isWellVoter)) violated('to give up who is well in the step that admits another');
    for (const { name } of come) {
      const told = proposer.identities.get(name);
      if (told !== undefined && !isSupported(level, told.levels)) {
        violated(`to admit ${name}, which does not speak level ${level}`);
      }
    }
    if (!upgradeOpen) return;
    const promoted = before.members.some((it) => it.role === 'learner' && next.has(memberId(it)));
    if (come.length > 0 || promoted || gone.some(isWellVoter))
      violated('to change the members while an upgrade is open');
  }

  /** That process has just let the level be raised, or announced, to `levels`. @throws {Violation} when a member may not follow. */
  raises(
    process: string,
    self: ReplicaId,
    { configuration, levels }: { readonly configuration: Configuration; readonly levels: readonly number[] },
  ): void {
    const look = this.#of(process).looks.at(-1);
    for (const member of configuration.members) {
      const id = memberId(member);
      if (id === self) continue;
      const spoken = look?.answers.get(id)?.levels;
      const beyond = spoken === undefined ? levels[0] : levels.find((level) => !isSupported(level, spoken));
      if (beyond === undefined) continue;
      const facts = { spoken, levels };
      throw new Violation('level', `${self} lets level ${beyond} come, and ${id} did not say that it speaks it`, facts);
    }
  }
}
