/** Forms a cell while its members are killed at random moments and started again with the same commands. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from './cell-client.ts';
import type { CellProcess } from './cell-process.ts';

/** A little more than a formation takes that nobody disturbs, on a busy machine. */
const lifeMsMax = 1_600;
const livesMax = 3;

/** @throws {Error} when members end up in different cells, or one leaves the cell that it was in. */
export async function formUnderFire(cell: CellProcess, random: Random): Promise<void> {
  const ids = new Set<string>();
  const watch = async (): Promise<void> => {
    for (const status of await cell.statuses()) if (status?.cell.id != null) ids.add(status.cell.id);
  };
  await Promise.all(
    cell.members.map(async (member) => {
      const own = random.fork(member.name + random.word());
      for (let lives = own.below(livesMax + 1); lives > 0; lives--) {
        member.start();
        // Half of the lives end in their first moments, when files are made.
        await sleep(own.between(0, own.chance(0.5) ? lifeMsMax / 3 : lifeMsMax));
        await watch();
        await member.kill();
        await sleep(own.below(200));
      }
      member.start();
    }),
  );
  await cell.master();
  await watch();
  const { instance } = await cell.agreement();
  await watch();
  if (ids.size !== 1) throw new Error(`${ids.size} cells were formed: ${[...ids].join(', ')}`);
  const client = new CellClient({ urls: cell.urls, random });
  const put = await client.perform({ method: 'PUT', path: keyPath('k'), body: 'v', repeatable: false }, 10_000);
  await client.close();
  if (put.kind !== 'answer') throw new Error(`The cell of instance ${instance} takes no write: ${put.why}`);
}
