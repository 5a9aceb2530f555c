/**
 * The first state of a generation that a member is ready for, as what it is: a state by itself, beside the parent's that the member
 * stands at. Others may have begun the generation and be lost since; then it is the furthest that is left (design §3 "Generations").
 */
import type { GenerationStep, Manifest } from '../formats/manifest.ts';
import type { ReadyDocument } from '../formats/recovery.ts';
import type { ReadyFile } from '../storage/generation.ts';
import type { DatabaseApplication } from './database-application.ts';
import { historyIn } from './recovery-report.ts';

/** Those whose states lie in attempt directories of this member; also while a later one stands over them. Newest first. */
export const readySteps = ({ attempt, cell }: Pick<Manifest, 'attempt' | 'cell'>): readonly GenerationStep[] =>
  [attempt, attempt?.before ?? null]
    .flatMap((it) => it ?? [])
    .filter(({ step, generation, state }) => step !== 'fenced' && generation > cell.generation && state !== null);

/** `application`: an empty one; it holds the state afterwards. @throws {SnapshotCorruptError} for a file that is not what was verified. */
export async function readReady(
  { header, bytes, sha256, records }: ReadyFile,
  { cell, member }: Pick<Manifest, 'cell' | 'member'>,
  application: DatabaseApplication,
): Promise<ReadyDocument> {
  await application.restore(records());
  const { handle, cellId, generation, logChain } = header;
  const { alpha, leaseMs, driftPpm, members } = (handle.configurations[0] as (typeof handle.configurations)[number])
    .configuration;
  return {
    state: { sha256, bytes },
    report: {
      member: member.name,
      incarnation: members.find(({ name }) => name === member.name)?.incarnation ?? 0,
      cell: { id: cellId, name: cell.name },
      generation,
      ...historyIn(application, handle.instance),
      logChain: Buffer.from(logChain).toString('hex'),
      setAside: false,
      disk: 'not-compared',
      chosenUpTo: handle.instance,
      entries: [],
      unreadable: 0,
      highest: handle.instance,
      members: members.map((it) => ({ ...it, voting: it.role === 'voter' })),
      settings: { alpha, leaseMs, driftPpm },
      frozen: null,
      attempt: null,
      ready: [],
    },
  };
}
