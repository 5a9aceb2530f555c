/** What storage finds wrong with a data directory, said to an operator, with the exit code of contract §1. */
import {
  DataCorruptError,
  DataDirectoryForeignError,
  DataDirectoryInUseError,
  DiskFullError,
  LeftoverFilesError,
  OperatorError,
  VersionRefusedError,
} from '../errors/index.ts';
import { UnknownCommandError } from '../formats/command.ts';
import { LevelRefusedError, levelsText, supportedLevels } from '../formats/levels.ts';
import { DiskError } from '../ports/disk.ts';
import { DirectoryHeldError } from '../ports/world.ts';
import {
  ManifestCorruptError,
  PromiseLostError,
  SnapshotCorruptError,
  type UnknownFile,
  UnknownFilesError,
  UnsupportedFormatError,
  WalCorruptError,
  WrongDirectoryError,
} from '../storage/errors.ts';

/** `snap-old (snapshot of instance 1,203, 4,611 behind; 1.2 MiB, 31 h old)` */
export function describeLeftover(file: UnknownFile, nowMs: number): string {
  return `${file.name} (${file.what}; ${inUnits(file.bytes)}, ${age(nowMs - file.modifiedMs)} old)`;
}

function age(ms: number): string {
  const minutes = Math.max(0, ms) / 60_000;
  if (minutes < 60) return `${Math.round(minutes)} min`;
  return minutes < 48 * 60 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 60 / 24)} days`;
}

function inUnits(count: number): string {
  if (count < 1024) return `${count} bytes`;
  return count < 1024 * 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 / 1024).toFixed(1)} MiB`;
}

/** The operator's error for what went wrong in `directory`; anything unknown is returned as it is. */
export function toOperatorError(error: unknown, directory: string, nowMs: number): unknown {
  if (error instanceof OperatorError) return error;
  if (error instanceof UnknownFilesError) {
    return new LeftoverFilesError({
      directory,
      files: error.files.map((file) => describeLeftover(file, nowMs)),
      details: error.files.map(({ name, bytes, modifiedMs, what }) => {
        return { name, bytes, modifiedAt: new Date(modifiedMs).toISOString(), what };
      }),
    });
  }
  if (error instanceof WrongDirectoryError) {
    const { expected, found } = error.facts;
    return found.member === expected.member
      ? new DataDirectoryForeignError({
          directory,
          what: 'cell',
          found: found.cellId,
          expected: expected.cellId ?? 'another',
        })
      : new DataDirectoryForeignError({ directory, what: 'member', found: found.member, expected: expected.member });
  }
  if (error instanceof WalCorruptError) {
    const { file, offset, problem } = error.facts;
    return new DataCorruptError({ directory, where: `${file} at offset ${offset}`, what: problem }, error);
  }
  if (error instanceof PromiseLostError) {
    const what = `both copies of the promise are lost (${error.facts.problems.join('; ')}), so this incarnation must not vote again`;
    return new DataCorruptError({ directory, where: 'promise-a, promise-b', what }, error);
  }
  if (error instanceof SnapshotCorruptError) {
    return new DataCorruptError({ directory, where: error.facts.file, what: error.facts.problem }, error);
  }
  if (error instanceof ManifestCorruptError) {
    return new DataCorruptError({ directory, where: 'MANIFEST', what: error.facts.problem }, error);
  }
  if (error instanceof UnsupportedFormatError) {
    const { file, format, highest } = error.facts;
    return new VersionRefusedError({
      directory,
      found: `format ${format} (${file})`,
      supported: `formats up to ${highest}`,
    });
  }
  if (error instanceof UnknownCommandError) {
    const found = `a newer level (${error.message} in its log)`;
    return new VersionRefusedError({ directory, found, supported: levelsText(supportedLevels) });
  }
  if (error instanceof LevelRefusedError) {
    return new VersionRefusedError({ directory, found: `level ${error.level}`, supported: levelsText(error.levels) });
  }
  if (error instanceof DirectoryHeldError) {
    return new DataDirectoryInUseError(error.pid === null ? { directory } : { directory, pid: error.pid }, error);
  }
  if (error instanceof DiskError) return diskError(error, directory);
  return error;
}

function diskError(error: DiskError, directory: string): OperatorError {
  if (error.reason === 'full') return new DiskFullError({ directory }, error);
  if (error.reason === 'denied') {
    const what = 'it may not be read or written';
    return new DataCorruptError({ directory, where: error.path, what, denied: true }, error);
  }
  return new OperatorError('PAXOS_DISK_FAILED', `The disk of ${directory} failed: ${error.message}.`, {
    facts: { directory, file: error.path },
    suggestions: ['paxosctl status'],
    cause: error,
  });
}
