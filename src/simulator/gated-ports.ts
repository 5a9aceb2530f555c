/**
 * Disk and network of one simulated process, behind its gate: nothing calls back while it is paused or after its death,
 * and every effect may be the one before which it dies.
 */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { Message } from '../core/consensus/message.ts';
import type { NetworkPort, SnapshotStart, SnapshotStream, SnapshotTransfer } from '../ports/network.ts';
import type { DiskOperation, SimulatedDiskOptions } from './disk.ts';
import type { DiskAilments } from './disk-ailments.ts';
import type { SimulatedProcess } from './process.ts';
import type { Scheduler } from './virtual-clock.ts';

/** For {@link SimulatedDiskOptions}: completions pass the gate; changes of the disk count as effects, and armed faults strike. */
export function gatedDisk(
  process: SimulatedProcess,
  scheduler: Scheduler,
  ailments: Pick<DiskAilments, 'blockedUntilMs' | 'strike'>,
): Pick<SimulatedDiskOptions, 'schedule' | 'fault'> {
  return {
    schedule: (delayMs, callback) => {
      const waitMs = Math.max(delayMs, ailments.blockedUntilMs - scheduler.nowMs);
      scheduler.after(waitMs, () => process.enter('io', callback), true);
    },
    fault: (operation: DiskOperation) => {
      const { kind } = operation;
      if (kind !== 'read' && kind !== 'look' && kind !== 'open') process.effect();
      return ailments.strike(operation);
    },
  };
}

export class GatedNetwork implements NetworkPort {
  readonly #port: NetworkPort;
  readonly #process: SimulatedProcess;

  constructor(port: NetworkPort, process: SimulatedProcess) {
    this.#port = port;
    this.#process = process;
  }

  send(to: ReplicaId, message: Message): void {
    if (this.#process.effect()) this.#port.send(to, message);
  }

  onMessage(handler: (from: ReplicaId, message: Message) => void): void {
    this.#port.onMessage((from, message) => this.#process.enter('io', () => handler(from, message)));
  }

  setPeers(peers: readonly { readonly id: ReplicaId; readonly url: string }[]): void {
    this.#port.setPeers(peers);
  }

  fetchSnapshot(
    from: ReplicaId,
    above: number,
    onChunk: (chunk: Uint8Array) => Promise<void>,
    transfer?: SnapshotTransfer,
  ): Promise<{ readonly bytes: number }> {
    const gated =
      transfer === undefined
        ? undefined
        : { have: transfer.have, begin: (start: SnapshotStart) => this.#gated(transfer.begin(start)) };
    return this.#gated(this.#port.fetchSnapshot(from, above, (chunk) => this.#gated(onChunk(chunk)), gated));
  }

  /** The same outcome, when the process comes round to it. */
  #gated<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => void this.#process.promise(0, () => 0).then(end);
      work.then(
        (result) => settle(() => resolve(result)),
        (error: unknown) => settle(() => reject(error)),
      );
    });
  }

  onSnapshotRequest(handler: (above: number, digest: string | null) => Promise<SnapshotStream | null>): void {
    this.#port.onSnapshotRequest((above, digest) =>
      this.#process.promise(0, () => 0).then(() => handler(above, digest)),
    );
  }

  connected(): readonly ReplicaId[] {
    return this.#port.connected();
  }

  close(): Promise<void> {
    return this.#port.close();
  }
}
