/** What a data directory holds, byte for byte, to show that a refused start changed nothing. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Digest by file, folders and their content included. */
export function directoryPrint(directory: string): Readonly<Record<string, string>> {
  const print: Record<string, string> = {};
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    print[path.relative(directory, file)] = entry.isFile()
      ? createHash('sha256').update(readFileSync(file)).digest('hex')
      : 'not a file';
  }
  return print;
}
