/** What a snapshot stands for, as operators see it (contract §1 `snapshot list`). */
export interface SnapshotDetails {
  readonly instance: number;
  /** Null, here and below, where the header cannot be read. */
  readonly epoch: number | null;
  readonly generation: number | null;
  readonly entries: number | null;
  readonly bytes: number;
  /** Of the database, 32 hex digits: what loading it arrives at. */
  readonly checksum: string | null;
  /** Of the file, hex: SHA-256 over the SHA-256 of its parts (`formats/snapshot.ts`). */
  readonly digest: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** It was read back whole after it was written, and not found bad since. */
  readonly verified: boolean;
}
