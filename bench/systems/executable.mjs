import fs from 'node:fs';
import path from 'node:path';

/** Where the shell would find `name`, or null. */
export function findExecutable(name) {
  for (const directory of (process.env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(directory, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  return null;
}
