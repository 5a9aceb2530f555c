/** Writes what was measured into docs/PERFORMANCE.md. */
import fs from 'node:fs';
import path from 'node:path';
import { withSection } from './sections.mjs';

export const root = path.join(import.meta.dirname, '..', '..');
const file = path.join(root, 'docs', 'PERFORMANCE.md');

/** @throws {Error} before anything is measured, when the document has no room for one of `names`. */
export function expectSections(names) {
  let text = fs.readFileSync(file, 'utf8');
  for (const name of names) text = withSection(text, name, 'room');
}

export function writeSection(name, body) {
  fs.writeFileSync(file, withSection(fs.readFileSync(file, 'utf8'), name, body));
}
