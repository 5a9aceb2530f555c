/**
 * Rules that keep a cell steady rather than right: what breaks them loses no write, it costs masters, time, or an operator's
 * trust in `status`. Watches the steps of a `LogCell`.
 */
import type { Effect } from '../../src/core/consensus/effect.ts';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
import type { Input } from '../../src/core/consensus/input.ts';
import { isQuorum, voters } from '../../src/core/consensus/quorum.ts';
import { ballotText } from './core-text.ts';
import type { LogCell } from './log-cell.ts';
import { Violation } from './log-checker.ts';
import type { LogMember } from './log-member.ts';

interface Observed {
  boots: number;
  /** Of the pre-vote under way, and who granted it. */
  asked: number;
  readonly votes: Set<ReplicaId>;
  /** Of the last prepare that was looked at. */
  prepared: string;
  role: 'master' | 'candidate' | 'replica';
  masterSinceMs: number;
  /** Writes that are not durable yet, oldest first. */
  readonly pending: { readonly write: number; readonly atMs: number }[];
}

export class ConductChecker {
  readonly #cell: LogCell;
  readonly #lateMs: number;
  readonly #observed = new Map<ReplicaId, Observed>();
  readonly #deadSince = new Map<ReplicaId, { readonly boots: number; readonly ms: number }>();

  /** `lateMs`: how long messages may be under way. */
  constructor(cell: LogCell, options: { readonly lateMs: number }) {
    this.#cell = cell;
    this.#lateMs = options.lateMs;
  }

  onStep(member: LogMember, input: Input, effects: readonly Effect[]): void {
    const known = this.#of(member);
    if (input.kind === 'message' && input.message.kind === 'pre-vote-reply' && input.message.granted) {
      // Asked before this began to watch, perhaps.
      if (known.asked === -1) known.asked = input.message.nonce;
      if (input.message.nonce === known.asked) known.votes.add(input.from);
    }
    if (input.kind === 'persisted') {
      while (known.pending[0] !== undefined && known.pending[0].write <= input.write) known.pending.shift();
    }
    for (const effect of effects) this.#effect(member, known, input, effect);
    if (member.core.isServing(input.at)) this.#serving(member, known, input);
  }

  #of(member: LogMember): Observed {
    const { boots } = member;
    const known = this.#observed.get(member.id);
    if (known?.boots === boots) return known;
    const fresh: Observed = {
      ...{ boots, asked: -1, votes: new Set<ReplicaId>(), prepared: '', role: 'replica', masterSinceMs: 0 },
      pending: [],
    };
    this.#observed.set(member.id, fresh);
    return fresh;
  }

  #effect(member: LogMember, known: Observed, input: Input, effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        known.pending.push({ write: effect.request.write, atMs: this.#cell.nowMs });
        return;
      case 'mastership':
        // A lease that has lapsed is noticed before anything else in a step, so here it still held (P42).
        if (known.role === 'master' && effect.role !== 'master' && effect.cause === 'higher ballot') {
          throw new Violation(`L2 steady masters: ${member.id} yields to a higher ballot while its lease holds`);
        }
        known.role = effect.role;
        if (effect.role === 'master') known.masterSinceMs = this.#cell.nowMs;
        return;
      case 'send':
        if (effect.message.kind === 'pre-vote' && effect.message.nonce !== known.asked) {
          known.asked = effect.message.nonce;
          known.votes.clear();
        }
        if (effect.message.kind === 'prepare') {
          const ballot = ballotText(effect.message.ballot);
          if (ballot === known.prepared) return;
          known.prepared = ballot;
          const asks = effect.message.release === null && member.core.state === 'preparing';
          const votes = new Set([...known.votes, member.id]);
          if (asks && input.kind !== 'persisted' && !isQuorum(member.core.configuration, votes)) {
            throw new Violation(`L2 steady masters: ${member.id} prepares ${ballot} without a majority of pre-votes`);
          }
        }
        return;
      default:
        return;
    }
  }

  #serving(member: LogMember, { pending, masterSinceMs }: Observed, input: Input): void {
    const { core } = member;
    const { nowMs } = this.#cell;
    const { leaseMs } = core.configuration;
    if (!voters(core.configuration).has(member.id)) {
      throw new Violation(`I7 group: ${member.id} serves where it has no vote`);
    }
    // Each renewal rests on a write of its own disk (P28).
    const waiting = pending[0] === undefined ? 0 : nowMs - pending[0].atMs;
    if (waiting > 1.05 * leaseMs) {
      throw new Violation(`L1 faux master: ${member.id} serves, its disk has answered nothing for ${waiting} ms`);
    }
    if (input.kind === 'woken') this.#unheard(member, masterSinceMs, input);
  }

  /** L4: a voter that is not there is named. */
  #unheard(member: LogMember, masterSinceMs: number, input: Input): void {
    const { nowMs, members } = this.#cell;
    const { configuration } = member.core;
    const patienceMs = 3 * configuration.leaseMs + this.#lateMs;
    const dead: ReplicaId[] = [];
    for (const { id, alive, boots } of members) {
      const since = this.#deadSince.get(id);
      if (alive) this.#deadSince.delete(id);
      else if (since?.boots !== boots) this.#deadSince.set(id, { boots, ms: nowMs });
      else if (nowMs - since.ms > patienceMs && voters(configuration).has(id)) dead.push(id);
    }
    if (dead.length === 0 || nowMs - masterSinceMs <= patienceMs || member.core.configurations.length > 1) return;
    const named = member.core.unheard(input.at);
    const missing = dead.filter((id) => !named.includes(id));
    if (missing.length > 0) throw new Violation(`L4 named: ${missing.join()} is gone, and status does not say so`);
  }
}
