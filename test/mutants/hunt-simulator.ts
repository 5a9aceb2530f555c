/**
 * Whole simulated cells of any size, one a seed, a little shorter than those of `paxosctl simulate`: so more of them fit into the
 * same time, and a bug that needs one kind of fault alone meets it sooner. The fourth argument says how much operators do, the
 * fifth the mode, as `paxosctl simulate` has them.
 */
import { SimulatedCell, type SimulationMode } from '../../src/simulator/cell.ts';
import type { Operators } from '../../src/simulator/profile.ts';
import { hunt } from './hunt.ts';

const operators = (process.argv[5] ?? 'drawn') as Operators;
const mode = (process.argv[6] || null) as SimulationMode | null;
/** Of the phase under faults, in simulated hours; with operators that leave a cell no peace more happens in less. */
const hours = operators === 'often' || operators === 'generations' ? 0.01 : 0.03;

// A mutant may leave a promise behind that nobody waits for; the simulator reports it, or it says nothing.
process.on('unhandledRejection', () => undefined);

await hunt(async (seed) => {
  const { violation } = await new SimulatedCell({ seed, replicas: null, hours, mode, operators }).run();
  return violation;
});
