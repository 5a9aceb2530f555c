/**
 * Whole simulated cells of any size, one a seed, a little shorter than those of `paxosctl simulate`: so more of them fit into the
 * same time, and a bug that needs one kind of fault alone meets it sooner.
 */
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { hunt } from './hunt.ts';

/** Of the phase under faults, in simulated hours. */
const hours = 0.03;

// A mutant may leave a promise behind that nobody waits for; the simulator reports it, or it says nothing.
process.on('unhandledRejection', () => undefined);

await hunt(async (seed) => {
  const { violation } = await new SimulatedCell({ seed, replicas: null, hours, mode: null }).run();
  return violation;
});
