/** All mutants, and the pitfalls that have none yet. `npm run mutants` hunts them; docs/MUTANTS.md has the score. */
import { checksums } from './checksums.ts';
import { damage } from './damage.ts';
import { databases } from './database.ts';
import { durability } from './durability.ts';
import { fence } from './fence.ts';
import { generations } from './generations.ts';
import { leases } from './leases.ts';
import { locks } from './locks.ts';
import { marks } from './marks.ts';
import { members } from './members.ts';
import { membership } from './membership.ts';
import type { Mutant } from './mutant.ts';
import { promises } from './promises.ts';
import { recovery } from './recovery.ts';
import { upgrades } from './upgrades.ts';
import { watch } from './watch.ts';

export type { Edit, Hunter, Mutant } from './mutant.ts';

export const mutants: readonly Mutant[] = [
  ...promises,
  ...recovery,
  ...durability,
  ...leases,
  ...membership,
  ...members,
  ...databases,
  ...locks,
  ...damage,
  ...marks,
  ...checksums,
  ...fence,
  ...generations,
  ...upgrades,
  ...watch,
];

/** Pitfalls that nothing in the product could fall into yet, and why. */
export const notYet: Readonly<Record<string, string>> = {};

export function mutantNamed(id: string): Mutant {
  const found = mutants.find((mutant) => mutant.id === id);
  if (found === undefined) throw new Error(`There is no mutant ${id}.`);
  return found;
}
