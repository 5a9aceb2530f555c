/** Writes the media types of the package `mime-db` as NDJSON for `kv import`: a real data set for the quick start. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const file = createRequire(import.meta.url).resolve('mime-db/db.json');
const types = JSON.parse(readFileSync(file, 'utf8'));
// In the order of `kv export`, which is that of the keys' bytes; these keys are ASCII, where code units have the same order.
for (const type of Object.keys(types).sort()) {
  process.stdout.write(`${JSON.stringify({ key: type, value: JSON.stringify(types[type]) })}\n`);
}
