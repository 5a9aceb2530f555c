/** Whole simulated cells, one a seed: `paxosctl simulate --seed N --replicas R` shows the same without the mutant. */
import { SimulatedCell } from '../../src/simulator/cell.ts';
import { simulationDefaults } from '../../src/simulator/run.ts';
import { hunt } from './hunt.ts';

// A mutant may leave a promise behind that nobody waits for; the simulator reports it, or it says nothing.
process.on('unhandledRejection', () => undefined);

await hunt(async (seed) => {
  const { violation } = await new SimulatedCell({
    seed,
    // The usual size in one half, any size in the other.
    replicas: seed % 2 === 0 ? simulationDefaults.replicas : null,
    hours: simulationDefaults.hours,
    mode: null,
  }).run();
  return violation;
});
