/**
 * What a rehearsal replays: the oldest state that this member has, all that its log holds as chosen after it, and the points
 * that must come out again. Reads only.
 *
 * Source: design §6 "Rehearsal". The older snapshot rather than the newest: the more is replayed, the more is compared, up to
 * the digests in the newest snapshot's own header.
 */
import type { AcceptedEntry } from '../core/consensus/message.ts';
import { type Manifest, manifestOwner, type RecordedPoint } from '../formats/manifest.ts';
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { snapshotRecords, verifySnapshot } from './snapshot-reader.ts';
import { plainly, type RecoveredLog, recoverLog } from './wal/recovery.ts';

export interface RehearsalSource {
  /** Null: the state before the first instance. */
  readonly base: { readonly header: SnapshotHeader; records(): AsyncIterable<Uint8Array> } | null;
  /** Of each instance above the base that is known as chosen and held, ascending; without gaps. */
  readonly entries: readonly AcceptedEntry[];
  /** Ascending, none below the base. */
  readonly points: readonly RecordedPoint[];
}

/** A point was recorded that the log of this directory does not lead to. */
export class RehearsalGapError extends Error {
  readonly instance: number;
  readonly point: number;

  constructor(instance: number, point: number) {
    super(`instance ${instance} is not in the log, although instance ${point} was recorded as reached`);
    this.name = 'RehearsalGapError';
    this.instance = instance;
    this.point = point;
  }
}

/** @throws {RehearsalGapError}; what reading snapshots and log throws. */
export async function readRehearsal(disk: Disk, manifest: Manifest, digest: DigestPort): Promise<RehearsalSource> {
  const origin = { cellId: manifest.cell.id, generation: manifest.cell.generation };
  const snapshots: { readonly file: string; readonly header: SnapshotHeader }[] = [];
  for (const { file, verified } of manifest.snapshots) {
    if (verified) snapshots.push({ file, header: (await verifySnapshot(disk, file, origin, digest)).header });
  }
  const points = pointsOf(
    snapshots.map(({ header }) => header),
    manifest.recorded,
  );
  const target = points.at(-1)?.instance ?? 0;
  // Below a snapshot from another member the log may hold values that were accepted here and never chosen.
  const least = manifest.received?.instance ?? 0;
  const bases = [...snapshots].reverse().filter(({ header }) => header.handle.instance >= least);
  const candidates = least === 0 ? [null, ...bases] : bases;
  let gap: RehearsalGapError | null = null;
  for (const base of candidates) {
    const from = base?.header.handle.instance ?? 0;
    const log = await recoverLog(disk, manifestOwner(manifest), manifest.segments, plainly(from));
    const { entries, missing } = chosenEntries(log, from, target);
    if (missing !== null) {
      gap = new RehearsalGapError(missing, target);
      continue;
    }
    return {
      base: base === null ? null : { header: base.header, records: () => snapshotRecords(disk, base.file) },
      entries,
      points: points.filter(({ instance }) => instance >= from),
    };
  }
  throw gap ?? new RehearsalGapError(1, target);
}

function pointsOf(headers: readonly SnapshotHeader[], recorded: RecordedPoint | null): RecordedPoint[] {
  const points = headers.map(({ handle, logChain, checksum }) => ({
    instance: handle.instance as number,
    logChain: Buffer.from(logChain).toString('hex'),
    checksum,
  }));
  if (recorded !== null) points.push(recorded);
  return points.sort((a, b) => a.instance - b.instance);
}

/** A recorded point was durable after the log knew everything up to it as chosen, whatever the end of the log says now. */
function chosenEntries(
  log: RecoveredLog,
  from: number,
  target: number,
): { readonly entries: readonly AcceptedEntry[]; readonly missing: number | null } {
  const entries: AcceptedEntry[] = [];
  const upTo = Math.max(log.chosenUpTo, target);
  for (let instance = from + 1; instance <= upTo; instance++) {
    const entry = log.entries.get(instance);
    if (entry === undefined) return { entries, missing: instance <= target ? instance : null };
    entries.push(entry);
  }
  return { entries, missing: null };
}
