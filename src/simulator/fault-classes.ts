/** Every kind of fault by the part of the world that it strikes, as reports name and show them. */
import {
  commandEffects,
  type FaultClass,
  faultCatalogue,
  restoreEffects,
  sideEffects,
  swarmKinds,
  upgradeEffects,
} from './faults/catalogue.ts';
import { lockEffects } from './lock-effects.ts';
import { networkFaultKinds } from './network-faults.ts';

const of = (name: FaultClass): string[] => swarmKinds.filter((kind) => faultCatalogue[kind].class === name);

/** Replicas of a whole cell let everybody speak and leave it to the core, which is the more hostile way. */
const ofPortsAlone = 'not-admitted';

/** Steady faults of messages are counted per message, the others per strike. */
export const faultClasses: Readonly<Record<string, readonly string[]>> = {
  process: of('process'),
  network: of('network'),
  messages: networkFaultKinds.filter((kind) => kind !== ofPortsAlone).map((kind) => `network-${kind}`),
  disk: of('disk'),
  clock: of('clock'),
  operator: of('operator'),
  operators: of('operated'),
  'their commands': Object.keys(commandEffects),
  membership: of('membership'),
  upgrade: of('upgrade'),
  upgrades: of('upgraded'),
  'their upgrades': Object.keys(upgradeEffects),
  generations: of('restored'),
  'their restores': Object.keys(restoreEffects),
  locks: Object.keys(lockEffects),
  'with others': Object.keys(sideEffects),
};

/** Of what happens only where operators are at work. */
export const operatedClasses: readonly string[] = ['operators', 'their commands'];
/** Of what happens only where somebody goes back to backups. */
export const restoredClasses: readonly string[] = ['generations', 'their restores'];
/** Of what happens only where somebody upgrades. */
export const upgradedClasses: readonly string[] = ['upgrades', 'their upgrades'];
