/** Faults that a cell of real processes survives, as `status` and `doctor` tell of them; and mastership kept away from a replica. */
import { execFile } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CellProcess, withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';

const program = path.resolve(import.meta.dirname, '../../bin/run.js');
/** A masked fault must show within so long; each shows much sooner. */
const shownWithinMs = 60_000;

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly json: () => { readonly handedTo?: string | null; readonly error?: { readonly code: string } };
}

/** The built program, with a memory of its own. */
function cli(cell: CellProcess, ...args: string[]): Promise<Ran> {
  const env = {
    ...process.env,
    PAXOSCTL_ENDPOINTS: cell.urls.join(','),
    XDG_STATE_HOME: path.join(cell.folder, 'state'),
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env }, (error, stdout) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, stdout, json: () => JSON.parse(stdout) });
    });
  });
}

/** Waits until both tell of it and end with these codes, which a busy machine that elects anew puts off, and gives what they said. */
const bothTell = (cell: CellProcess, says: string | RegExp, codes: readonly [status: number, doctor: number]) => {
  let seen = '';
  return until(
    `status and doctor say ${says} and end with ${codes}`,
    async () => {
      const [status, doctor] = await Promise.all([cli(cell, 'status'), cli(cell, 'doctor')]);
      seen = `${status.code} ${status.stdout}\n${doctor.code} ${doctor.stdout}`;
      const tell = [status, doctor].every(({ stdout, code }, at) => code === codes[at] && stdout.search(says) >= 0);
      return tell ? { status, doctor } : null;
    },
    { timeoutMs: shownWithinMs, explain: () => seen },
  );
};

describe('the misspelled replica (PML §6.3)', () => {
  it('five processes of which four know the fifth by another name: nothing looks fine, and both names are told', {
    timeout: 90_000,
  }, async () => {
    const cell = await CellProcess.prepare({ replicas: 5 });
    try {
      // All lists agree on n5; the fifth process was given another name, and a list with it.
      for (const member of cell.members.slice(0, 4)) member.start();
      const fifth = cell.member('n5');
      fifth.start({ name: 'n5x', cell: fifth.options.cell.replace('n5=', 'n5x=') });
      const { status } = await bothTell(cell, /n5x/, [3, 3]);
      expect(status.stdout).toContain('UNAVAILABLE');
      expect(status.stdout).toContain('tolerates 0 of 2 intended failures');
      expect(status.stdout).toMatch(/why: n5 is not at http:\S+: n5x of cell none answers there/);
      const checks = JSON.parse((await cli(cell, 'doctor', '--json')).stdout).checks as { id: string; level: string }[];
      expect(checks.find(({ id }) => id === 'identity')?.level).toBe('fail');

      // Spelled right, the same five form the cell, and everything is well.
      await fifth.kill();
      fifth.start();
      await cell.master();
      await until('it is healthy', async () => (await cli(cell, 'status')).code === 0, { timeoutMs: 20_000 });
    } finally {
      await cell.close();
    }
  });

  it('a member of a formed cell that is replaced by a stranger costs one spare failure, by name', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const third = cell.member('n3');
      await third.kill();
      // It may have been the master.
      await cell.master();
      const silent = await bothTell(cell, /n3 does not answer/, [9, 9]);
      expect(silent.doctor.stdout).toContain(' node start --name n3 ');
      expect(silent.status.stdout).toContain('tolerates 0 of 1 intended failures');
      // Somebody else at its address: a replica of another cell.
      const other = cell.twin(third, 'stranger');
      other.start({ 'data-dir': `${third.directory}-other`, name: 'm1', cell: `m1=${third.url}` });
      await bothTell(cell, /m1 of cell [0-9a-f]{32}/, [9, 9]);
      await other.kill();
      // A web server that is no replica.
      const server = http.createServer((_request, response) => response.end('{"hello":1}'));
      await new Promise<void>((resolve) => server.listen(third.options.port, '127.0.0.1', resolve));
      try {
        await bothTell(cell, /answers, but is no replica/, [9, 9]);
      } finally {
        await new Promise((resolve) => {
          server.close(resolve);
          server.closeAllConnections();
        });
      }
    });
  });
});

describe('node drain', () => {
  it('moves mastership away, keeps it away over restarts, refuses it as a successor, and can be ended', async () => {
    await withCell({ replicas: 3 }, async (cell) => {
      const drained = await cell.master();
      const { name } = drained;
      const others = cell.others(drained).map((other) => other.name);
      const planned = await cli(cell, 'node', 'drain', name, '--for', '10m', '--dry-run', '--json');
      expect(planned.code).toBe(10);
      expect(planned.json()).toMatchObject({ member: name, changed: true, dryRun: true });
      expect((await (await cell.master()).status())?.drains).toEqual([]);

      const done = await cli(cell, 'node', 'drain', name, '--for', '10m', '--json');
      expect(done.code, done.stdout).toBe(0);
      // Null when it had lost mastership before, on a busy machine.
      expect([...others, null]).toContain(done.json().handedTo);
      expect((await cell.master()).name).not.toBe(name);
      await bothTell(cell, /drained (for|until)/, [0, 9]);

      const refused = await cli(cell, 'master', 'transfer', '--to', name, '--json');
      expect([refused.code, refused.json().error?.code]).toEqual([5, 'PAXOS_MEMBER_DRAINED']);

      // Everybody forgets what is not durable, and somebody else is elected all the same; so again when that one is lost.
      await cell.killAll();
      const before = drained.log().length;
      cell.startAll();
      const first = await cell.master();
      expect((await first.status())?.drains?.[0]?.member).toBe(name);
      await first.kill();
      const second = await cell.master();
      expect([first.name, second.name]).not.toContain(name);
      first.start();
      await cell.agreement();
      expect(drained.log().slice(before)).not.toContain('"role":"candidate"');

      expect((await cli(cell, 'node', 'drain', name, '--end')).stdout).toContain(`${name} is drained no more`);
      const moved = await cli(cell, 'master', 'transfer', '--to', name, '--json');
      expect(moved.code, moved.stdout).toBe(0);
      expect((await cli(cell, 'node', 'drain', 'n9', '--json')).code).toBe(5);
    });
  });
});
