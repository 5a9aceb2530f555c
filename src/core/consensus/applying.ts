/**
 * What is chosen, carried out in order and without gaps; and snapshots, which stand for a part of it.
 *
 * Source: PML §2 (every replica executes the same values in the same order), §5.5 (snapshots). Keeps: each instance is applied once; what a value says of the epoch, the time and the membership is known before the next one.
 */
import { invariant, unreachable } from '../invariant.ts';
import { valueBytes } from './chosen-log.ts';
import { ConfigurationHistory } from './configuration-history.ts';
import type { ReplicaContext } from './context.ts';
import type { Epoch, Instance, RequestId } from './identity.ts';
import type { SnapshotHandle } from './input.ts';
import type { Value } from './value.ts';

/** Values applied in one step; more go on in the next, so that a long log does not block the loop at start. */
const appliedPerStepMax = 512;

export interface ApplyingHooks {
  /** The requests of this replica that `value` answers; null where it is another's. */
  requestsOf(instance: Instance, value: Value): readonly RequestId[] | null;
  onApplied(): void;
  /** Another configuration is chosen, or governs from the next instance on. */
  onMembership(): void;
}

export class Applying {
  readonly #context: ReplicaContext;
  readonly #hooks: ApplyingHooks;

  constructor(context: ReplicaContext, hooks: ApplyingHooks) {
    this.#context = context;
    this.#hooks = hooks;
  }

  /** A bounded number at a time; more is left for the next call. */
  apply(): void {
    const { log } = this.#context;
    let applied = 0;
    while (this.#context.appliedUpTo < log.chosenUpTo && applied < appliedPerStepMax) {
      this.#applyNext();
      applied++;
    }
    if (applied > 0) this.#hooks.onApplied();
  }

  #applyNext(): void {
    const next = (this.#context.appliedUpTo + 1) as Instance;
    const entry = this.#context.log.get(next);
    invariant(entry !== undefined, 'a chosen instance is present until it is applied', { instance: next });
    const { value } = entry;
    this.#context.appliedUpTo = next;
    const current = value.kind !== 'submitted' || value.epoch === this.#context.epoch;
    this.#learnValue(next, value);
    // What was chosen earlier governs from the next instance on: who is out knows it now.
    if (this.#context.configurations.latest.from === next + 1) this.#hooks.onMembership();
    const requests = this.#hooks.requestsOf(next, value);
    const { epoch } = this.#context;
    this.#context.outbox.push({ kind: 'apply', instance: next, value, epoch, current, requests });
  }

  #learnValue(at: Instance, value: Value): void {
    switch (value.kind) {
      case 'noop':
        return;
      case 'mastership':
        this.#context.epoch = (this.#context.epoch + 1) as Epoch;
        return;
      case 'configuration':
        this.#context.configurations.chosen(at, value.configuration);
        this.#hooks.onMembership();
        return;
      case 'submitted':
        if (value.cellTimeMs > this.#context.cellTimeMs) this.#context.cellTimeMs = value.cellTimeMs;
        return;
      default:
        return unreachable(value);
    }
  }

  /** The application has a snapshot of everything up to `instance` on disk: what nobody needs of the log before it is cut. */
  onSnapshotTaken(instance: Instance): void {
    const { log, limits, appliedUpTo, configurations, outbox } = this.#context;
    invariant(instance <= appliedUpTo, 'a snapshot holds only what was applied', { instance, appliedUpTo });
    outbox.knows(instance);
    let cut = Math.max(instance - limits.retainBehindSnapshotInstances, log.firstRetained - 1);
    let bytes = 0;
    for (let at = instance; at > cut; at--) {
      const entry = log.get(at);
      if (entry !== undefined) bytes += valueBytes(entry.value);
      if (bytes > limits.retainBehindSnapshotBytes) cut = at;
    }
    if (cut >= log.firstRetained) log.cut(cut);
    configurations.forget(Math.min(instance, log.firstRetained) as Instance);
  }

  /** The application's state is that of `handle` now. */
  install(handle: SnapshotHandle): void {
    const { log } = this.#context;
    if (handle.instance > log.chosenUpTo) log.jump(handle.instance);
    this.#context.outbox.knows(handle.instance);
    this.#context.appliedUpTo = handle.instance;
    this.#context.epoch = handle.epoch;
    this.#context.cellTimeMs = handle.cellTimeMs;
    this.#context.configurations = new ConfigurationHistory(handle.configurations);
    this.#hooks.onMembership();
  }

  /** What a snapshot of the present applied point stands for (PML §5.5, step 1). */
  handle(): SnapshotHandle {
    const { appliedUpTo, epoch, cellTimeMs, configurations } = this.#context;
    return { instance: appliedUpTo, epoch, cellTimeMs, configurations: configurations.from(appliedUpTo + 1) };
  }
}
