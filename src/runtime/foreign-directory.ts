/** Directories that are another member's, of another cell, or of a member that was removed, are refused before anything is changed. Source: contract §1; pitfalls O1, O5. */
import { DataDirectoryForeignError, DataDirectoryLostError, MemberRemovedError } from '../errors/index.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { Inspection } from '../storage/formation.ts';
import type { FormationView } from './formation.ts';
import type { MemberOptions } from './member-options.ts';

/** @throws {DataDirectoryForeignError} (exit 24); {DataDirectoryLostError} (exit 20) for nothing at all where a cell was expected. */
export function refuseForeign(
  { manifest }: Pick<Inspection, 'manifest'>,
  { name, dataDir: directory, expectCell, join }: Pick<MemberOptions, 'name' | 'dataDir' | 'expectCell' | 'join'>,
): void {
  if (manifest === null) {
    // Admitted by a cell it is compared with the expected one.
    if (expectCell === null || join !== undefined) return;
    // As of any lost disk, the next incarnation begins where an operator had it admitted.
    throw new DataDirectoryLostError({ directory, member: name, cell: expectCell, expected: true });
  }
  const { member, cell } = manifest;
  if (member.name !== name) {
    throw new DataDirectoryForeignError({ directory, what: 'member', found: member.name, expected: name });
  }
  if (expectCell !== null && cell.id !== expectCell) {
    throw new DataDirectoryForeignError({ directory, what: 'cell', found: cell.id, expected: expectCell });
  }
}

/**
 * The addresses in --cell are only hints, but another cell living there is a mistake that must not go on.
 * @throws {DataDirectoryForeignError} (exit 24)
 */
export function refuseOtherCell(
  { attempt, cell: own }: Pick<Manifest, 'attempt' | 'cell'>,
  views: readonly (FormationView | null)[],
  directory: string,
): void {
  // On its way into a generation of another cell, this one's members change one after the other.
  const same = attempt?.generationId ?? '';
  for (const view of views) {
    if (view?.state !== 'formed' || view.cell === null || view.cell.id === own.id) continue;
    if (same !== '' && view.attempt === same) continue;
    throw new DataDirectoryForeignError({ directory, what: 'cell', found: own.id, expected: view.cell.id });
  }
}

/** @throws {MemberRemovedError} (exit 23) */
export function refuseRemoved(
  { cell, flags, member }: Pick<Manifest, 'cell' | 'flags' | 'member'>,
  directory: string,
): void {
  if (!flags.removed) return;
  const { name, incarnation } = member;
  throw new MemberRemovedError({ member: name, incarnation, cell: cell.id, directory });
}
