/**
 * How many connections clients may have, in all and from one address, with a reserve that only peers may use.
 *
 * A connection above the limits is on probation: it may be a peer's, which its first request tells. Until then it takes
 * a place of the reserve, for a short time.
 */
import type { Socket } from 'node:net';
import type { HttpLimits } from './limits.ts';

export class Connections {
  readonly #limits: HttpLimits;
  readonly #perAddress = new Map<string, number>();
  /** With the time at which it ends. */
  readonly #probation = new Map<Socket, number>();
  readonly #peers = new Set<Socket>();
  readonly #clients = new Set<Socket>();
  readonly #refused: () => void;

  constructor(limits: HttpLimits, refused: () => void) {
    this.#limits = limits;
    this.#refused = refused;
  }

  get open(): number {
    return this.#clients.size + this.#probation.size + this.#peers.size;
  }

  /** More than nine tenths of the places are taken: answers then close their connections, so that idle ones go. */
  get crowded(): boolean {
    return this.#clients.size * 10 > this.#limits.connectionsMax * 9;
  }

  accept(socket: Socket): void {
    const address = socket.remoteAddress;
    if (address === undefined) {
      socket.destroy();
      return;
    }
    const sameAddress = this.#perAddress.get(address) ?? 0;
    if (this.#clients.size < this.#limits.connectionsMax && sameAddress < this.#limits.connectionsPerAddressMax) {
      this.#clients.add(socket);
      this.#perAddress.set(address, sameAddress + 1);
    } else if (this.#probation.size < this.#limits.connectionsForPeers) {
      this.#probation.set(socket, performance.now() + this.#limits.probationMs);
    } else {
      this.#refused();
      socket.destroy();
      return;
    }
    socket.once('close', () => {
      this.#leaveClients(socket, address);
      this.#probation.delete(socket);
      this.#peers.delete(socket);
    });
  }

  /** True for a connection that may only be used by a peer. */
  onProbation(socket: Socket): boolean {
    return this.#probation.size !== 0 && this.#probation.has(socket);
  }

  /** This connection is a peer's, and counts no more among those of clients. False when there are too many peers'. */
  becomePeer(socket: Socket): boolean {
    if (this.#peers.has(socket)) return true;
    if (this.#peers.size >= this.#limits.connectionsForPeers) return false;
    this.#leaveClients(socket, socket.remoteAddress ?? '');
    this.#probation.delete(socket);
    this.#peers.add(socket);
    return true;
  }

  #leaveClients(socket: Socket, address: string): void {
    if (!this.#clients.delete(socket)) return;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(address);
    else this.#perAddress.set(address, left);
  }

  /** Cuts those whose probation is over. */
  sweep(): void {
    const now = performance.now();
    for (const [socket, end] of this.#probation) {
      if (end > now) return;
      this.#refused();
      socket.destroy();
    }
  }

  /** All of them, for a stop that cannot wait. */
  destroyAll(): void {
    for (const socket of [...this.#clients, ...this.#probation.keys(), ...this.#peers]) socket.destroy();
  }
}
