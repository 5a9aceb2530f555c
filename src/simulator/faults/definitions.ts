/** The definition of every kind in the catalogue. */
import type { FaultKind } from './catalogue.ts';
import { clockFaults } from './clock-faults.ts';
import { damageFaults } from './damage-faults.ts';
import type { FaultDefinition, Parameters } from './definition.ts';
import { destructionFaults } from './destruction-faults.ts';
import { directoryFaults } from './directory-faults.ts';
import { diskFaults } from './disk-faults.ts';
import { evidenceFaults } from './evidence-faults.ts';
import { generationFaults } from './generation-faults.ts';
import { linkFaults } from './link-faults.ts';
import { membershipFaults } from './membership-faults.ts';
import { operatorFaults } from './operator-faults.ts';
import { processFaults } from './process-faults.ts';
import { recurringFaults } from './recurring-faults.ts';
import { rollbackFaults } from './rollback-faults.ts';
import { sequenceFaults } from './sequence-faults.ts';
import { upgradeFaults } from './upgrade-faults.ts';
import type { FaultWorld } from './world.ts';

/** Parameters fit the definition of their own kind alone, which is where a strike always goes. */
type AnyDefinition = FaultDefinition<FaultWorld, Parameters>;

const definitions: Readonly<Record<FaultKind, unknown>> = {
  ...processFaults,
  ...linkFaults,
  ...diskFaults,
  ...damageFaults,
  ...evidenceFaults,
  ...recurringFaults,
  ...rollbackFaults,
  ...clockFaults,
  ...membershipFaults,
  ...operatorFaults,
  ...directoryFaults,
  ...sequenceFaults,
  ...upgradeFaults,
  ...generationFaults,
  ...destructionFaults,
};

export const definitionOf = (kind: FaultKind): AnyDefinition => definitions[kind] as AnyDefinition;
