/**
 * Whether this version makes of a data directory what the version before it made: snapshot and log are replayed, read-only, and
 * every point that was recorded must come out again.
 *
 * Source: design §6 "Rehearsal"; PML §7 (a migration that failed on the cell itself); pitfalls U2, U4. A start under another
 * version does it before anything is written; `node rehearse` does it beside the replica that still runs.
 */
import { type Epoch, replicaId } from '../core/consensus/identity.ts';
import { RehearsalFailedError, RehearsalImpossibleError, VersionRefusedError } from '../errors/index.ts';
import { isSupported, type LevelRange, levelsText, supportedLevels } from '../formats/levels.ts';
import { chainBefore, chained } from '../formats/log-chain.ts';
import type { Manifest, RecordedPoint } from '../formats/manifest.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { SnapshotCorruptError, WalCorruptError } from '../storage/errors.ts';
import { readingDisk } from '../storage/reading-disk.ts';
import { RehearsalGapError, readRehearsal } from '../storage/rehearsal-source.ts';
import type { LogApplication } from './application.ts';

export interface RehearsalOptions {
  readonly directory: string;
  readonly version: string;
  readonly digest: DigestPort;
  /** The state before the first instance. */
  makeApplication(manifest: Manifest): LogApplication<unknown>;
}

export interface Rehearsed {
  readonly member: string;
  /** That ran last on this data; empty when none did. */
  readonly lastVersion: string;
  /** The state that was begun with: 0 for that before the first instance. */
  readonly from: number;
  readonly instance: number;
  readonly logChain: string;
  readonly checksum: string | null;
  /** How many recorded points came out again. */
  readonly points: number;
}

/**
 * The trip-wire after an upgrade was finalized: an older version does not even look at the data.
 * @throws {VersionRefusedError} (exit 22)
 */
export function refuseLevel(
  { level, lastVersion }: Manifest,
  directory: string,
  levels: LevelRange = supportedLevels,
): void {
  if (isSupported(level, levels)) return;
  const ran = lastVersion === '' ? 'no version ran on it yet' : `version ${lastVersion} ran on it last`;
  const found = `level ${level} (${ran})`;
  throw new VersionRefusedError({ directory, found, supported: levelsText(levels) });
}

/** @throws {RehearsalFailedError | RehearsalImpossibleError} (exit 22) with the data as it was. */
export async function rehearse(disk: Disk, manifest: Manifest, options: RehearsalOptions): Promise<Rehearsed> {
  const { directory, version } = options;
  const facts = { directory, member: manifest.member.name, version, lastVersion: manifest.lastVersion };
  try {
    return await replay(disk, manifest, options);
  } catch (error) {
    if (error instanceof Difference) throw new RehearsalFailedError({ ...facts, ...error.facts }, error);
    if (error instanceof RehearsalGapError) {
      throw new RehearsalImpossibleError({ ...facts, instance: error.instance, problem: error.message }, error);
    }
    // Not for this version to say what becomes of it: the one before repairs it from the others, or says that it cannot.
    if (error instanceof SnapshotCorruptError || error instanceof WalCorruptError) {
      const { file, problem } = error.facts;
      const instance = manifest.snapshots.find((it) => it.file === file)?.instance ?? 0;
      throw new RehearsalImpossibleError({ ...facts, instance, problem: `${file}: ${problem}` }, error);
    }
    throw error;
  }
}

/** Another digest than the recorded one came out. */
class Difference extends Error {
  readonly facts: { readonly instance: number; readonly problem: string };

  constructor(instance: number, problem: string) {
    super(problem);
    this.name = 'Difference';
    this.facts = { instance, problem };
  }
}

async function replay(disk: Disk, manifest: Manifest, options: RehearsalOptions): Promise<Rehearsed> {
  const { digest } = options;
  const source = await readRehearsal(readingDisk(disk), manifest, digest);
  const application = options.makeApplication(manifest);
  const { base } = source;
  if (base !== null) await application.restore(base.records());
  const state = {
    instance: (base?.header.handle.instance ?? 0) as number,
    epoch: (base?.header.handle.epoch ?? 0) as number,
    chain: base?.header.logChain ?? chainBefore,
  };
  const from = state.instance;
  const due = [...source.points];
  const compare = (): void => {
    while (due[0]?.instance === state.instance) refuseDifference(due.shift() as RecordedPoint, state, application);
  };
  compare();
  for (const { instance, value } of source.entries) {
    state.instance = instance;
    state.chain = chained(digest, state.chain, { instance, value });
    if (value.kind === 'mastership') state.epoch += 1;
    const current = value.kind !== 'submitted' || value.epoch === state.epoch;
    application.apply({ instance, epoch: state.epoch as Epoch, value, current, logChain: state.chain });
    compare();
  }
  return {
    member: replicaId(manifest.member.name, manifest.member.incarnation),
    lastVersion: manifest.lastVersion,
    from,
    instance: state.instance,
    logChain: hex(state.chain),
    checksum: application.checksumHex?.() ?? null,
    points: source.points.length - due.length,
  };
}

function refuseDifference(
  point: RecordedPoint,
  { instance, chain }: { readonly instance: number; readonly chain: Uint8Array },
  application: LogApplication<unknown>,
): void {
  if (hex(chain) !== point.logChain) {
    throw new Difference(instance, `the log gives chain ${hex(chain)}, recorded was ${point.logChain}`);
  }
  const checksum = application.checksumHex?.();
  if (checksum !== undefined && checksum !== point.checksum) {
    throw new Difference(instance, `the database gets checksum ${checksum}, recorded was ${point.checksum}`);
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
