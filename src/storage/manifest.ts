/** Reading and replacing the manifest file. The rules about what it names are in `data-directory.ts`. */
import { FormatError } from '../formats/bytes.ts';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  manifestBytesMax,
  manifestFormat,
  UnknownManifestFormatError,
} from '../formats/manifest.ts';
import type { Disk } from '../ports/disk.ts';
import { ManifestCorruptError, UnsupportedFormatError } from './errors.ts';
import { inScratch, isNotFound, manifestName, readingFile, root, writeScratch } from './files.ts';

/** Null when there is none. @throws {ManifestCorruptError | UnsupportedFormatError} */
export async function readManifest(disk: Disk): Promise<Manifest | null> {
  const bytes = await readManifestBytes(disk);
  if (bytes === null) return null;
  try {
    return decodeManifest(bytes);
  } catch (error) {
    if (error instanceof UnknownManifestFormatError) {
      throw new UnsupportedFormatError({ file: manifestName, format: error.format, highest: manifestFormat });
    }
    if (error instanceof FormatError) throw new ManifestCorruptError({ problem: error.message }, { cause: error });
    throw error;
  }
}

function readManifestBytes(disk: Disk): Promise<Uint8Array | null> {
  return readingFile<Uint8Array | null>(
    disk,
    manifestName,
    async (file) => {
      const size = await file.size();
      if (size > manifestBytesMax) throw new ManifestCorruptError({ problem: `it has ${size} bytes` });
      return await file.read(0, size);
    },
    (error) => {
      if (isNotFound(error)) return null;
      if (error instanceof ManifestCorruptError) throw error;
      throw new ManifestCorruptError({ problem: 'it cannot be read' }, { cause: error });
    },
  );
}

/** The first half, after which the old manifest is still in force and an error changes nothing. */
export async function stageManifest(disk: Disk, manifest: Manifest): Promise<void> {
  await writeScratch(disk, manifestName, encodeManifest(manifest));
}

/** The second half. An error here leaves it open which manifest is in force: the process must end. */
export async function commitManifest(disk: Disk): Promise<void> {
  await disk.rename(inScratch(manifestName), manifestName);
  await disk.flushDirectory(root);
}
