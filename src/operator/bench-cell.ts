/** `bench` against a cell, through the client that programs use. */
import { type BenchOperation, type BenchOptions, type BenchResult, type PlannedRow, runBench } from './bench.ts';
import { type CellFlags, withCell } from './connect.ts';
import { deletePrefix } from './delete-prefix.ts';

export { paperProfile } from './bench.ts';

/** Keys that a worker goes through when it does not repeat the paper's tests. */
const keysEach = 16;

/** One row of what the flags ask for. */
export const rowFor = (operation: BenchOperation, connections: number, valueBytes: number): PlannedRow => ({
  title: `${operation}, ${connections} connection${connections === 1 ? '' : 's'}, ${valueBytes} bytes`,
  load: { operation, connections, valueBytes, keysEach },
  paper: null,
});

/** With `batch`, few connections carry what all workers do. */
export function benchCell(cell: CellFlags, options: BenchOptions & { readonly batch: boolean }): Promise<BenchResult> {
  const widest = Math.max(...options.rows.map(({ load }) => load.connections));
  return withCell(
    cell,
    (client) => {
      const connection = {
        put: client.put.bind(client),
        get: client.get.bind(client),
        compareAndSwap: (key: string, value: Uint8Array, ifRevision: number) => client.put(key, value, { ifRevision }),
        close: async () => {},
      };
      return runBench(
        { connect: async () => connection, deletePrefix: (prefix) => deletePrefix(client, prefix) },
        options,
      );
    },
    { connections: options.batch ? 8 : widest, batch: options.batch },
  );
}
