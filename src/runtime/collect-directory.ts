/**
 * `recover collect --data-dir`: the report and the state of a member whose process is not there to be asked, from its files alone.
 *
 * Source: design §3 "Generations". The same rules as at a start: snapshot, then all that the log knows as chosen, then what was
 * accepted beyond. Nothing is changed.
 */
import path from 'node:path';
import { DataDirectoryInUseError, RefusedError, UsageError } from '../errors/index.ts';
import { chainBefore } from '../formats/log-chain.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { ReadyDocument, RecoverReport } from '../formats/recovery.ts';
import { type Disk, DiskError } from '../ports/disk.ts';
import type { OfflineWorld } from '../ports/world.ts';
import { type CollectSource, readCollectable } from '../storage/collect-source.ts';
import { SnapshotCorruptError } from '../storage/errors.ts';
import { inspect } from '../storage/formation.ts';
import { readyFile } from '../storage/generation.ts';
import { snapshotParts } from '../storage/snapshot-writer.ts';
import { toOperatorError } from './directory-errors.ts';
import { OfflineState } from './offline-state.ts';
import { readReady, readySteps } from './ready-state.ts';
import { reportOfState } from './recovery-report.ts';
import { makeOfflineDatabase } from './replica-process.ts';

export interface CollectedDirectory {
  readonly directory: string;
  readonly report: RecoverReport;
  /** A replica could be started on it. */
  readonly startable: boolean;
  /** Why not, and what else is not as it should be. */
  readonly notes: readonly string[];
  /** The state after the last applied instance, as a snapshot file; its digest comes out at the end. */
  readonly parts: Generator<Uint8Array, string>;
  /** First states of generations that its member is ready for. */
  readonly ready: readonly { readonly document: ReadyDocument; readonly parts: Generator<Uint8Array, string> }[];
}

/**
 * @throws {DataDirectoryInUseError} (exit 28) while a process has it: a running replica is asked, not read.
 * @throws {UsageError} (exit 2) for what is no data directory of a formed member; {OperatorError} for files that lead to no state.
 */
export async function collectDirectory(folder: string, world: OfflineWorld): Promise<CollectedDirectory> {
  const directory = path.resolve(folder);
  try {
    const disk = await world.openReadOnly(directory);
    if (await world.inUse(directory)) throw new DataDirectoryInUseError({ directory });
    const { manifest } = await inspect(disk);
    if (manifest === null || manifest.state !== 'formed') {
      throw new UsageError(`Folder ${directory} is not the data directory of a member.`, { facts: { directory } });
    }
    if (manifest.move !== null) {
      throw new RefusedError(`Data directory ${directory} is on its way into another generation: start its member.`, {
        facts: { directory, attempt: manifest.attempt },
      });
    }
    const source = await readCollectable(disk, manifest, world.digest);
    const { refusals, notes } = source;
    const ready = await readyIn(disk, manifest, world).catch((error: unknown) => {
      if (!(error instanceof SnapshotCorruptError)) throw error;
      notes.push(`the state that it is ready with is bad: ${error.facts.problem}`);
      return [];
    });
    const collected = await replayed(manifest, source, world);
    const report = { ...collected.report, ready: ready.map(({ document }) => document) };
    const startable = refusals.length === 0;
    return { directory, startable, notes: [...refusals, ...notes], ...collected, report, ready };
  } catch (error) {
    if (!(error instanceof DiskError)) throw toOperatorError(error, directory, world.wallMs());
    throw new UsageError(`Folder ${directory} cannot be read: ${error.message}.`, {
      facts: { directory },
      cause: error,
    });
  }
}

/** Snapshots are canonical: written anew it is the same file. */
async function readyIn(disk: Disk, manifest: Manifest, { digest }: OfflineWorld): Promise<CollectedDirectory['ready']> {
  const found: CollectedDirectory['ready'][number][] = [];
  for (const step of readySteps(manifest)) {
    const file = await readyFile(disk, step, digest);
    const application = makeOfflineDatabase(digest, manifest);
    const document = await readReady(file, manifest, application);
    const view = application.view();
    found.push({ document, parts: snapshotParts({ header: file.header, records: view.records() }, digest) });
  }
  return found;
}

async function replayed(
  manifest: Manifest,
  source: CollectSource,
  { digest }: OfflineWorld,
): Promise<{
  readonly report: Omit<RecoverReport, 'ready'>;
  readonly parts: CollectedDirectory['parts'];
}> {
  const { base, log } = source;
  const application = makeOfflineDatabase(digest, manifest);
  if (base !== null) await application.restore(base.records());
  const handle = base?.header.handle;
  const at = {
    instance: handle?.instance ?? 0,
    logChain: base?.header.logChain ?? chainBefore,
    configurations: handle?.configurations ?? manifest.configurations,
  };
  const state = new OfflineState(application, at, digest);
  while (state.instance < log.chosenUpTo) {
    const entry = log.entries.get(state.instance + 1);
    if (entry === undefined) break;
    state.apply(entry.value);
  }
  return { report: reportOf(manifest, state, source), parts: state.parts(manifest.cell) };
}

/** As the member would say it of itself. */
function reportOf(
  manifest: Manifest,
  { application, instance, logChain, configurations }: OfflineState,
  { log, entries, missingUpTo }: CollectSource,
): Omit<RecoverReport, 'ready'> {
  return reportOfState(manifest, {
    application,
    instance,
    logChain,
    configuration: configurations.latest.configuration,
    entries: entries.filter((it) => it.instance > instance),
    setAside: manifest.flags.quarantined,
    // Nobody compares what nobody runs on.
    disk: manifest.rolledBack === '' ? 'not-compared' : 'older',
    chosenUpTo: Math.max(log.chosenUpTo, instance),
    unreadable: log.bad.filter(({ upTo }) => upTo > instance).length,
    ...(missingUpTo === 0 ? {} : { missingUpTo }),
    frozen: manifest.freeze,
  });
}
