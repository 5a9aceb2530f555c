/** The same code on a real disk, in a process that is killed for real. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { afterAll, expect, it } from 'vitest';
import { NodeDisk } from '../../src/adapters/disk-node/node-disk.ts';
import { Random } from '../../src/core/random.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { formation, open } from './support.ts';

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'paxosctl-kill-'));
afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

it('a process killed with SIGKILL while it writes comes back with everything that it said was durable', async () => {
  const random = new Random('kill');
  await ReplicaStorage.form(await NodeDisk.open(directory), formation());
  const told = { instance: 0, round: 0, boot: 0 };
  for (let round = 0; round < 4; round++) {
    const script = path.join(import.meta.dirname, 'writer-child.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const lines = readline.createInterface({ input: child.stdout });
    let left = 20 + random.below(150);
    for await (const line of lines) {
      const [instance, promised, boot] = line.split(' ').map(Number) as [number, number, number];
      Object.assign(told, { instance, round: promised, boot });
      if (--left === 0) child.kill('SIGKILL');
    }
    expect(await exited).toEqual([null, 'SIGKILL']);

    const storage = await open(await NodeDisk.open(directory), { segmentBytes: 64 * 1024 });
    const { recovered } = storage;
    const from = recovered.snapshot?.handle.instance ?? 0;
    const found = recovered.entries.map(({ instance }) => instance as number);
    expect(found).toEqual(Array.from({ length: found.length }, (_, i) => from + 1 + i));
    expect(from + found.length).toBeGreaterThanOrEqual(told.instance);
    expect(recovered.promise.ballot.round).toBeGreaterThanOrEqual(told.round);
    expect(recovered.boot.number).toBeGreaterThan(told.boot);
    expect(recovered.copied).toBe(false);
    expect(await storage.unknownFiles()).toEqual([]);
    await storage.close();
  }
  expect(fs.readdirSync(path.join(directory, 'scratch'))).toEqual([]);
});
