/** What can go wrong on the simulated network, how likely, and what of it happened. Pitfalls §2, N1-N13. */
import type { Random } from '../core/random.ts';

/** Probabilities are per message, from 0 to 1; all times in simulated milliseconds. */
export interface NetworkFaults {
  /** N1. */
  readonly loss: number;
  /** N2: a second copy about as late as the first. */
  readonly duplication: number;
  /** N2: a second copy up to `replayMsMax` later, when either end may be in another life or another configuration. */
  readonly replay: number;
  readonly replayMsMax: number;
  /** N3: share of the messages that may overtake others of their link; the rest arrive in the order sent. */
  readonly reorder: number;
  /** N4: at least `delayMsMin`, and exponential with `delayMsMean` on top. */
  readonly delayMsMin: number;
  readonly delayMsMean: number;
  /** N4: share of messages that take anything up to `tailMsMax`. */
  readonly tail: number;
  readonly tailMsMax: number;
  /** N11: changed, cut or lengthened on the way: the tag of the frame refuses it. Needs the codec to do more than drop. */
  readonly corruption: number;
  /** N12: delivered a second time as if a replica had sent it that is no member, or not any more. */
  readonly stranger: number;
  /** N13: so many messages wait in a link that is clogged; more are dropped. */
  readonly queueMessagesMax: number;
  /** N13: a chunk of a snapshot keeps its link for so long. */
  readonly chunkMs: number;
  /** Per chunk of a snapshot: the connection is lost. */
  readonly snapshotLoss: number;
}

/** A good network in one room. */
export const calmNetwork: NetworkFaults = {
  loss: 0,
  duplication: 0,
  replay: 0,
  replayMsMax: 300_000,
  reorder: 0,
  delayMsMin: 0.1,
  delayMsMean: 0.2,
  tail: 0,
  tailMsMax: 60_000,
  corruption: 0,
  stranger: 0,
  queueMessagesMax: 10_000,
  chunkMs: 0,
  snapshotLoss: 0,
};

/** What is counted when it happens to a message or a snapshot stream. */
export const networkFaultKinds = [
  'loss',
  'duplicate',
  'replay',
  'overtaken',
  'tail-delay',
  'cut',
  'partition',
  'intermittent',
  'clog',
  'queue-full',
  'behind-chunk',
  'half-open',
  'reply-lost',
  'stranger',
  'corrupt',
  'receiver-down',
  'older-life',
  'not-admitted',
  'snapshot-lost',
  'snapshot-stalled',
] as const;
export type NetworkFaultKind = (typeof networkFaultKinds)[number];
export type NetworkFaultCounts = Record<NetworkFaultKind, number>;

export const noFaultsCounted = (): NetworkFaultCounts =>
  Object.fromEntries(networkFaultKinds.map((kind) => [kind, 0])) as NetworkFaultCounts;

/**
 * An exponential deviate of mean 1 by comparisons alone (von Neumann 1951): a logarithm may differ in its last bit from
 * one engine to the next, and with it the whole run.
 */
export function exponential(random: Random): number {
  for (let whole = 0; ; whole++) {
    const first = random.next();
    let lowest = first;
    let runLength = 1;
    for (let next = random.next(); next < lowest; next = random.next()) {
      lowest = next;
      runLength++;
    }
    if (runLength % 2 === 1) return whole + first;
  }
}

/** `overtaken`: so late that the rest of the link does not wait for it, as behind a connection that broke. */
export function drawDelay(
  random: Random,
  faults: NetworkFaults,
  counts: NetworkFaultCounts,
): { readonly delayMs: number; readonly overtaken: boolean } {
  const usual = faults.delayMsMin + faults.delayMsMean * exponential(random);
  if (!random.chance(faults.tail)) return { delayMs: usual, overtaken: false };
  counts['tail-delay']++;
  return { delayMs: random.betweenLogarithmic(1, Math.max(faults.tailMsMax, 1)), overtaken: true };
}
