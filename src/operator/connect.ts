/**
 * A cell for the length of one command, with what the tool remembers between commands: the newest position mark of the cell, which
 * goes along with each request, so that a cell that was rolled back meanwhile, or another cell at the same address, is
 * noticed before anything is done.
 */
import type { PaxosClient } from '../client/client.ts';
import type { KnownCell } from '../client/find-master.ts';
import { StateFile, StoredMarks } from '../client/state-file.ts';
import { ConditionFailedError, NotAllowedError, RefusedError, UsageError } from '../errors/index.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';

/** How long one waits to be told which cell answers at endpoints that were not met before. */
const strangerMsMax = 1_000;

export interface CellFlags {
  readonly endpoints: readonly string[];
  /** Milliseconds for each call, waiting for a master included. */
  readonly timeout: number;
  /** What was seen in generations before this one is not held against the cell any more, if this is its generation. */
  readonly 'accept-generation'?: number | undefined;
  /** What is there now is asked for, whatever was seen before; nothing of it is remembered. */
  readonly unmarked?: boolean;
}

export interface ConnectOptions {
  /** Connections to each replica; calls beyond it wait. */
  readonly connections?: number;
  /** Gather calls that are made at the same time. */
  readonly batch?: boolean;
}

/** Runs `work` with a client; what was seen of the cell is remembered afterwards, also when `work` failed. */
export async function withCell<Result>(
  { endpoints, timeout, 'accept-generation': accepted, unmarked = false }: CellFlags,
  work: (cell: PaxosClient) => Promise<Result>,
  { connections = 8, batch = false }: ConnectOptions = {},
): Promise<Result> {
  const { PaxosClient } = await import('../client/client.ts');
  if (unmarked) {
    const client = new PaxosClient({ endpoints, timeoutMs: timeout, connections, batch });
    return work(client).finally(() => client.close());
  }
  const state = new StateFile();
  const marks = await StoredMarks.load(state, endpoints, accepted ?? 0);
  const cell = await state.cellMetAt(endpoints);
  let known = marks.cell;
  const client = new PaxosClient({ endpoints, timeoutMs: timeout, marks, connections, batch, cell });
  try {
    if (marks.isStranger && (await state.knowsAny())) {
      await meetStranger(client, marks, { endpoints, timeoutMs: timeout });
      known = marks.cell;
    }
    if (accepted !== undefined) await refuseOtherGeneration(client, accepted);
    return await work(client);
  } catch (error) {
    throw known === null ? error : whereItWasMet(error, endpoints, known);
  } finally {
    await client.close();
    await remember(state, marks, { endpoints, met: client.cell });
  }
}

/** At endpoints of which nothing is known, a cell may answer that was met at others: what was seen of it goes along from the first request on. */
async function meetStranger(
  client: PaxosClient,
  marks: StoredMarks,
  { endpoints, timeoutMs }: { readonly endpoints: readonly string[]; readonly timeoutMs: number },
): Promise<void> {
  const limit = { timeoutMs: Math.min(timeoutMs, strangerMsMax) };
  const asked = endpoints.map(async (endpoint) => {
    const { cell } = await client.status(endpoint, limit);
    if (cell.id === null) throw new Error('it is of no cell yet');
    return cell.id;
  });
  const cell = await Promise.any(asked).catch(() => null);
  if (cell !== null) await marks.meet(cell);
}

/** A replica that refuses a mark of another cell cannot say which one that was, nor how the tool came to send it. */
function whereItWasMet(error: unknown, endpoints: readonly string[], known: string): unknown {
  if (!(error instanceof NotAllowedError) || error.code !== 'PAXOS_WRONG_CELL') return error;
  const at = endpoints.join(', ');
  return new NotAllowedError(`Another cell answers at ${at}, where cell ${known} was met before.`, {
    code: 'PAXOS_WRONG_CELL',
    facts: { ...error.facts, endpoints, known },
    suggestions: [`paxosctl cell forget ${known}`],
    cause: error,
  });
}

/** @throws {RefusedError} (exit 5), before anything was done, when the cell is of another generation than was accepted. */
async function refuseOtherGeneration(client: PaxosClient, accepted: number): Promise<void> {
  const { generation } = (await client.cellStatus()).cell;
  if (generation === accepted) return;
  throw new RefusedError(
    `The cell is of generation ${generation}, not of generation ${accepted}, which was accepted.`,
    {
      facts: { generation, accepted },
      suggestions: ['paxosctl status'],
    },
  );
}

/**
 * A tool that cannot write its state directory still works; it only notices less. So this is said, and is no error of the
 * command that has been carried out.
 */
async function remember(
  state: StateFile,
  marks: StoredMarks,
  { endpoints, met }: { readonly endpoints: readonly string[]; readonly met: KnownCell | null },
): Promise<void> {
  const { cell } = marks;
  try {
    await marks.save();
    if (cell === null) return;
    // Only of the cell that took part: what a wrong one says of itself is not to be kept.
    if (met?.id === cell) await state.keepCell(met);
    for (const endpoint of endpoints) if ((await state.cellAt(endpoint)) === null) await state.meet(endpoint, cell);
  } catch (error) {
    process.emitWarning(`paxosctl could not remember what it saw of the cell: ${(error as Error).message}`);
  }
}

/** Keeps who the members of a cell are, for when the endpoints that are given then do not answer. Only of a cell that was met there. */
export async function rememberMembers(endpoints: readonly string[], cell: KnownCell): Promise<void> {
  const state = new StateFile();
  const known = await state.cellMetAt(endpoints);
  if (known?.id === cell.id) await state.keepCell(cell).catch(() => {});
}

/** Whether anything was ever seen that a cell can be held to. */
export const remembersAny = (): Promise<boolean> => new StateFile().knowsAny().catch(() => false);

/** What is remembered of the cell that was met at one of these endpoints; null also when nothing can be read. */
export const rememberedCell = (endpoints: readonly string[]): Promise<KnownCell | null> =>
  new StateFile().cellMetAt(endpoints).catch(() => null);

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
 * Forgets a cell by its id, its name, or an endpoint at which it was met. A dry run only says which one that would be.
 *
 * @returns its id.
 * @throws {ConditionFailedError} (exit 6) when nothing was known of it; {UsageError} (exit 2) for a name of several cells.
 */
export async function forgetCell(asked: string, { dryRun = false } = {}): Promise<string> {
  const state = new StateFile();
  const named = await state.cellsNamed(asked);
  if (named.length > 1) {
    throw new UsageError(`${named.length} cells are remembered by the name ${asked}: give an id.`, {
      facts: { name: asked, cells: named },
      suggestions: named.map((id) => `paxosctl cell forget ${id}`),
    });
  }
  const cell = (await state.cellAt(asked.replace(/\/$/, ''))) ?? named[0] ?? asked;
  if (dryRun ? await state.knows(cell) : await state.forget(cell)) return cell;
  throw new ConditionFailedError(
    `Nothing is known of ${asked}: neither a cell's id or name, nor an endpoint where one was met.`,
    { facts: { name: asked } },
  );
}
