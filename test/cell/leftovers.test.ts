/** Files that do not belong, in the data directories of real processes: incident 3 of the paper, and `verify data-dir`. */
import { copyFileSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { cli } from '../commands/run-cli.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { directoryPrint } from '../support/directory-print.ts';

const valueFor = (n: number): string => `value-${n}-`.padEnd(2_000, String.fromCharCode(97 + (n % 26)));

async function put(cell: CellProcess, from: number, to: number): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  for (let n = from; n < to; n++) {
    const request = { method: 'PUT', path: keyPath(`k${n}`), body: valueFor(n), repeatable: true } as const;
    expect(await client.perform(request, 10_000)).toMatchObject({ status: 200 });
  }
  await client.close();
}

async function expectAll(cell: CellProcess, count: number): Promise<void> {
  const client = new CellClient({ urls: cell.urls, random: new Random(1) });
  for (let n = 0; n < count; n++) {
    const outcome = await client.perform({ method: 'GET', path: keyPath(`k${n}`), repeatable: true }, 10_000);
    expect(outcome).toMatchObject({ status: 200, body: valueFor(n) });
  }
  await client.close();
}

const take = (cell: CellProcess) => cli(['snapshot', 'take', '--endpoints', cell.urls.join(','), '--json']);
const verify = async (directory: string) => {
  const { code, stdout } = await cli(['verify', 'data-dir', directory, '--json']);
  return { code, json: JSON.parse(stdout) };
};

describe('incident 3: the leftovers of a failed upgrade (PML §7, 30 minutes lost)', () => {
  it('an old snapshot and an old log that lie in the data directories start nowhere, are named, and lose nothing', async () => {
    // Thirty minutes of data were lost when a repeated upgrade met the snapshot of the one that had failed months before.
    await withCell({ replicas: 3 }, async (cell) => {
      await put(cell, 0, 20);
      expect((await take(cell)).code).toBe(0);
      const kept = new Map<string, readonly (readonly [string, Buffer])[]>();
      for (const { name, directory } of cell.members) {
        const old = readdirSync(directory).filter((file) => /^(snapshot|wal)-/.test(file));
        kept.set(
          name,
          old.map((file) => [file, readFileSync(path.join(directory, file))] as const),
        );
      }
      await put(cell, 20, 60);
      expect((await take(cell)).code).toBe(0);
      await put(cell, 60, 80);
      await Promise.all(cell.members.map((member) => member.terminate()));

      // The failed attempt's files, under the names that the program itself would choose next, months old by their dates.
      for (const { name, directory } of cell.members) {
        for (const [at, [file, bytes]] of (kept.get(name) ?? []).entries()) {
          const leftover = path.join(directory, `${file.startsWith('wal') ? 'wal' : 'snapshot'}-0000009${at}`);
          writeFileSync(leftover, bytes);
          utimesSync(leftover, new Date('2026-01-01'), new Date('2026-01-01'));
        }
      }
      for (const member of cell.members) {
        const before = directoryPrint(member.directory);
        const logged = member.log().length;
        expect(await member.startAndEnd()).toEqual({ code: 21, signal: null });
        const log = member.log().slice(logged);
        expect(log).toContain('PAXOS_LEFTOVER_FILES');
        expect(log).toMatch(
          /snapshot-0000009\d \(snapshot of instance [\d,]+, [\d,]+ behind; [\d.]+ KiB, \d+ days old\)/,
        );
        expect(log).toMatch(/wal-0000009\d \(log segment 1 of this member, begun in its boot 1;/);
        const report = await verify(member.directory);
        expect([report.code, report.json.ok]).toEqual([4, false]);
        expect(report.json.leftovers[0].ageMs).toBeGreaterThan(24 * 3_600_000);
        expect(directoryPrint(member.directory)).toEqual(before);
      }

      for (const member of cell.members) member.start({ 'quarantine-leftovers': true });
      await cell.master();
      await expectAll(cell, 80);
      await cell.agreement();
      const [first] = cell.members as [(typeof cell.members)[0]];
      const [label] = readdirSync(path.join(first.directory, 'quarantine'));
      expect(readdirSync(path.join(first.directory, 'quarantine', label as string)).length).toBe(
        kept.get(first.name)?.length,
      );
    });
  });
});

describe('verify data-dir', () => {
  it('finds nothing after a clean stop nor after kill -9, refuses a directory in use, and finds what was damaged', async () => {
    await withCell({ replicas: 1 }, async (cell) => {
      const [member] = cell.members as [(typeof cell.members)[0]];
      await put(cell, 0, 10);
      expect((await take(cell)).code).toBe(0);
      const running = await verify(member.directory);
      expect([running.code, running.json.error.code]).toEqual([28, 'PAXOS_DATA_DIRECTORY_IN_USE']);
      await member.kill();
      expect(await verify(member.directory)).toMatchObject({ code: 0, json: { ok: true, member: { name: 'n1' } } });
      member.start();
      await cell.master();
      await member.terminate();
      const before = directoryPrint(member.directory);
      expect(await verify(member.directory)).toMatchObject({ code: 0, json: { ok: true, state: 'formed' } });
      expect(JSON.stringify((await verify(member.directory)).json)).not.toContain('secret');

      const people = await cli(['verify', 'data-dir', member.directory]);
      expect(people.stdout).toMatch(/folder .* OK/);
      expect(people.stdout).toMatch(/snapshot-\d+ +ok +snapshot of instance/);
      expect(directoryPrint(member.directory)).toEqual(before);

      const file = path.join(member.directory, 'promise-a');
      const bytes = readFileSync(file);
      bytes[9] = (bytes[9] as number) ^ 1;
      writeFileSync(file, bytes);
      const damaged = await cli(['verify', 'data-dir', member.directory]);
      expect(damaged.code).toBe(4);
      expect(damaged.stdout).toMatch(/promise-a +BAD/);
      copyFileSync(file, path.join(member.directory, 'promise-c'));
      expect((await verify(member.directory)).json.leftovers).toMatchObject([{ name: 'promise-c' }]);
      expect((await verify(path.join(member.directory, 'absent'))).code).toBe(2);
    });
  });
});
