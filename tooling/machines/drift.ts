/** Says where generated files are not what their specifications say. */
import type { Generated } from './generate.ts';

/** One line for each file that differs, with its first line that does. `read` throws when there is no such file. */
export function differences(generated: readonly Generated[], read: (file: string) => string): readonly string[] {
  return generated.flatMap(({ file, text }) => {
    const line = firstDifference(text, readOrNothing(read, file));
    return line === null ? [] : [`${file}:${line}: not what its specification says; run: npm run machines`];
  });
}

/** One line for each of these files that no specification stands behind: the code and the page of one that was taken away. */
export function orphans(generated: readonly Generated[], files: readonly string[]): readonly string[] {
  const known = new Set(generated.map(({ file }) => file));
  return files
    .filter((file) => !known.has(file))
    .map((file) => `${file}: no specification stands behind it; give it another name, or remove it`);
}

function readOrNothing(read: (file: string) => string, file: string): string {
  try {
    return read(file);
  } catch {
    return '';
  }
}

function firstDifference(wanted: string, found: string): number | null {
  if (wanted === found) return null;
  const [a, b] = [wanted.split('\n'), found.split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  return (at === -1 ? a.length : at) + 1;
}
