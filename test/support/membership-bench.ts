/** The master's side of a change of members, over a made-up log and made-up answers of the others; time passes by waiting alone. */
import { type Configuration, type Member, memberId } from '../../src/core/consensus/configuration.ts';
import type { MonotonicMs, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { ClockPort } from '../../src/ports/clocks.ts';
import type { ConditionDocument, IdentityDocument } from '../../src/runtime/membership/documents.ts';
import { type MemberLog, MembershipService } from '../../src/runtime/membership/membership-service.ts';
import type { PeerQuestions } from '../../src/runtime/membership/peer-questions.ts';
import type { OpenUpgrade } from '../../src/runtime/open-upgrade.ts';

export const five: readonly Member[] = ['n1', 'n2', 'n3', 'n4', 'n5'].map((name) => ({
  ...{ name, incarnation: 1, role: 'voter', url: `http://${name}:1` },
}));

export const well: Omit<ConditionDocument, 'id'> = {
  ...{
    participation: 'voting',
    appliedUpTo: 1_000,
    durable: true,
    version: '0.1.0',
    levels: { min: 1, max: 1 },
    digests: [],
  },
};

export interface Bench {
  readonly service: MembershipService;
  readonly first: Configuration;
  readonly proposed: Configuration[];
  /** What members answer; who is not named is well. Null: nothing. */
  readonly answers: Map<string, Omit<ConditionDocument, 'id'> | null>;
  /** Who answers at the address of one that is to be added. */
  identity: IdentityDocument;
  /** Of proposals; what is not named is chosen. */
  readonly outcomes: ('refused' | 'unknown')[];
  unheard: readonly ReplicaId[];
  upgrade: OpenUpgrade | null;
  /** A change that was chosen is in force, and known to as many as decide. */
  governs: boolean;
  onProposed: () => void;
  /** What the master has applied; it may do so while others answer. */
  applied: number;
  onAsked: () => void;
  nowMs: number;
  until(condition: () => boolean): Promise<void>;
}

export const waiting: IdentityDocument = {
  ...{ name: 'n6', token: 't', version: '0.1.0', levels: { min: 1, max: 1 }, state: 'waiting', cell: null },
};

const settings = { alpha: 8, leaseMs: 500, driftPpm: 10_000 };

/** What the cell of `bench` began with. */
export const before = ({ first }: Bench): Configuration => first;

/** n1 is master. */
export function bench(members: readonly Member[]): Bench {
  const first: Configuration = { members, ...settings };
  const log = {
    self: memberId(members[0] as Member),
    stopped: false,
    frozen: null,
    get appliedUpTo() {
      return made.applied;
    },
    recentDigests: { agreesWith: () => true },
    isServing: () => true,
    core: {
      get configurations() {
        const latest = { configuration: made.proposed.at(-1) ?? first, from: made.proposed.length === 0 ? 1 : 1_008 };
        return made.governs || made.proposed.length === 0 ? [latest] : [{ configuration: first, from: 1 }, latest];
      },
      unheard: () => made.unheard,
      isAppliedByQuorum: () => made.governs,
    },
    changeConfiguration: (configuration: Configuration, done: (outcome: 'changed' | 'refused' | 'unknown') => void) => {
      made.onProposed();
      const outcome = made.outcomes.shift();
      if (outcome !== undefined) return done(outcome);
      made.proposed.push(configuration);
      done('changed');
    },
  } as unknown as MemberLog;
  const questions = {
    identity: async () => made.identity,
    probe: async ({ name }: Member) => ({ name, problem: null }),
    condition: async (member: Member) => {
      made.onAsked();
      const answer = made.answers.get(member.name) ?? (made.answers.has(member.name) ? null : well);
      return answer === null ? null : { ...answer, id: memberId(member) };
    },
  } as unknown as PeerQuestions;
  const clocks = {
    now: () => ({ monotonicMs: made.nowMs as MonotonicMs }),
    schedule: (at: number, callback: () => void) => {
      const turn = setImmediate(() => {
        made.nowMs = Math.max(made.nowMs, at);
        callback();
      });
      return { cancel: () => clearImmediate(turn) };
    },
  } as unknown as ClockPort;
  const logger = { info: () => undefined } as never;
  const made: Bench = {
    service: new MembershipService({
      log,
      questions,
      clocks,
      logger,
      version: '0.1.0',
      level: () => 1,
      openUpgrade: () => made.upgrade,
    }),
    ...{ first, identity: waiting, outcomes: [] },
    ...{ proposed: [], answers: new Map(), unheard: [], upgrade: null, governs: true, nowMs: 10_000 },
    ...{ onProposed: () => undefined, onAsked: () => undefined, applied: 1_000 },
    until: async (condition) => {
      while (!condition()) await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return made;
}
