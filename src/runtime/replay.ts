/**
 * `replay`: what a data directory makes of its snapshot and its log, value by value, without changing a byte; and of two
 * directories, the first instance at which they differ.
 *
 * Source: design §5; PML §6.2 (kept logs and snapshots let them replay to the exact point). The same steps as a start takes.
 */
import path from 'node:path';
import type { Epoch } from '../core/consensus/identity.ts';
import { DataDirectoryInUseError, OperatorError, UsageError } from '../errors/index.ts';
import { chainBefore, chained } from '../formats/log-chain.ts';
import type { Manifest } from '../formats/manifest.ts';
import { DiskError } from '../ports/disk.ts';
import type { OfflineWorld } from '../ports/world.ts';
import { inspect } from '../storage/formation.ts';
import { readRehearsal } from '../storage/rehearsal-source.ts';
import type { LogApplication } from './application.ts';
import { refuseLevel } from './rehearsal.ts';

/** Where one directory comes to. */
export interface ReplayedDirectory {
  readonly directory: string;
  readonly cell: { readonly id: string; readonly generation: number };
  readonly member: { readonly name: string; readonly incarnation: number };
  /** Instance of the snapshot that it begins with; 0 for the state before the first. */
  readonly from: number;
  /** The last instance that is known as chosen here. */
  readonly instance: number;
  /** 64 and 32 hex digits, at `instance`. */
  readonly logChain: string;
  readonly checksum: string;
}

/** The JSON document of `replay`. */
export interface ReplayDocument {
  readonly ok: boolean;
  readonly directories: readonly ReplayedDirectory[];
  /** Of two directories; null when one was given, or they have no instance in common. */
  readonly compared: { readonly from: number; readonly to: number } | null;
  /** The first instance at which two directories differ; `log`: not even the same values were chosen. */
  readonly difference: {
    readonly instance: number;
    readonly what: 'log' | 'database';
    readonly logChains: readonly [string, string];
    readonly checksums: readonly [string, string];
  } | null;
}

interface Point {
  readonly instance: number;
  readonly logChain: string;
  readonly checksum: string;
}

export interface ReplayOptions {
  /** The state before the first instance. */
  makeApplication(manifest: Manifest): LogApplication<unknown> & { checksumHex(): string };
}

/**
 * @throws {DataDirectoryInUseError} (exit 28) while a process has it. @throws {VersionRefusedError} (exit 22) for data of a level that this program does not speak; {UsageError} (exit 2) for what is no data directory of a formed member, or whose log is not whole from its snapshot on.
 */
export async function replayDirectories(
  folders: readonly string[],
  world: OfflineWorld,
  options: ReplayOptions,
): Promise<ReplayDocument> {
  const [first, second] = await Promise.all(folders.map((folder) => Replay.open(path.resolve(folder), world, options)));
  if (first === undefined) throw new UsageError('Which data directory?');
  if (second === undefined) {
    while (first.next() !== null);
    return { ok: true, directories: [first.end], compared: null, difference: null };
  }
  const compared = compare(first, second);
  while (first.next() !== null);
  while (second.next() !== null);
  return { ok: compared.difference === null, directories: [first.end, second.end], ...compared };
}

function compare(a: Replay, b: Replay): Pick<ReplayDocument, 'compared' | 'difference'> {
  let from: number | null = null;
  let to = 0;
  for (;;) {
    const [here, there] = [a.point, b.point];
    if (here.instance === there.instance) {
      from ??= here.instance;
      to = here.instance;
      const log = here.logChain !== there.logChain;
      if (log || here.checksum !== there.checksum) {
        return {
          compared: { from, to },
          difference: {
            instance: to,
            what: log ? 'log' : 'database',
            logChains: [here.logChain, there.logChain],
            checksums: [here.checksum, there.checksum],
          },
        };
      }
    }
    const moved = here.instance <= there.instance ? a.next() : b.next();
    if (moved === null) return { compared: from === null ? null : { from, to }, difference: null };
  }
}

class Replay {
  readonly #directory: string;
  readonly #manifest: Manifest;
  readonly #application: LogApplication<unknown> & { checksumHex(): string };
  readonly #source: Awaited<ReturnType<typeof readRehearsal>>;
  readonly #digest: OfflineWorld['digest'];
  readonly #entries: Iterator<Awaited<ReturnType<typeof readRehearsal>>['entries'][number]>;
  #instance: number;
  #epoch: number;
  #chain: Uint8Array;

  private constructor(
    directory: string,
    manifest: Manifest,
    parts: {
      readonly application: LogApplication<unknown> & { checksumHex(): string };
      readonly source: Awaited<ReturnType<typeof readRehearsal>>;
      readonly digest: OfflineWorld['digest'];
    },
  ) {
    this.#directory = directory;
    this.#manifest = manifest;
    this.#application = parts.application;
    this.#source = parts.source;
    this.#digest = parts.digest;
    this.#entries = parts.source.entries[Symbol.iterator]();
    const header = parts.source.base?.header;
    this.#instance = header?.handle.instance ?? 0;
    this.#epoch = header?.handle.epoch ?? 0;
    this.#chain = header?.logChain ?? chainBefore;
  }

  static async open(directory: string, world: OfflineWorld, { makeApplication }: ReplayOptions): Promise<Replay> {
    try {
      const disk = await world.openReadOnly(directory);
      // Its files go while they are read; whoever runs on it is asked instead.
      if (await world.inUse(directory)) throw new DataDirectoryInUseError({ directory });
      const { manifest } = await inspect(disk);
      if (manifest === null || manifest.state !== 'formed') {
        throw new UsageError(`Folder ${directory} is not the data directory of a member.`, { facts: { directory } });
      }
      refuseLevel(manifest, directory);
      const source = await readRehearsal(disk, manifest, world.digest);
      const application = makeApplication(manifest);
      if (source.base !== null) await application.restore(source.base.records());
      return new Replay(directory, manifest, { application, source, digest: world.digest });
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      if (!(error instanceof DiskError) && !(error instanceof Error && /Error$/.test(error.name))) throw error;
      throw new UsageError(`Data directory ${directory} cannot be replayed: ${(error as Error).message}.`, {
        facts: { directory },
        suggestions: [`paxosctl verify data-dir ${directory}`],
        cause: error,
      });
    }
  }

  get point(): Point {
    return {
      instance: this.#instance,
      logChain: Buffer.from(this.#chain).toString('hex'),
      checksum: this.#application.checksumHex(),
    };
  }

  /** One value further; null at the end. */
  next(): Point | null {
    const step = this.#entries.next();
    if (step.done === true) return null;
    const { instance, value } = step.value;
    this.#instance = instance;
    this.#chain = chained(this.#digest, this.#chain, { instance, value });
    const current = value.kind !== 'submitted' || value.epoch === this.#epoch;
    if (value.kind === 'mastership') this.#epoch += 1;
    this.#application.apply({ instance, epoch: this.#epoch as Epoch, value, current, logChain: this.#chain });
    return this.point;
  }

  /** Where it stands. */
  get end(): ReplayedDirectory {
    const { cell, member } = this.#manifest;
    const { instance, logChain, checksum } = this.point;
    return {
      directory: this.#directory,
      cell: { id: cell.id, generation: cell.generation },
      member,
      from: this.#source.base?.header.handle.instance ?? 0,
      instance,
      logChain,
      checksum,
    };
  }
}
