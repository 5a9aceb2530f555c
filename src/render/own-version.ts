/** The version that this program runs as: that of the `package.json` beside its `bin`, read when it is asked for. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';

export async function ownVersion(root: string): Promise<string> {
  const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
  return version;
}
