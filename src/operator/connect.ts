/**
 * A cell for the length of one command, with what the tool remembers between commands: the newest position mark of the cell, which
 * goes along with each request, so that a cell that was rolled back meanwhile, or another cell at the same address, is
 * noticed before anything is done.
 */
import type { PaxosClient } from '../client/client.ts';
import { StateFile, StoredMarks } from '../client/state-file.ts';
import { ConditionFailedError } from '../errors/index.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';

export interface CellFlags {
  readonly endpoints: readonly string[];
  /** Milliseconds for each call, waiting for a master included. */
  readonly timeout: number;
}

export interface ConnectOptions {
  /** Connections to each replica; calls beyond it wait. */
  readonly connections?: number;
  /** Gather calls that are made at the same time. */
  readonly batch?: boolean;
}

/** Runs `work` with a client; what was seen of the cell is remembered afterwards, also when `work` failed. */
export async function withCell<Result>(
  { endpoints, timeout }: CellFlags,
  work: (cell: PaxosClient) => Promise<Result>,
  { connections = 8, batch = false }: ConnectOptions = {},
): Promise<Result> {
  const { PaxosClient } = await import('../client/client.ts');
  const state = new StateFile();
  const marks = await StoredMarks.load(state, endpoints);
  const client = new PaxosClient({ endpoints, timeoutMs: timeout, marks, connections, batch });
  try {
    return await work(client);
  } finally {
    await client.close();
    await remember(state, marks, endpoints);
  }
}

/**
 * A tool that cannot write its state directory still works; it only notices less. So this is said, and is no error of the
 * command that has been carried out.
 */
async function remember(state: StateFile, marks: StoredMarks, endpoints: readonly string[]): Promise<void> {
  const { cell } = marks;
  try {
    await marks.save();
    if (cell === null) return;
    for (const endpoint of endpoints) if ((await state.cellAt(endpoint)) === null) await state.meet(endpoint, cell);
  } catch (error) {
    process.emitWarning(`paxosctl could not remember what it saw of the cell: ${(error as Error).message}`);
  }
}

/** The cell that answers at one of the endpoints. */
export async function cellIdAt(client: PaxosClient, endpoints: readonly string[]): Promise<string> {
  for (const endpoint of endpoints) {
    const status = await client.status(endpoint, { timeoutMs: 2_000 }).catch((): ReplicaStatusDocument | null => null);
    if (status?.cell.id) return status.cell.id;
  }
  const { cell } = await client.cellStatus();
  return cell.id ?? '';
}

/**
 * Whoever starts a cell at these addresses says which cell is to be met there: another one that was met there before is
 * forgotten.
 */
export async function expectCell(endpoints: readonly string[], cell: string): Promise<void> {
  const state = new StateFile();
  for (const endpoint of endpoints) {
    const known = await state.cellAt(endpoint);
    if (known !== null && known !== cell) await state.forget(known);
    await state.meet(endpoint, cell);
  }
}

/**
 * Forgets a cell by its id, or the one that was met at an endpoint.
 *
 * @returns its id.
 * @throws {ConditionFailedError} (exit 6) when nothing was known of it.
 */
export async function forgetCell(nameOrEndpoint: string): Promise<string> {
  const state = new StateFile();
  const cell = (await state.cellAt(nameOrEndpoint.replace(/\/$/, ''))) ?? nameOrEndpoint;
  if (await state.forget(cell)) return cell;
  throw new ConditionFailedError(
    `Nothing is known of ${nameOrEndpoint}: neither a cell's id nor an endpoint where one was met.`,
    {
      facts: { name: nameOrEndpoint },
    },
  );
}
