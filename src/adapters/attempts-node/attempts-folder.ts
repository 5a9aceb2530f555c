/** `attempts/` of a data directory on the real disk. Links are neither followed nor left out of the list. */
import fs from 'node:fs/promises';
import path from 'node:path';
import type { AttemptFolderDocument, AttemptManifestDocument } from '../../formats/upgrade-body.ts';
import type { AttemptsPort } from '../../ports/attempts.ts';

const manifestName = 'manifest.json';
/** An attempt's name is that of a folder. */
const namePattern = /^u-[0-9A-Za-z-]{1,64}$/;

export function attemptsFolder(dataDir: string): AttemptsPort {
  const root = path.join(dataDir, 'attempts');
  const folderOf = (attempt: string): string => {
    if (!namePattern.test(attempt)) throw new Error(`${attempt} is no name of an attempt`);
    return path.join(root, attempt);
  };
  return {
    list: async () => {
      const names = await fs.readdir(root).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return [];
        throw error;
      });
      const found = await Promise.all(names.sort().map((name) => describe(root, name)));
      // A folder without a file is what a new generation took its state out of: there is nothing in it that anybody could take up.
      return found.filter(({ files }) => files.length > 0);
    },
    begin: async (manifest) => {
      const folder = folderOf(manifest.attempt);
      await fs.mkdir(folder, { recursive: true, mode: 0o700 });
      const file = path.join(folder, manifestName);
      const exists = await fs.stat(file).catch(() => null);
      if (exists === null) await writeDurably(file, `${JSON.stringify(manifest, null, 2)}\n`);
      for (const directory of [folder, root, dataDir]) await flushDirectory(directory);
    },
    clear: async (name) => {
      // Whatever lies there and blocks the next attempt can be cleared, also what no attempt made; nothing beside it.
      if (['', '.', '..'].includes(name) || name !== path.basename(name)) throw new Error(`${name} is no name there`);
      await fs.rm(path.join(root, name), { recursive: true, force: true });
      if (await fs.stat(root).catch(() => null)) await flushDirectory(root);
    },
  };
}

async function describe(root: string, name: string): Promise<AttemptFolderDocument> {
  const folder = path.join(root, name);
  const isFolder = (await fs.lstat(folder)).isDirectory();
  const read = () => fs.readdir(folder, { recursive: true, withFileTypes: true }).catch(() => null);
  const found = isFolder ? await read() : null;
  // No folder that can be read: it belongs to nobody, and is listed all the same.
  const paths =
    found === null
      ? [folder]
      : found.filter((entry) => !entry.isDirectory()).map((entry) => path.join(entry.parentPath, entry.name));
  const files = await Promise.all(
    paths.sort().map(async (file) => {
      const { size, mtime } = await fs.lstat(file);
      return { name: path.relative(folder, file) || name, bytes: size, modifiedAt: mtime.toISOString() };
    }),
  );
  return { attempt: name, manifest: found === null ? null : await readManifest(folder), files };
}

async function readManifest(folder: string): Promise<AttemptManifestDocument | null> {
  try {
    const found: unknown = JSON.parse(await fs.readFile(path.join(folder, manifestName), 'utf8'));
    return isManifest(found) ? found : null;
  } catch {
    // Half written or somebody's own: its files are listed, and that is what counts.
    return null;
  }
}

function isManifest(found: unknown): found is AttemptManifestDocument {
  if (typeof found !== 'object' || found === null) return false;
  const it = found as Record<string, unknown>;
  const texts = ['attempt', 'from', 'to', 'startedBy', 'at', 'checksum'];
  const numbers = ['generation', 'instance'];
  const known = Object.keys(it).length === texts.length + numbers.length;
  return (
    known && texts.every((key) => typeof it[key] === 'string') && numbers.every((key) => Number.isSafeInteger(it[key]))
  );
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await fs.open(`${file}.next`, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fs.rename(`${file}.next`, file);
}

async function flushDirectory(directory: string): Promise<void> {
  const handle = await fs.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
