/**
 * Every file that the manifest names, read again beside a running replica (contract §1 `verify checksums --deep`).
 *
 * Keeps: changes nothing. What a writer is at meanwhile is no damage: a last group that is not whole is none yet. A sound file that is
 * older than what this process has written, or another member's, was put there by somebody, and is as bad as a damaged one.
 */
import { manifestOwner } from '../formats/manifest.ts';
import type { DataDirectory } from './data-directory.ts';
import { WalCorruptError } from './errors.ts';
import { manifestName, promiseNames } from './files.ts';
import { inspect } from './formation.ts';
import { readPromiseCopy } from './promise-copies.ts';
import type { SnapshotStore } from './snapshot-store.ts';
import { type Damage, damageAlone, recoverLog } from './wal/recovery.ts';

/** A file that is not what was written there; what is wrong with it, for people. */
export interface BadFile {
  readonly file: string;
  readonly problem: string;
}

/** What this process has made durable before it looks: what the files must say at least. */
export interface MadeDurable {
  readonly flush: number;
  readonly promiseFlush: number;
}

export async function checkFiles(
  directory: DataDirectory,
  snapshots: SnapshotStore,
  durable: MadeDurable,
  pause?: () => Promise<void>,
): Promise<readonly BadFile[]> {
  const bad: BadFile[] = [];
  const wrong = await wrongManifest(directory).catch((error: unknown) => text(error));
  if (wrong !== null) bad.push({ file: manifestName, problem: wrong });
  for (const copy of [0, 1] as const) {
    const found = await readPromiseCopy(directory.disk, directory.owner, copy).catch((error: unknown) => text(error));
    if (typeof found === 'string') bad.push({ file: promiseNames[copy], problem: `it ${found}` });
    else if (found.flush < durable.promiseFlush) {
      const problem = `it is of flush ${found.flush}, one of flush ${durable.promiseFlush} was written there`;
      bad.push({ file: promiseNames[copy], problem });
    }
  }
  for (const entry of snapshots.list()) {
    await snapshots.verify(entry).catch((error: unknown) => bad.push(badFile(entry.file, error)));
  }
  // What was half-way written at the first look is whole at the second.
  const first = await checkLog(directory, durable, pause);
  if (first.length > 0) bad.push(...(await checkLog(directory, durable, pause)));
  return bad;
}

/** Why the manifest that lies there is not this process's; null when it is. @throws whatever reading it does. */
async function wrongManifest(directory: DataDirectory): Promise<string | null> {
  const own = directory.manifest;
  const { manifest } = await inspect(directory.disk);
  if (manifest === null) return 'it is missing';
  const [there, here] = [manifest, own].map(({ cell, member, boot }) => {
    return `boot ${boot.number} of ${member.name}#${member.incarnation} of cell ${cell.id}`;
  });
  if (there !== here) return `it is of ${there}, not of ${here}`;
  return manifest.flush < own.flush ? `it is of flush ${manifest.flush}, one of flush ${own.flush} was written` : null;
}

/** One row a segment, with the first place that is damaged in it. */
async function checkLog(
  directory: DataDirectory,
  { flush }: MadeDurable,
  pause: (() => Promise<void>) | undefined,
): Promise<readonly BadFile[]> {
  const { manifest, disk } = directory;
  try {
    const { segments } = manifest;
    const log = await recoverLog(disk, manifestOwner(manifest), segments, { ...damageAlone, flush }, { pause });
    return bySegment(log.damage);
  } catch (error) {
    if (error instanceof WalCorruptError) return bySegment([error.facts]);
    return [badFile('wal', error)];
  }
}

function bySegment(damage: readonly Damage[]): readonly BadFile[] {
  const files = [...new Set(damage.map(({ file }) => file))];
  return files.map((file) => {
    const [first, ...more] = damage.filter((place) => place.file === file);
    const { offset, problem } = first as Damage;
    const others = more.length === 0 ? '' : `, and in ${more.length} more place${more.length === 1 ? '' : 's'}`;
    return { file, problem: `damaged at offset ${offset}: ${problem}${others}` };
  });
}

const badFile = (file: string, error: unknown): BadFile => ({ file, problem: text(error) });
const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));
