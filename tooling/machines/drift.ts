/** Says where generated files are not what their specifications say. */
import type { Generated } from './generate.ts';

/** One line for each file that differs, with its first line that does. `read` throws when there is no such file. */
export function differences(generated: readonly Generated[], read: (file: string) => string): readonly string[] {
  return generated.flatMap(({ file, text }) => {
    const line = firstDifference(text, readOrNothing(read, file));
    return line === null ? [] : [`${file}:${line}: not what its specification says; run: npm run machines`];
  });
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
