/**
 * Epoch (I21): the epoch seen at the master is the same at two times if and only if mastership was unbroken between them.
 *
 * Source: PML §5.3; pitfalls P41. Every look at a process that would serve is reported, and so is every look that finds
 * a break (no lease, a new process): after a break the same epoch must never be served again.
 */
import { Violation } from './violation.ts';

export class EpochChecker {
  /** Process that served in each epoch: name and number of its life. */
  readonly #owner = new Map<number, string>();
  /** Epoch that each process serves at present, unless its mastership has been seen broken. */
  readonly #serving = new Map<string, number>();
  #highest = 0;

  /** `process` would serve in `epoch` now. @throws {Violation} */
  serves(process: string, epoch: number): void {
    const owner = this.#owner.get(epoch);
    if (owner === undefined) {
      if (epoch < this.#highest) {
        throw new Violation('epoch', `${process} begins to serve in epoch ${epoch} after ${this.#highest} was served`);
      }
      this.#owner.set(epoch, process);
      this.#highest = epoch;
    } else if (owner !== process) {
      throw new Violation('epoch', `epoch ${epoch} is served by ${process} and was by ${owner}`);
    } else if (this.#serving.get(process) !== epoch) {
      throw new Violation('epoch', `${process} serves in epoch ${epoch} again after its mastership was broken`);
    }
    this.#serving.set(process, epoch);
  }

  /** `process` would not serve now, or is dead. */
  broken(process: string): void {
    this.#serving.delete(process);
  }
}
