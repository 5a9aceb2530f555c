/**
 * Everything that can be found out about a data directory while nobody runs on it, reading alone.
 *
 * Source: contract §1 (`verify data-dir`); design §4. The rules are those of a start, applied to every file instead of only as far
 * as a start needs: what one would refuse, repair or get by without is all said, and nothing is changed.
 */
import { type BadItem, endless } from '../core/consensus/bad-item.ts';
import { isSupported } from '../formats/levels.ts';
import { type Manifest, manifestOwner, type SnapshotEntry } from '../formats/manifest.ts';
import type { StoredPromise } from '../formats/promise.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { isCopied, unknownFiles } from './data-directory.ts';
import {
  ManifestCorruptError,
  PromiseLostError,
  SnapshotCorruptError,
  type UnknownFile,
  UnsupportedFormatError,
  WalCorruptError,
} from './errors.ts';
import { isNotFound, looksOurs, manifestName, promiseNames, readingFile, root, scratch, segmentName } from './files.ts';
import { describeUnknown } from './leftovers.ts';
import { readManifest } from './manifest.ts';
import { checkAgreement, expectedFlush } from './opening.ts';
import { readPromiseCopy } from './promise-copies.ts';
import { checkSnapshotFile } from './snapshot-check.ts';
import { verifiedPrefix } from './snapshot-reader.ts';
import { type RecoveredLog, recoverLog } from './wal/recovery.ts';

/** `bad`: damage, or a file that does not belong. `note`: worth knowing, and no reason not to start. */
export type CheckVerdict = 'ok' | 'note' | 'bad';

/** `members`: the others have what is missing here. `newest-directory`: this is an older copy, and the newest may still be there. */
export type CheckRemedy = 'members' | 'newest-directory';

export interface CheckLine {
  /** A file, or what several files say together. */
  readonly what: string;
  readonly verdict: CheckVerdict;
  readonly detail: string;
  /** Of what is bad, where known: where what is missing can come from. */
  readonly remedy?: CheckRemedy;
}

export interface DirectoryReport {
  /** `foreign`: files, and no data directory. */
  readonly state: 'empty' | 'foreign' | 'forming' | 'formed' | 'unreadable';
  readonly manifest: Manifest | null;
  readonly ok: boolean;
  readonly checks: readonly CheckLine[];
  readonly unknown: readonly UnknownFile[];
  /** Everything up to here is chosen, as far as these files tell; null where they do not. */
  readonly chosenUpTo: number | null;
  /** Instance of the newest good snapshot; 0 without one. */
  readonly snapshotInstance: number;
}

/** @throws {DiskError} when the folder itself cannot be read. */
export async function checkDirectory(disk: Disk, digest: DigestPort): Promise<DirectoryReport> {
  return new DirectoryCheck(disk, digest).run();
}

class DirectoryCheck {
  readonly #disk: Disk;
  readonly #digest: DigestPort;
  readonly #lines: CheckLine[] = [];

  constructor(disk: Disk, digest: DigestPort) {
    this.#disk = disk;
    this.#digest = digest;
  }

  #say(what: string, verdict: CheckVerdict, detail: string, remedy?: CheckRemedy): void {
    this.#lines.push({ what, verdict, detail, ...(remedy === undefined ? {} : { remedy }) });
  }

  async run(): Promise<DirectoryReport> {
    const manifest = await this.#manifest();
    if (manifest === null || manifest === 'bad') return this.#withoutManifest(manifest === 'bad');
    const { state } = manifest;
    const report = { manifest, state, chosenUpTo: null, snapshotInstance: 0 } as const;
    if (state === 'forming') {
      this.#say('state', 'note', 'the cell was being formed: nothing was promised or written yet');
      return this.#report({ ...report, unknown: await this.#leftovers(manifest) });
    }
    await this.#identity(manifest);
    const promise = await this.#promises(manifest);
    const good = await this.#snapshots(manifest);
    const snapshotInstance = Math.max(0, ...good);
    await this.#receiving(manifest);
    const log = await this.#log(manifest, promise, snapshotInstance);
    if (log !== null) this.#together(manifest, promise, log, good);
    this.#flags(manifest, Math.max(0, ...good));
    const unknown = await this.#leftovers(manifest);
    await this.#folders();
    const chosenUpTo = log === null ? null : Math.max(log.chosenUpTo, snapshotInstance);
    return this.#report({ ...report, chosenUpTo, snapshotInstance, unknown });
  }

  #report(report: Omit<DirectoryReport, 'ok' | 'checks'>): DirectoryReport {
    return { ...report, checks: this.#lines, ok: this.#lines.every(({ verdict }) => verdict !== 'bad') };
  }

  async #manifest(): Promise<Manifest | null | 'bad'> {
    try {
      const manifest = await readManifest(this.#disk);
      if (manifest === null) return null;
      const { member, cell, boot, flush } = manifest;
      const detail = `member ${member.name}#${member.incarnation} of cell ${cell.id}, generation ${cell.generation}; boot ${boot.number}, flush ${flush}`;
      this.#say(manifestName, 'ok', detail);
      return manifest;
    } catch (error) {
      if (!(error instanceof ManifestCorruptError || error instanceof UnsupportedFormatError)) throw error;
      this.#say(manifestName, 'bad', error.message);
      return 'bad';
    }
  }

  /** Without a manifest nothing says which files belong: they are listed, and none is judged. */
  async #withoutManifest(isBad: boolean): Promise<DirectoryReport> {
    const files = await unknownFiles(this.#disk, null);
    const ours = files.some(({ name }) => looksOurs(name));
    if (!isBad && ours) this.#say(manifestName, 'bad', 'it is missing, and files of a data directory are here');
    if (!isBad && !ours && files.length > 0) this.#say('files', 'bad', 'none of them belongs to a data directory');
    const state = isBad || ours ? 'unreadable' : files.length > 0 ? 'foreign' : 'empty';
    const unknown = await describeUnknown(
      this.#disk,
      null,
      files.filter(({ name }) => name !== manifestName),
    );
    return this.#report({ state, manifest: null, unknown, chosenUpTo: null, snapshotInstance: 0 });
  }

  async #identity(manifest: Manifest): Promise<void> {
    if (await isCopied(this.#disk, manifest)) {
      this.#say('IDENTITY', 'note', 'these files were copied or restored since the directory was formed');
    } else this.#say('IDENTITY', 'ok', 'the directory is where it was formed');
  }

  async #promises(manifest: Manifest): Promise<StoredPromise | null> {
    const found: StoredPromise[] = [];
    for (const copy of [0, 1] as const) {
      const promise = await readPromiseCopy(this.#disk, manifestOwner(manifest), copy);
      if (typeof promise === 'string') this.#say(promiseNames[copy], 'bad', `the copy ${promise}`);
      else {
        const { ballot, flush } = promise;
        this.#say(promiseNames[copy], 'ok', `round ${ballot.round} of ${ballot.name || 'nobody'}, flush ${flush}`);
        found.push(promise);
      }
    }
    if (found.length === 0) this.#say('promise', 'bad', 'both copies are lost: this incarnation must not vote again');
    return found.sort((a, b) => b.flush - a.flush)[0] ?? null;
  }

  /** Instances of the good ones. */
  async #snapshots(manifest: Manifest): Promise<number[]> {
    const good: number[] = [];
    for (const entry of manifest.snapshots) if (await this.#snapshot(manifest, entry)) good.push(entry.instance);
    if (manifest.snapshots.length === 0) this.#say('snapshots', 'note', 'none was taken yet');
    return good;
  }

  async #snapshot({ cell }: Manifest, entry: SnapshotEntry): Promise<boolean> {
    const origin = { cellId: cell.id, generation: cell.generation };
    try {
      const found = await checkSnapshotFile(this.#disk, entry.file, { digest: this.#digest, origin });
      const { instance } = found.header.handle;
      if (found.sha256 !== entry.sha256 || found.bytes !== entry.bytes || instance !== entry.instance) {
        const detail = `it holds instance ${instance}; the manifest means another file, of instance ${entry.instance}`;
        this.#say(entry.file, 'bad', detail);
        return false;
      }
      const what = found.isDatabase
        ? `${found.header.entries} entries, their checksum agrees`
        : 'records not looked into';
      this.#say(entry.file, 'ok', `snapshot of instance ${instance}, ${found.bytes} bytes, ${what}`);
      if (!entry.verified) this.#say(entry.file, 'note', 'it was found to be bad before, and reads well now');
      return true;
    } catch (error) {
      if (!(error instanceof SnapshotCorruptError)) throw error;
      this.#say(entry.file, 'bad', error.facts.problem);
      return false;
    }
  }

  /** Nothing stands on it, so nothing about it is bad. */
  async #receiving({ receiving }: Manifest): Promise<void> {
    if (receiving === null) return;
    const { file, instance } = receiving;
    const whole = await readingFile(this.#disk, file, verifiedPrefix, (error) => {
      if (!isNotFound(error)) throw error;
      return 0;
    });
    this.#say(file, 'note', `a snapshot of instance ${instance} on its way here: ${whole} bytes of it are whole`);
  }

  async #log(manifest: Manifest, promise: StoredPromise | null, above: number): Promise<RecoveredLog | null> {
    try {
      const log = await recoverLog(this.#disk, manifestOwner(manifest), manifest.segments, {
        above,
        restateAbove: above,
        flush: expectedFlush(manifest, promise),
      });
      const damaged = new Set(log.damage.map(({ file }) => file));
      for (const segment of manifest.segments) {
        if (damaged.has(segmentName(segment))) continue;
        const live = log.live.find((it) => it.segment === segment);
        const holds =
          live === undefined
            ? 'superseded'
            : live.highest === 0
              ? 'no entry'
              : `entries up to instance ${live.highest}`;
        this.#say(segmentName(segment), 'ok', holds);
      }
      for (const { file, offset, problem } of log.damage) {
        this.#say(file, 'bad', `damaged at offset ${offset}: ${problem}`);
      }
      if (log.bad.length > 0) {
        this.#say('log', 'bad', `${badText(log.bad)}: to be repaired from the other members`, 'members');
      }
      if (log.torn !== null) {
        const { file, offset } = log.torn;
        this.#say(
          file,
          'note',
          `its last group, at offset ${offset}, was never flushed whole and is dropped at a start`,
        );
      }
      return log;
    } catch (error) {
      if (!(error instanceof WalCorruptError)) throw error;
      const { file, offset, problem } = error.facts;
      this.#say(file, 'bad', `damaged at offset ${offset}: ${problem}`);
      return null;
    }
  }

  /** What the files say about each other: one that is older than the rest was put back alone. */
  #together(manifest: Manifest, promise: StoredPromise | null, log: RecoveredLog, good: readonly number[]): void {
    if (promise !== null) {
      try {
        checkAgreement(manifest, promise, log);
        this.#say('order', 'ok', `manifest, promise and log agree; the log ends at flush ${log.flush}`);
      } catch (error) {
        const known =
          error instanceof PromiseLostError ||
          error instanceof ManifestCorruptError ||
          error instanceof WalCorruptError;
        if (!known) throw error;
        this.#say('order', 'bad', error.message);
      }
    }
    const from = Math.max(0, ...good);
    for (let instance = from + 1; instance <= log.chosenUpTo; instance++) {
      if (log.entries.has(instance)) continue;
      const what = `instance ${instance} is chosen, and neither a snapshot nor the log has it`;
      this.#say(
        'log',
        'bad',
        `${what}: the state has to come from the other members, or from a good copy of a snapshot file`,
        'members',
      );
      return;
    }
    this.#say('log', 'ok', `complete from instance ${from + 1} to ${Math.max(from, log.chosenUpTo)}`);
  }

  #flags({ flags, level, received, rolledBack }: Manifest, newest: number): void {
    if (!isSupported(level)) {
      this.#say('state', 'note', `of level ${level}: this version will not start on it (exit 22)`);
    }
    if (rolledBack !== '') {
      const evidence = rolledBack.replace(/\.$/, '');
      const detail = `older than what it acknowledged: ${evidence}; it will not start (exit 20)`;
      this.#say('state', 'bad', detail, 'newest-directory');
    }
    if (flags.frozen) this.#say('state', 'note', 'frozen: it neither votes nor serves until an operator decides');
    if (flags.quarantined) this.#say('state', 'note', 'quarantined: its database differed from the others’');
    if (flags.removed) this.#say('state', 'note', 'removed from the cell: it will not start (exit 23)');
    if (received !== null && newest < received.instance) {
      const detail = `up to instance ${received.instance} only ${received.file}, which came from another member, can be started from`;
      this.#say('snapshots', 'bad', detail);
    }
  }

  async #leftovers(manifest: Manifest): Promise<readonly UnknownFile[]> {
    const unknown = await describeUnknown(this.#disk, manifest, await unknownFiles(this.#disk, manifest));
    for (const { name, what } of unknown) this.#say(name, 'bad', `it does not belong: ${what}`);
    return unknown;
  }

  /** What an attempt leaves that went through is its empty folder. */
  async #attempts(): Promise<number> {
    let left = 0;
    for (const { name, kind } of await this.#disk.list('attempts')) {
      if (kind !== 'directory' || (await this.#disk.list(`attempts/${name}`)).length > 0) left++;
    }
    return left;
  }

  /** Folders whose content is nobody's data. */
  async #folders(): Promise<void> {
    for (const { name, kind } of await this.#disk.list(root)) {
      if (kind !== 'directory') continue;
      const inside = name === 'attempts' ? await this.#attempts() : (await this.#disk.list(name)).length;
      if (inside === 0) continue;
      if (name === scratch)
        this.#say(name, 'note', `${inside} unfinished files, never read and removed at the next start`);
      else if (name === 'quarantine' || name === 'attempts') this.#say(name, 'note', `${inside} set aside, never read`);
    }
  }
}

/** `instances 3, 7 to 9, 12 and on` */
function badText(bad: readonly BadItem[]): string {
  const shown = bad.slice(0, 10).map(({ instance, upTo }) => {
    if (upTo === endless) return `${instance} and on`;
    return upTo === instance ? `${instance}` : `${instance} to ${upTo}`;
  });
  const more = bad.length > shown.length ? ` and ${bad.length - shown.length} more` : '';
  return `what was accepted at instances ${shown.join(', ')}${more} cannot be read`;
}
