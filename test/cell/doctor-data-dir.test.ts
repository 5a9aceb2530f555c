/** `doctor --data-dir`: the same kind of report for the files of one replica, without anybody running. */
import { execFile } from 'node:child_process';
import { closeSync, cpSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { withCell } from '../support/cell-process.ts';

const program = path.resolve(import.meta.dirname, '../../bin/run.js');

interface Report {
  readonly exitCode: number;
  readonly checks: readonly {
    readonly id: string;
    readonly level: string;
    readonly findings: readonly { readonly text: string; readonly fix: string }[];
  }[];
}

const doctor = (directory: string): Promise<{ readonly code: number; readonly stdout: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, 'doctor', '--data-dir', directory, '--json'], (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });

async function wrong(directory: string): Promise<{ readonly code: number; readonly levels: Record<string, string> }> {
  const { code, stdout } = await doctor(directory);
  const { checks, exitCode } = JSON.parse(stdout) as Report;
  expect(exitCode).toBe(code);
  for (const { findings } of checks) for (const { fix } of findings) expect(fix).toMatch(/^(paxosctl|ls|df|mv) \S/);
  return {
    code,
    levels: Object.fromEntries(checks.filter(({ level }) => level !== 'ok').map((it) => [it.id, it.level])),
  };
}

it('finds damage, copies, leftovers and an empty directory in the files of a stopped replica; a running one is left alone', async () => {
  await withCell({ replicas: 1 }, async (cell) => {
    const [member] = cell.members;
    if (member === undefined) throw new Error('There is no member.');
    const { directory, name } = member;
    const running = await doctor(directory);
    expect([running.code, JSON.parse(running.stdout).error.code]).toEqual([28, 'PAXOS_DATA_DIRECTORY_IN_USE']);
    await member.terminate();

    expect(await wrong(directory)).toEqual({ code: 0, levels: { snapshots: 'not-checked' } });

    const copy = path.join(cell.folder, 'copy');
    cpSync(directory, copy, { recursive: true });
    expect(await wrong(copy)).toMatchObject({ code: 9, levels: { copied: 'fail' } });

    writeFileSync(path.join(directory, 'old-backup'), 'x');
    expect(await wrong(directory)).toMatchObject({ code: 9, levels: { leftovers: 'fail' } });

    const file = path.join(copy, 'promise-a');
    const open = openSync(file, 'r+');
    writeSync(open, Buffer.alloc(512, 0xff), 0, 512, 0);
    closeSync(open);
    expect(await wrong(copy)).toMatchObject({ code: 4, levels: { files: 'fail' } });

    const empty = path.join(cell.folder, 'empty');
    cpSync(path.join(directory, 'scratch'), empty, { recursive: true });
    expect(readdirSync(empty)).toEqual([]);
    expect(await wrong(empty)).toMatchObject({ code: 4, levels: { formed: 'fail' } });
    expect(name).toBe('n1');
  });
});
