/** `bench` against a cell, through the client that programs use. */
import type { PaxosClient } from '../../client/client.ts';
import { errorFromProblem } from '../../errors/problem.ts';
import { type CellFlags, withCell } from '../connect.ts';
import { deletePrefix } from '../delete-prefix.ts';
import { type BenchOptions, type BenchResult, runBench } from './run.ts';
import type { BenchConnection } from './worker.ts';

export { profiles, rowFor } from './load.ts';

/** With `batch`, few connections carry what all workers do. */
export function benchCell(cell: CellFlags, options: BenchOptions & { readonly batch: boolean }): Promise<BenchResult> {
  const widest = Math.max(...options.rows.map(({ load }) => load.connections));
  return withCell(
    cell,
    (client) => {
      const connection = connectionOf(client);
      return runBench(
        { connect: async () => connection, deletePrefix: (prefix) => deletePrefix(client, prefix) },
        options,
      );
    },
    { connections: options.batch ? 8 : widest, batch: options.batch },
  );
}

function connectionOf(client: PaxosClient): BenchConnection {
  return {
    put: client.put.bind(client),
    get: client.get.bind(client),
    compareAndSwap: (key, value, ifRevision) => client.put(key, value, { ifRevision }),
    putAll: async (keys, value) => {
      const valueBase64 = Buffer.from(value).toString('base64');
      const results = await client.batch(keys.map((key) => ({ op: 'put', key, valueBase64 })));
      return results.map((result) => {
        if (result.ok) return null;
        const { code, status, detail, outcome } = result.error;
        return errorFromProblem({ type: 'about:blank', title: code, status, detail, code, outcome });
      });
    },
    close: async () => {},
  };
}
