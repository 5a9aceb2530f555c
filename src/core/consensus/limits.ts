/** Named limits of the log layer. Reaching one is a normal outcome that the caller sees. */
export interface Limits {
  /** Instances proposed and not yet chosen at one time; also bounded by the configuration's alpha. */
  readonly acceptWindowInstances: number;
  /** With at least this many in flight, a new one waits until it is worth it: what arrives meanwhile shares one instance. */
  readonly eagerWindowInstances: number;
  /** While requests come at intervals below this, what is chosen is told with the next accept, not in a message of its own. */
  readonly commitDelayMs: number;
  readonly batchItemsMax: number;
  readonly batchBytesMax: number;
  /** Submissions waiting to be proposed; more are refused as overloaded. */
  readonly pendingItemsMax: number;
  readonly pendingBytesMax: number;
  /** Bytes of values in one page of a promise or one catch-up reply. */
  readonly pageBytesMax: number;
  /** An accept so far above what is chosen here is dropped: this replica catches up first. */
  readonly acceptAheadInstancesMax: number;
  /** A message that speaks of instances this far ahead is dropped. */
  readonly instanceStepMax: number;
  /** Entries kept in memory behind a snapshot, so that a replica a little behind needs no snapshot itself. */
  readonly retainBehindSnapshotInstances: number;
  /** No more of them than have so many bytes of values. */
  readonly retainBehindSnapshotBytes: number;
  /** A prepare may not raise the round by more than this at once: nobody exhausts the ballots. */
  readonly roundStepMax: number;
  /** Between full rounds of a stable master (PML §5.2: under 1 % of instances). */
  readonly boostEveryMs: number;
}

export const defaultLimits: Limits = {
  acceptWindowInstances: 16,
  eagerWindowInstances: 2,
  commitDelayMs: 10,
  batchItemsMax: 1024,
  batchBytesMax: 1024 * 1024,
  pendingItemsMax: 16_384,
  pendingBytesMax: 32 * 1024 * 1024,
  pageBytesMax: 1024 * 1024,
  acceptAheadInstancesMax: 4096,
  instanceStepMax: 2 ** 32,
  retainBehindSnapshotInstances: 1024,
  retainBehindSnapshotBytes: 16 * 1024 * 1024,
  roundStepMax: 2 ** 32,
  boostEveryMs: 20_000,
};
