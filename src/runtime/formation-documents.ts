/** A founding member between what the others agree upon and what its directory begins with. */
import type { CellTimeMs, Epoch, Instance } from '../core/consensus/identity.ts';
import { instance } from '../core/consensus/identity.ts';
import type { SnapshotHandle } from '../core/consensus/input.ts';
import type { Replica } from '../core/consensus/replica.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import { type FormationDocument, type FormationView, levelOfDocument } from './formation.ts';
import type { MemberOptions } from './member-options.ts';

/** PML §5.2 gives no figure; shorter leases lapse under garbage collection on busy machines. */
const cellDefaults = { alpha: 32, leaseMs: 500, driftPpm: 10_000 };

export const documentOf = ({ cell, configurations, formedLevel }: Manifest): FormationDocument => ({
  cellId: cell.id,
  cellName: cell.name,
  secretHex: cell.secretHex,
  level: formedLevel,
  members: (configurations[0]?.configuration.members ?? []).map(({ name, url }) => ({ name, url })),
});

/** The first configuration governs from instance 1; every founding member is incarnation 1. */
export const formationOf = (
  document: FormationDocument,
  name: string,
): Parameters<typeof ReplicaStorage.writeForming>[1] => ({
  cell: { id: document.cellId, name: document.cellName, generation: 1, secretHex: document.secretHex },
  member: { name, incarnation: 1 },
  configurations: [
    {
      from: instance(1),
      configuration: {
        ...cellDefaults,
        members: document.members.map((member) => ({ ...member, incarnation: 1, role: 'voter' as const })),
      },
    },
  ],
  level: levelOfDocument(document),
  formedLevel: levelOfDocument(document),
});

/** What a formed member says of its cell; `core` is null where it does not take part yet. */
export function formedView(
  { attempt, cell, configurations }: Manifest,
  { name, cell: members }: Pick<MemberOptions, 'name' | 'cell'>,
  core: Pick<Replica, 'appliedUpTo' | 'configuration'> | null,
): FormationView {
  const configuration = core?.configuration ?? configurations[0]?.configuration;
  const names = configuration?.members.map((member) => member.name) ?? [];
  return {
    name,
    cellName: cell.name,
    members,
    state: 'formed',
    document: null,
    cell: { id: cell.id, members: names, appliedUpTo: core?.appliedUpTo ?? 0 },
    attempt: attempt?.generationId ?? '',
  };
}

export const formationHandle = (manifest: Manifest): SnapshotHandle => ({
  instance: 0 as Instance,
  epoch: 0 as Epoch,
  cellTimeMs: 0 as CellTimeMs,
  configurations: manifest.configurations,
});
