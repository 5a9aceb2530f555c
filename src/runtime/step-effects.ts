/**
 * Carries out the effects of one step, in their order: what goes to disks and peers first, so that these work while what
 * was chosen is applied and answers are made.
 *
 * Source: PML §3 (callback on every replica), §4.2. Keeps: after the stop no effect of a step is carried out any more that
 * changes this replica or answers anybody; a replica that is silent sends nothing.
 */
import type { BadItem } from '../core/consensus/bad-item.ts';
import type { Effect } from '../core/consensus/effect.ts';
import { unreachable } from '../core/invariant.ts';
import type { AppliedLog } from './applied-log.ts';
import type { DatabaseSums } from './database-sums.ts';
import { type Freezing, forkEvidence } from './freezing.ts';
import type { LogAnswers } from './log-answers.ts';
import type { LogPeers } from './log-peers.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { LogSnapshots } from './log-snapshots.ts';
import type { Outbox } from './outbox.ts';
import type { SetAsideDatabase } from './set-aside-database.ts';
import type { StepLoop } from './step-loop.ts';

export interface StepEffectsParts<Result> {
  readonly loop: StepLoop;
  readonly outbox: Outbox;
  readonly applied: AppliedLog<Result>;
  readonly answers: LogAnswers<Result>;
  readonly peers: LogPeers;
  readonly snapshots: LogSnapshots;
  readonly sums: DatabaseSums;
  readonly database: SetAsideDatabase;
  readonly freezing: Freezing;
  stop(): void;
  /** Of the applied point, when it is due. */
  record(): Promise<void>;
}

export class StepEffects<Result> {
  readonly #options: LogReplicaOptions<Result>;
  readonly #parts: StepEffectsParts<Result>;

  constructor(options: LogReplicaOptions<Result>, parts: StepEffectsParts<Result>) {
    this.#options = options;
    this.#parts = parts;
  }

  carryOut(effects: readonly Effect[]): void {
    const { applied, loop } = this.#parts;
    for (const effect of effects) this.#carryOutOutward(effect);
    const before = applied.upTo;
    for (const effect of effects) {
      if (loop.stopped) return;
      this.#carryOutInward(effect);
    }
    // Not in between: the core's handle and its mastership are those of the whole step.
    if (applied.upTo !== before) this.#afterApplying();
  }

  #carryOutOutward(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        if (!this.#parts.freezing.silent) this.#parts.outbox.send(effect);
        return;
      case 'persist':
        return this.#options.storage.persist(effect.request);
      case 'wake':
        return this.#parts.loop.wakeAt(effect.at);
      default:
        return;
    }
  }

  #carryOutInward(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
      case 'persist':
      case 'wake':
        return;
      case 'apply':
        return this.#apply(effect);
      case 'settle':
        return this.#parts.answers.settle(effect.requests, effect.reason);
      case 'mastership':
        this.#options.logger.info({ role: effect.role, cause: effect.cause }, 'mastership');
        return this.#options.onMastership?.({ role: effect.role, cause: effect.cause });
      case 'transition':
        return this.#onTransition(effect);
      case 'parted':
        return this.#options.onParted?.();
      case 'bad-settled':
        return this.#options.storage.settleBad(effect.above);
      case 'halted':
        return this.#onHalted(effect.item);
      case 'fetch-snapshot':
        return void this.#parts.snapshots.fetch(effect.provider, effect.above);
      case 'compared':
        return this.#options.onCompared?.(effect.comparison);
      case 'set-aside':
        return void this.#parts.database.setAside(effect.evidence);
      case 'taken-back':
        return void this.#parts.database.takenBack(effect.instance);
      case 'check-wanted':
        return this.#options.onCheckWanted?.();
      case 'fork-seen':
        return this.#onForkSeen(effect);
      default:
        return unreachable(effect);
    }
  }

  #apply(effect: Extract<Effect, { kind: 'apply' }>): void {
    const { instance, epoch, value, requests } = effect;
    const { answers, applied, peers, sums } = this.#parts;
    const results = applied.apply(effect);
    peers.applied(instance, value);
    requests?.forEach((request, i) => {
      if (value.kind === 'configuration') answers.changed(request, 'changed');
      else answers.applied(request, results[i], { instance, epoch });
    });
    if (value.kind === 'mastership' && instance > this.#options.recovered.chosenUpTo) {
      this.#options.onEpoch?.(epoch, value.owner);
    }
    if (value.kind === 'submitted') this.#options.onDelivered?.(value.items.length);
    sums.applied(instance);
  }

  #afterApplying(): void {
    const { applied, record, snapshots } = this.#parts;
    applied.wakeWaiters(applied.upTo);
    snapshots.applied(applied.upTo);
    if (!applied.isRecordDue) return;
    record().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'the point that was reached could not be recorded');
    });
  }

  #onTransition({ transition, cause }: Extract<Effect, { kind: 'transition' }>): void {
    const { machine, from, event, to, section } = transition;
    if (machine === 'participation' && to === 'removed') this.#options.onLeft?.();
    this.#options.logger.debug({ machine, from, event, to, section, cause }, 'transition');
  }

  /** Whoever waits for an answer here gets none from the log any more. */
  #onHalted(item: BadItem): void {
    const { instance, identity } = item;
    this.#options.logger.error({ instance, identity }, 'an item of the log is lost: halted');
    this.#parts.stop();
    this.#options.onHalted?.(item);
  }

  #onForkSeen(fork: Extract<Effect, { kind: 'fork-seen' }>): void {
    const { freezing, loop } = this.#parts;
    const { generation = 1, self } = this.#options;
    void freezing.freeze(forkEvidence(fork, { generation, seenBy: self, seenAtMs: loop.now().wallMs }));
  }
}
