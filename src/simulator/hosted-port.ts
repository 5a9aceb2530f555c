/** The network of one simulated process as the production member expects it: its port, behind the gate of the process. */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { PeerHello, PeerLink, PeerMark, PeerRefusal } from '../ports/network.ts';
import type { HostedNetwork } from '../ports/world.ts';
import { GatedNetwork } from './gated-ports.ts';
import type { SimulatedPort } from './network-port.ts';
import type { SimulatedProcess } from './process.ts';

export class HostedPort extends GatedNetwork implements HostedNetwork {
  readonly #port: SimulatedPort;

  constructor(port: SimulatedPort, process: SimulatedProcess) {
    super(port, process);
    this.#port = port;
  }

  onPeerHello(handler: (hello: PeerHello) => void): void {
    this.#port.onPeerHello(handler);
  }

  onPeerMark(handler: (from: ReplicaId, mark: PeerMark) => void): void {
    this.#port.onPeerMark(handler);
  }

  onPeerRefusal(handler: (from: ReplicaId, refusal: PeerRefusal) => void): void {
    this.#port.onPeerRefusal(handler);
  }

  /** Only those whose present process was let in: another one of the same name is not connected yet. */
  override connected(): readonly ReplicaId[] {
    return this.#port.linked();
  }

  links(): readonly PeerLink[] {
    return [];
  }

  handlePeerRequest(): boolean {
    return false;
  }

  handleUpgrade(): void {
    // Connections are the simulated network's.
  }
}
