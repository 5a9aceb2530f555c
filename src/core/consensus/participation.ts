/**
 * Which part this replica takes in its cell: what its configurations say, whether it has compared its disk with others', and
 * whether its database is the right one. The states and their moves stand in `participation.machine`.
 *
 * Source: design §3 (membership, incarnations), §4 (fence), §5 (quarantine). Keeps: who has not compared enough is silent; who is
 * frozen or halted stays so.
 */
import { invariant } from '../invariant.ts';
import { Comparison, type ComparisonRule } from './comparison.ts';
import { type Member, memberId } from './configuration.ts';
import { presentConfiguration, type ReplicaContext } from './context.ts';
import type { Instance, ReplicaId } from './identity.ts';
import { type ParticipationEvent, type ParticipationState, participationMove } from './participation-machine.ts';
import { Parting } from './parting.ts';
import { voters } from './quorum.ts';

export class Participation {
  readonly #context: ReplicaContext;
  readonly #comparison: Comparison;
  #state: ParticipationState = 'waiting';
  #parting: Parting | null = null;

  constructor(context: ReplicaContext, rule: ComparisonRule) {
    this.#context = context;
    this.#comparison = new Comparison({ self: context.self, rule, startedMs: context.now.monotonicMs });
  }

  get state(): ParticipationState {
    return this.#state;
  }

  /** It takes no part any more, whatever comes. */
  get isOver(): boolean {
    return this.#state === 'frozen' || this.#state === 'halted';
  }

  /**
   * It asks what is chosen when it hears nothing: nobody may be sending it anything. Whose vote counts asks for votes instead; a vote to come
   * does not count yet.
   */
  get mustInquire(): boolean {
    if (this.#state === 'removed') return false;
    return this.#state !== 'voting' || !voters(presentConfiguration(this.#context)).has(this.#context.self);
  }

  /** False when the machine has nothing to say to it. */
  move(event: ParticipationEvent, newIncarnation = false, cause: string = event): boolean {
    const transition = participationMove(this.#state, event, { newIncarnation });
    if (transition === 'ignored') return false;
    invariant(transition !== 'impossible', 'an event comes only where the machine expects it', { event });
    this.#state = transition.to;
    this.#context.silent = transition.to === 'checking';
    this.#context.outbox.push({ kind: 'transition', transition, cause });
    return true;
  }

  // --- membership -----------------------------------------------------------------------------------------------------

  /** A member that starts on its old disk. */
  restarted(): void {
    if (this.#roles().length > 0) this.move('restarted');
  }

  /** What its configurations say now. */
  update(): void {
    const roles = this.#roles();
    const event = roles.includes('voter') ? 'admitted-as-voter' : roles.length > 0 ? 'admitted-as-learner' : 'left';
    const moved = this.move(event, roles.includes('rebuilding'));
    if (moved && event === 'left') {
      this.#parting = new Parting(this.#context);
      this.#parting.begin();
    }
    this.updateQuarantine();
  }

  /** The disk of `from` knows everything up to `chosenUpTo` as chosen. */
  heardOf(from: ReplicaId, chosenUpTo: Instance): void {
    this.#parting?.heard(from, chosenUpTo);
  }

  /** `from` says that this incarnation is out. */
  turnedAway(from: ReplicaId): void {
    this.#parting?.knows(from);
  }

  /** What configurations in force or to come have it as. */
  #roles(): readonly Member['role'][] {
    const { configurations, self, appliedUpTo } = this.#context;
    return configurations
      .from(appliedUpTo + 1)
      .flatMap(({ configuration }) => configuration.members.filter((member) => memberId(member) === self))
      .map(({ role }) => role);
  }

  // --- comparing disks ------------------------------------------------------------------------------------------------

  comparedWith(member: ReplicaId): void {
    this.#comparison.with(member);
  }

  /** While `checking`: members that it still wants to compare with. */
  get waitsFor(): readonly ReplicaId[] {
    return this.#comparison.waitsFor(presentConfiguration(this.#context));
  }

  /** Who has compared with enough others is what its configurations say. */
  tick(): void {
    this.#parting?.tick();
    if (this.#state !== 'checking') return;
    const { configurations, log, now } = this.#context;
    if (!this.#comparison.isEnough(configurations.from(log.chosenUpTo + 1), now.monotonicMs)) return;
    this.move('compared');
    this.update();
  }

  /**
   * When those who have not compared are waited for no longer, or are asked again what they know; infinite when nobody is waited for by
   * the clock.
   */
  dueMs(): number {
    if (this.#parting !== null) return this.#parting.dueMs;
    if (this.#state !== 'checking') return Number.POSITIVE_INFINITY;
    const dueMs = this.#comparison.untilMs(presentConfiguration(this.#context));
    return dueMs > this.#context.now.monotonicMs ? dueMs : Number.POSITIVE_INFINITY;
  }

  // --- its database ---------------------------------------------------------------------------------------------------

  /** Whoever takes part, or is about to, while its database is not the right one, is set aside. */
  updateQuarantine(): void {
    const state = this.#state;
    if (this.#context.mayVote || (state !== 'voting' && state !== 'learner' && state !== 'rebuilding')) return;
    this.move('database-differs');
  }

  endQuarantine(): void {
    if (this.#state === 'quarantined') this.move('database-rebuilt');
  }
}
