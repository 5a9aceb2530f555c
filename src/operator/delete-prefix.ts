/** Deletes all keys below a prefix, a few hundred at a time: not atomic, and done again it goes on where it stopped. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PaxosClient } from '../client/client.ts';
import type { WriteOptions } from '../client/options.ts';
import { errorFromProblem } from '../errors/index.ts';

const pageSize = 500;
const pauseMs = 50;

/** How many keys were deleted; no more of them once the acquisition of a lock is over that `sequencer` stands for. */
export async function deletePrefix(
  client: PaxosClient,
  prefix: string,
  options: Pick<WriteOptions, 'sequencer'> = {},
): Promise<number> {
  let deleted = 0;
  const session = await client.openSession();
  for (;;) {
    const { entries } = await client.listPage({ prefix, pageSize }, null, null);
    if (entries.length === 0) break;
    const results = await session.batch(
      entries.map(({ key }) => ({ op: 'delete' as const, key })),
      options,
    );
    let refused = false;
    for (const result of results) {
      if (result.ok) {
        deleted += result.op === 'delete' && result.deleted ? 1 : 0;
      } else if (result.error.status === 503) {
        // As if it had not been sent: the next page has it again.
        refused = true;
      } else {
        const { code, detail, status, outcome } = result.error;
        throw errorFromProblem({ type: 'about:blank', title: code, status, detail, code, outcome });
      }
    }
    if (refused) await sleep(pauseMs);
  }
  await session.close();
  return deleted;
}

/** How many keys there are below a prefix. */
export async function countPrefix(client: PaxosClient, prefix: string): Promise<number> {
  let count = 0;
  for await (const _ of client.list({ prefix, pageSize: 1000 })) count += 1;
  return count;
}
