/** Every mix of two versions over three replicas, each of them master in turn, while clients write (pitfall U1). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { withCell } from '../support/cell-process.ts';
import { until } from '../support/until.ts';
import { buildNewVersion, newVersion, type OtherVersion, oldVersion, UpgradeCell } from '../support/upgrade-cell.ts';

let other: OtherVersion;
beforeAll(async () => {
  other = await buildNewVersion();
});
afterAll(() => other.remove());

it('any mix serves with any master, and loses nothing', { timeout: 240_000 }, async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, other);
    const acknowledged = new Map<string, string>();
    let stopping = false;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      const client = new CellClient({ urls: cell.urls, random: new Random(`writer ${writer}`), wanders: 0 });
      for (let n = 0; !stopping; n++) {
        const key = `mix/${writer}/${n % 50}`;
        const body = `${writer} ${n}`;
        const outcome = await client.perform({ method: 'PUT', path: keyPath(key), body, repeatable: true }, 20_000);
        if (outcome.kind === 'answer' && outcome.status === 200) acknowledged.set(key, body);
      }
      await client.close();
    });
    try {
      // In Gray code, so that each mix is one restart from the one before.
      for (let i = 0; i < 8; i++) {
        const mix = i ^ (i >> 1);
        for (const [at, member] of cell.members.entries()) {
          const version = ((mix >> at) & 1) === 1 ? newVersion : oldVersion;
          if ((await member.status())?.version === version) continue;
          await member.terminate();
          member.program = upgrade.program(version);
          member.start();
          await until(`${member.name} votes`, async () => (await member.status())?.voting === true);
        }
        for (const { name } of cell.members) {
          const seen = acknowledged.size === 0 ? 0 : Number([...acknowledged.values()].at(-1)?.split(' ')[1]);
          await until(
            `${name} is master of mix ${mix}`,
            async () => {
              await upgrade.run(['master', 'transfer', '--to', name]);
              return (await cell.statuses()).some((it) => it?.name === name && it.role === 'master');
            },
            { timeoutMs: 20_000 },
          );
          await until('writes go on', () => Number([...acknowledged.values()].at(-1)?.split(' ')[1]) !== seen);
        }
      }
    } finally {
      stopping = true;
      await Promise.all(writers);
      upgrade.close();
    }
    await cell.agreement();
    const reader = new CellClient({ urls: cell.urls, random: new Random('reader'), wanders: 0 });
    for (const [key, body] of acknowledged) {
      const got = await reader.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 20_000);
      expect(got.kind === 'answer' ? got.body : got.why, key).toBe(body);
    }
    await reader.close();
  });
});
