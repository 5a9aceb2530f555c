/** Which program runs a member of a local cell: the one that an upgrade chose, or a refusal; never silently another one. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LocalCell, type LocalCellEvent } from '../../src/operator/local-cell.ts';
import { programOf, writeProgram, writePrograms } from '../../src/operator/local-programs.ts';
import { localRestart } from '../../src/operator/upgrade/local-restart.ts';
import { until } from '../support/until.ts';

const own = { version: '0.2.0', command: ['node', '/opt/0.2.0/bin/run.js'] as [string, ...string[]] };
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-programs-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = (): Record<string, string> =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'utf8')]));

describe('the program of a member', () => {
  it('is this one where no upgrade chose one, and else the chosen one', () => {
    expect(programOf(folder, 'n1', own)).toEqual(own.command);
    writePrograms(folder, { '0.1.0': ['node', '/opt/0.1.0/bin/run.js'] });
    writeProgram(folder, 'n1', '0.1.0');
    writeProgram(folder, 'n2', '0.2.0');
    expect(programOf(folder, 'n1', own)).toEqual(['node', '/opt/0.1.0/bin/run.js']);
    expect(programOf(folder, 'n2', own)).toEqual(own.command);
    expect(programOf(folder, 'n3', own)).toEqual(own.command);
  });

  it.each([
    ['that nobody lists', () => undefined, 'known are 0.2.0'],
    [
      'of a list that cannot be read',
      () => writeFileSync(path.join(folder, 'programs.json'), '{"0.1.0":'),
      'programs.json',
    ],
    [
      'of a list of something else',
      () => writeFileSync(path.join(folder, 'programs.json'), '{"0.1.0":""}'),
      'programs.json',
    ],
  ])('%s is a refusal, with everything as it was', (_, prepare, says) => {
    prepare();
    writeProgram(folder, 'n2', '0.1.0');
    const before = files();
    const started: LocalCellEvent[] = [];
    const cell = new LocalCell({
      ...{ directory: folder, shape: { replicas: 3, basePort: 7400 }, ...own },
      onEvent: (event) => started.push(event),
    });
    const refusal = { exitCode: 5, code: 'PAXOS_REFUSED', message: expect.stringContaining(says) };
    expect(() => cell.start()).toThrow(expect.objectContaining(refusal));
    expect(() => cell.start()).toThrow(expect.objectContaining({ suggestions: expect.any(Array) }));
    expect(files()).toEqual(before);
    expect(started).toEqual([]);
  });

  it('of a list that is damaged while the cell runs keeps that member down, and it comes back with the list', async () => {
    const script = path.join(folder, 'replica.mjs');
    writeFileSync(script, "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000);");
    const command: [string, ...string[]] = [process.execPath, script];
    const events: LocalCellEvent[] = [];
    writePrograms(folder, { '0.1.0': command });
    writeProgram(folder, 'n1', '0.1.0');
    const shape = { replicas: 1, basePort: 7400 };
    const cell = new LocalCell({
      ...{ directory: folder, shape, version: '0.2.0', command: [process.execPath, `${script}.none`] },
      onEvent: (event) => events.push(event),
    });
    cell.start();
    const list = readFileSync(path.join(folder, 'programs.json'), 'utf8');
    writeFileSync(path.join(folder, 'programs.json'), 'gone');
    process.kill(cell.members[0]?.pid ?? 0, 'SIGKILL');
    await until('it says why', () => events.some((it) => it.kind === 'line' && it.text.includes('programs.json')));
    expect(cell.members[0]?.pid).toBeNull();
    await expect(
      localRestart(folder, own)({ name: 'n1', url: 'http://127.0.0.1:7401' }, '0.2.0'),
    ).rejects.toMatchObject({ exitCode: 5 });
    expect(readFileSync(path.join(folder, 'programs.json'), 'utf8')).toBe('gone');
    writeFileSync(path.join(folder, 'programs.json'), list);
    await until('it runs again', () => cell.members[0]?.pid !== null);
    await cell.stop();
    expect(existsSync(path.join(folder, 'n1.pid'))).toBe(false);
  });
});
