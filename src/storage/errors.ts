/**
 * What storage can find wrong with a data directory. Plain facts; the runtime turns them into errors for operators.
 * Nothing that is reported here was changed on the disk.
 */

/** A file that the manifest does not name. */
export interface UnknownFile {
  readonly name: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  /** What it seems to be, from its first bytes; for people. */
  readonly look: 'snapshot' | 'log segment' | 'manifest' | 'promise' | 'directory' | 'empty file' | 'unknown';
  /** The same as far as its own header tells: whose, of when, how far behind. */
  readonly what: string;
}

/** The directory of another cell or another member (pitfalls O1, O5). */
export class WrongDirectoryError extends Error {
  readonly kind = 'wrong-directory';
  readonly facts: {
    readonly expected: { readonly member: string; readonly cellId: string | null };
    readonly found: { readonly member: string; readonly cellId: string };
  };

  constructor(facts: WrongDirectoryError['facts']) {
    super(
      `The data directory belongs to member ${facts.found.member} of cell ${facts.found.cellId}, ` +
        `not to member ${facts.expected.member}${facts.expected.cellId === null ? '' : ` of cell ${facts.expected.cellId}`}.`,
    );
    this.name = 'WrongDirectoryError';
    this.facts = facts;
  }
}

/** Files that nobody can vouch for: leftovers of an upgrade, a copied-in snapshot (PML §7, 30 minutes lost). */
export class UnknownFilesError extends Error {
  readonly kind = 'unknown-files';
  readonly files: readonly UnknownFile[];

  constructor(files: readonly UnknownFile[]) {
    super(`The data directory holds files that do not belong to it: ${files.map(({ name }) => name).join(', ')}.`);
    this.name = 'UnknownFilesError';
    this.files = files;
  }
}

/** A log that no crash and no damage of a disk explains. What damage does explain is repaired, item by item. */
export class WalCorruptError extends Error {
  readonly kind = 'wal-corrupt';
  readonly facts: { readonly file: string; readonly offset: number; readonly problem: string };

  constructor(facts: WalCorruptError['facts'], options?: { cause?: unknown }) {
    super(`Log segment ${facts.file} is damaged at offset ${facts.offset}: ${facts.problem}.`, options);
    this.name = 'WalCorruptError';
    this.facts = facts;
  }
}

/** No trusted promise is left, so this incarnation must not vote again (pitfalls P19). */
export class PromiseLostError extends Error {
  readonly kind = 'promise-lost';
  readonly facts: { readonly problems: readonly string[] };

  constructor(facts: PromiseLostError['facts']) {
    super(`Both copies of the promise are lost: ${facts.problems.join('; ')}.`);
    this.name = 'PromiseLostError';
    this.facts = facts;
  }
}

/** A snapshot is bad, and what came with it cannot rebuild the same state. */
export class SnapshotCorruptError extends Error {
  readonly kind = 'snapshot-corrupt';
  readonly facts: { readonly file: string; readonly problem: string; readonly instance: number | null };

  constructor(facts: SnapshotCorruptError['facts'], options?: { cause?: unknown }) {
    const at = facts.instance === null ? '' : ` of instance ${facts.instance}`;
    super(`Snapshot ${facts.file}${at} cannot be used: ${facts.problem}.`, options);
    this.name = 'SnapshotCorruptError';
    this.facts = facts;
  }
}

/** The manifest is missing, damaged, or older than the files that it names. */
export class ManifestCorruptError extends Error {
  readonly kind = 'manifest-corrupt';
  readonly facts: { readonly problem: string };

  constructor(facts: ManifestCorruptError['facts'], options?: { cause?: unknown }) {
    super(`The manifest of the data directory cannot be used: ${facts.problem}.`, options);
    this.name = 'ManifestCorruptError';
    this.facts = facts;
  }
}

/** Written by a newer program. */
export class UnsupportedFormatError extends Error {
  readonly kind = 'unsupported-format';
  readonly facts: { readonly file: string; readonly format: number; readonly highest: number };

  constructor(facts: UnsupportedFormatError['facts'], options?: { cause?: unknown }) {
    super(`${facts.file} has format ${facts.format}; this program knows formats up to ${facts.highest}.`, options);
    this.name = 'UnsupportedFormatError';
    this.facts = facts;
  }
}

/** Asked of something that has ended. Nothing was changed. */
export class StorageClosedError extends Error {
  readonly kind = 'storage-closed';

  constructor(what: string) {
    super(`${what} is closed.`);
    this.name = 'StorageClosedError';
  }
}
