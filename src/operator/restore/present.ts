/**
 * What a cell holds when it is fenced for a restore, as a file of its own: so that a restore that was a mistake can be undone.
 *
 * Keeps: no file that was there before is ever written to, the backup least of all; an earlier run's file counts only when it holds
 * the very state that is to be saved.
 */
import { OperatorError, RefusedError, UsageError } from '../../errors/index.ts';
import { chained } from '../../formats/log-chain.ts';
import type { RecoverReport } from '../../formats/recovery.ts';
import { decodeValue } from '../../formats/value.ts';
import type { CellFlags } from '../connect.ts';
import { realWorld } from '../recovery/real-world.ts';
import { hasState } from '../recovery/takes-part.ts';
import type { GenerationWorld } from '../recovery/world.ts';
import type { SaveOptions } from '../snapshot-save.ts';
import { type Backup, furthestOf, isBlank, type RestoreDecided } from './price.ts';

type Found = Awaited<ReturnType<SaveOptions['verify']>> & { readonly cell?: string; readonly logChain?: string };

export interface PresentOptions {
  readonly backup: Backup;
  /** Reads a saved file whole. */
  readonly verify: (file: string) => Promise<Found>;
  /** The state of a file with the values that follow it, as the parts of another. */
  readonly extend: (file: string, tail: RestoreDecided['beyond']) => Promise<Generator<Uint8Array, string>>;
}

/** Before anything is stopped: a file that was named and is in the way would be found too late. @throws {UsageError} (exit 2) */
export async function refuseInTheWay(
  file: string,
  { cell, generation, applied }: RecoverReport,
  { backup, verify }: PresentOptions,
  world: GenerationWorld = realWorld,
): Promise<void> {
  const there = await world.identity(file);
  if (there === null) return;
  const own = await world.identity(backup.file);
  if (own !== null && own.dev === there.dev && own.ino === there.ino) throw inTheWay(file, 'it is the backup itself');
  const found = await verify(file).catch(() => null);
  if (found === null) throw inTheWay(file, 'it is no whole snapshot');
  if (found.cell !== cell.id || found.generation !== generation || found.instance < applied.instance) {
    throw inTheWay(file, 'it does not hold the present state');
  }
}

export interface Present {
  readonly fenced: readonly RecoverReport[];
  readonly beyond: RestoreDecided['beyond'];
  /** Where it may lie: in the first that is free, or holds it already. */
  readonly files: Iterable<string>;
}

/**
 * The state of the furthest, with all that may have been chosen after it: members that were restarted since they were fenced know
 * less as chosen than was acknowledged. Every member keeps its own files besides.
 * @returns the file; null where there is nothing to save.
 * @throws {UsageError} (exit 2) when all the files hold something else; {RefusedError} when it could not be written.
 */
export async function savePresent(
  cell: CellFlags,
  { fenced, beyond, files }: Present,
  { verify, extend }: PresentOptions,
  world: GenerationWorld = realWorld,
): Promise<string | null> {
  const furthest = furthestOf(fenced);
  const isNothing = furthest.applied.instance === 0 && beyond.length === 0;
  // Whose state is gone can give none; what is left of it stays in its former/.
  if (isNothing || !hasState(furthest) || fenced.every(isBlank)) return null;
  const holds = (found: Found): boolean =>
    found.generation === furthest.generation &&
    found.instance === furthest.applied.instance + beyond.length &&
    found.logChain === chainAfter(furthest, beyond, world);
  const { file, isThere } = await placeIn(files, { verify, holds, world });
  if (isThere) return file;
  const held = `${file}.held-${process.pid}`;
  const target = beyond.length === 0 ? file : held;
  try {
    const { member } = furthest;
    await world.saveHeld(cell, { file: target, member, verify });
    if (target !== file) await world.writeFile(file, await extend(held, beyond));
    if (holds(await verify(file))) return file;
    // Not what is named in the result: nobody would look for the difference later.
    await world.removeFile(file);
    throw new RefusedError(`${member} gave another state than it reports.`, { facts: { member } });
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const why = `The present state could not be saved to ${file}, so nothing was done: ${error.message}`;
    throw new RefusedError(why, { facts: { file, ...error.facts }, suggestions: error.suggestions, cause: error });
  } finally {
    await world.removeFile(held);
  }
}

async function placeIn(
  files: Iterable<string>,
  {
    verify,
    holds,
    world,
  }: Pick<PresentOptions, 'verify'> & { readonly holds: (found: Found) => boolean; readonly world: GenerationWorld },
): Promise<{ readonly file: string; readonly isThere: boolean }> {
  let last = '';
  for (const file of files) {
    if ((await world.identity(file)) === null) return { file, isThere: false };
    const found = await verify(file).catch(() => null);
    if (found !== null && holds(found)) return { file, isThere: true };
    last = file;
  }
  throw inTheWay(last, 'it does not hold the present state');
}

function chainAfter(
  { logChain }: RecoverReport,
  beyond: Present['beyond'],
  { sha256 }: Pick<GenerationWorld, 'sha256'>,
): string {
  let chain: Uint8Array = Buffer.from(logChain, 'hex');
  for (const { instance, valueBase64 } of beyond) {
    const value = decodeValue(Buffer.from(valueBase64, 'base64'));
    chain = chained({ sha256 }, chain, { instance: instance as never, value });
  }
  return Buffer.from(chain).toString('hex');
}

const inTheWay = (file: string, why: string): UsageError =>
  new UsageError(`File ${file} is in the way of the present state, which is to be saved there: ${why}.`, {
    facts: { file, why },
    suggestions: [`paxosctl snapshot inspect ${file}`, 'paxosctl cell restore FILE --save ANOTHER-FILE'],
  });
