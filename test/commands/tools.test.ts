/** The project's own commands refuse what means nothing, and begin nothing. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..', '..');

interface Ended {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

const run = (file: string, args: readonly string[]): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', file, ...args], { cwd: root }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? -1), stdout, stderr });
    });
  });

const explorer = 'test/explorer/main.ts';
const mutants = 'test/mutants/tool.ts';
const crashStates = 'test/crash-states/main.ts';
const machines = 'tooling/machines/main.ts';

describe("one of the project's tools", () => {
  test.each([
    [explorer, ['--exhaustive', '--rejoin', 'foo'], '--rejoin is new-incarnation or same-identity, not foo'],
    [explorer, ['--exhaustive', '--jobs', '2'], '--jobs goes with random schedules only'],
    [explorer, ['--scope', 'duel'], '--scope goes with --exhaustive'],
    [explorer, ['--seconds', '0'], '--seconds is a whole number from 1, not 0'],
    [mutants, ['--jobs', '0'], '--jobs is a whole number from 1, not 0'],
    [mutants, ['--seconds', 'abc'], '--seconds is a whole number from 1, not abc'],
    [mutants, ['--operators', 'rarely'], '--operators is one of never, drawn, often'],
    [mutants, ['--mode', 'fast'], '--mode is one of safety, liveness, beyond-repair'],
    [crashStates, ['--limit=-5'], '--limit is a whole number from 1, not -5'],
    [crashStates, ['--limit', '0'], '--limit is a whole number from 1, not 0'],
    [machines, ['--chek'], "Unknown option '--chek'"],
  ])('%s %j ends with 2 and its usage', async (file, args, message) => {
    const { code, stdout, stderr } = await run(file, args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('npm run');
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});
