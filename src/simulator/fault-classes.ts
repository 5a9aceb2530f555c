/** Every kind of fault by the part of the world that it strikes, as reports name and show them. */
import { type FaultClass, faultCatalogue, sideEffects, swarmKinds } from './faults/catalogue.ts';
import { networkFaultKinds } from './network-faults.ts';

const of = (name: FaultClass): string[] => swarmKinds.filter((kind) => faultCatalogue[kind].class === name);

/** Steady faults of messages are counted per message, the others per strike. */
export const faultClasses: Readonly<Record<string, readonly string[]>> = {
  process: of('process'),
  network: of('network'),
  messages: networkFaultKinds.map((kind) => `network-${kind}`),
  disk: of('disk'),
  clock: of('clock'),
  operator: of('operator'),
  membership: of('membership'),
  upgrade: of('upgrade'),
  'with others': Object.keys(sideEffects),
};
