/** What a command loads before it does anything is most of its start-up; bytes and files do not depend on how busy a machine is. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const dist = path.resolve(import.meta.dirname, '../../dist');
const kilobytes = (files: Iterable<string>) => [...files].reduce((sum, file) => sum + statSync(file).size, 0) / 1024;
const commands = readdirSync(path.join(dist, 'commands'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.js'))
  .map((file) => path.join('commands', file));

/** A file of the bundle and what it imports at its top, and so on. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, name] of text.matchAll(/(?:^|;)\s*import\s*(?:[\w*{}\s,$]*?from\s*)?"(\.{1,2}\/[^"]+)"/gm)) {
    loadedWith(path.resolve(path.dirname(file), name ?? ''), loaded);
  }
  return loaded;
}

describe('before a command runs', () => {
  it('the one file that all of them need is loaded, without clients, prompts and servers', () => {
    expect(kilobytes([path.join(dist, 'main.cjs')])).toBeLessThan(520);
    const text = readFileSync(path.join(dist, 'main.cjs'), 'utf8');
    expect(text).not.toMatch(/node_modules\/(undici|inquirer|zod|pino|prom-client|cli-table3)\//);
  });

  it.each(commands)('%s loads little else', (command) => {
    const loaded = loadedWith(path.join(dist, command));
    expect(loaded.size).toBeGreaterThan(1);
    expect([...loaded].filter((file) => path.basename(file).startsWith('chunk-')).length).toBeLessThanOrEqual(8);
    expect(kilobytes(loaded)).toBeLessThan(64);
  });
});
