/**
 * Moves everything that lies in a data directory into quarantine/`label`/, so that another incarnation can begin there. Nothing
 * is deleted: it is evidence, and may be all that is left of something.
 *
 * The manifest goes first: from then on nothing opens what is left half-way as a data directory.
 */
import type { Disk } from '../ports/disk.ts';
import { unknownFiles } from './data-directory.ts';
import { manifestName, root } from './files.ts';

/** Durable when it resolves; cut short, it is simply done again. Returns the names of what was moved. */
export async function setAside(disk: Disk, label: string): Promise<readonly string[]> {
  const found = (await unknownFiles(disk, null)).map(({ name }) => name);
  if (found.length === 0) return found;
  const folder = `quarantine/${label}`;
  await disk.makeDirectory('quarantine');
  await disk.flushDirectory(root);
  await disk.makeDirectory(folder);
  await disk.flushDirectory('quarantine');
  const names = [...found].sort((a, b) => Number(b === manifestName) - Number(a === manifestName));
  for (const name of names) {
    await disk.rename(name, `${folder}/${name}`);
    if (name !== manifestName) continue;
    await disk.flushDirectory(folder);
    await disk.flushDirectory(root);
  }
  await disk.flushDirectory(folder);
  await disk.flushDirectory(root);
  return names;
}
