/**
 * One attempt to become, or to stay, coordinator: the votes and promises that came in for one ballot and nonce.
 *
 * Source: PMS §2.2, PML §4.1. Keeps (pitfalls P03-P06, P10): only answers to this very ballot and nonce count, each
 * voter once, a promise only with all its pages; a majority is needed in every configuration that governs an instance
 * from `from` on.
 */
import { type Ballot, compareBallots } from './ballot.ts';
import type { ConfigurationFrom } from './configuration.ts';
import type { Instance, ReplicaId, WriteId } from './identity.ts';
import type { AcceptedEntry, Message, Release } from './message.ts';
import { isQuorum } from './quorum.ts';

interface Pages {
  readonly entries: Map<number, readonly AcceptedEntry[]>;
  last: number | null;
}

export class Campaign {
  readonly ballot: Ballot;
  readonly nonce: number;
  readonly from: Instance;
  readonly release: Release | null;
  readonly startedMs: number;
  lastSentMs: number;
  /** This replica's own promise is durable with this write; null while it only asks. */
  ownWrite: WriteId | null = null;
  readonly votes = new Set<ReplicaId>();
  readonly refusals = new Set<ReplicaId>();
  readonly promises = new Set<ReplicaId>();
  /** How far anybody who answered knows chosen values. */
  chosenUpTo = 0;
  readonly #pages = new Map<ReplicaId, Pages>();
  readonly #best = new Map<number, AcceptedEntry>();

  constructor(options: { ballot: Ballot; nonce: number; from: Instance; release: Release | null; nowMs: number }) {
    this.ballot = options.ballot;
    this.nonce = options.nonce;
    this.from = options.from;
    this.release = options.release;
    this.startedMs = options.nowMs;
    this.lastSentMs = options.nowMs;
  }

  /** Takes one page of `from`'s promise. */
  addPage(from: ReplicaId, message: Extract<Message, { kind: 'promise' }>): void {
    if (this.promises.has(from) || message.from !== this.from) return;
    let pages = this.#pages.get(from);
    if (pages === undefined) {
      pages = { entries: new Map(), last: null };
      this.#pages.set(from, pages);
    }
    pages.entries.set(message.page, message.entries);
    if (message.last) pages.last = message.page;
    if (pages.last === null || pages.entries.size !== pages.last + 1) return;
    for (const entries of pages.entries.values()) for (const entry of entries) this.consider(entry);
    this.#pages.delete(from);
    this.promises.add(from);
  }

  /** Of what was accepted at an instance, the value of the highest ballot must be proposed. */
  consider(entry: AcceptedEntry): void {
    const known = this.#best.get(entry.instance);
    if (known === undefined || compareBallots(entry.ballot, known.ballot) > 0) this.#best.set(entry.instance, entry);
  }

  best(instance: number): AcceptedEntry | undefined {
    return this.#best.get(instance);
  }

  get highestReported(): number {
    let highest = 0;
    for (const instance of this.#best.keys()) if (instance > highest) highest = instance;
    return highest;
  }

  hasVotes(configurations: readonly ConfigurationFrom[]): boolean {
    return configurations.every(({ configuration }) => isQuorum(configuration, this.votes));
  }

  hasPromises(configurations: readonly ConfigurationFrom[]): boolean {
    return configurations.every(({ configuration }) => isQuorum(configuration, this.promises));
  }
}
