/** Second processes of a member that runs (fault O2): what they have said, and which of the two is the old one by that. */
import { contradiction } from '../../core/consensus/boot-history.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { OperatorError } from '../../errors/index.ts';
import type { FaultAtlas } from '../faults/atlas.ts';
import type { Machine } from '../machine.ts';
import type { Observer } from '../observer.ts';
import type { Scheduler } from '../virtual-clock.ts';

export interface SecondProcessesOptions {
  readonly scheduler: Scheduler;
  readonly machines: readonly Machine[];
  readonly observer: Observer;
  readonly atlas: FaultAtlas;
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
}

export class SecondProcesses {
  readonly #options: SecondProcessesOptions;
  /** Ends of those that run. */
  readonly #ends = new Set<() => void>();
  /** Incarnations of which one was started. */
  readonly #started = new Set<ReplicaId>();
  /** Incarnations of which both have spoken. */
  readonly #spoken = new Set<ReplicaId>();

  constructor(options: SecondProcessesOptions) {
    this.#options = options;
  }

  /** Of the same name, for a while. */
  start(machine: Machine, where: 'address' | 'elsewhere', forMs: number): void {
    const { atlas, scheduler, observer, note } = this.#options;
    const { id, name } = machine;
    this.#started.add(id);
    let over = false;
    const stop = (): void => {
      if (over) return;
      over = true;
      this.#ends.delete(stop);
      end();
      note(name, 'second process ends');
      // Who let it in, cut off from the first, remembers it, and the first is the old one from then on.
      if (this.haveDisplaced(machine)) this.#spoken.add(id);
      if (machine.halted === null && !this.#spoken.has(id)) atlas.undamaged(name, 'second-process');
    };
    const end = machine.startTwin(
      where,
      (observed, request) => {
        observer.twinKnows(observed.id, request.chosenUpTo);
        const votes = request.promise !== null || request.entries.some(({ instance }) => instance > request.chosenUpTo);
        if (!votes) return;
        // It took the place of the first, which nobody heard any more: now that one is the old one.
        this.#spoken.add(id);
        observer.ofTwin(observed, request);
      },
      (error) => {
        note(name, 'second process is refused', error instanceof OperatorError ? error.code : String(error));
        scheduler.after(0, stop);
      },
    );
    this.#ends.add(stop);
    scheduler.after(forMs, stop);
  }

  /** All that run. */
  end(): void {
    for (const end of [...this.#ends]) end();
  }

  /** Somebody has let in another process of it, and holds that for the later one. */
  haveDisplaced(machine: Machine): boolean {
    if (this.#spoken.has(machine.id)) return true;
    // What the second process said last may have arrived only after its end; or a second process of another member heard it, which
    // has a memory of its own, and speaks in the name of that member.
    return this.#started.has(machine.id) && (this.#started.size > 1 || this.#isTold(machine));
  }

  #isTold(machine: Machine): boolean {
    return this.#options.machines.some((other) => other !== machine && isTold(other, machine));
  }
}

/** What it remembers of `machine` cannot be of the disk there; nobody knows what those remember that do not run. */
function isTold(other: Machine, machine: Machine): boolean {
  const [memory, history] = [other.storage?.memory, machine.storage?.history];
  if (memory === undefined || history === undefined) return !other.vacant;
  return memory.of(machine.id).some((remembered) => contradiction(remembered, history) !== null);
}
