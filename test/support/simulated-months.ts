/**
 * A simulated cell whose upgrade was killed at some call, and gone on with or aborted; then a long time of work, restarts and snapshots;
 * then the next upgrade. *Paxos Made Live* lost 30 minutes of data to just that (§7; pitfall U3).
 */
import { type CellReport, SimulatedCell } from '../../src/simulator/cell.ts';
import type { Strike } from '../../src/simulator/faults/strike.ts';
import { calmNetwork } from '../../src/simulator/network-faults.ts';
import type { UpgradeKind } from '../../src/simulator/operators/upgrade-order.ts';
import type { Profile } from '../../src/simulator/profile.ts';

export interface Months {
  readonly seed: string;
  readonly kill: { readonly call: number; readonly after: boolean };
  readonly then: 'resume' | 'abort';
  readonly hours: number;
  readonly leaseMs: number;
}

const hourMs = 3_600_000;

export function monthsAfter({ seed, kill, then, hours, leaseMs }: Months): Promise<CellReport> {
  const order = (command: UpgradeKind, killed: Months['kill'] | null = null) => ({
    ...{ command, kill: killed, lie: '', lieAt: 0, harsh: false, residueAt: '', tries: 20, pauseMs: leaseMs },
  });
  const upgrade = (at: number, orders: readonly object[]): Strike =>
    ({ atMs: at, kind: 'upgrade-sequence', seed: `${seed}/${at}`, with: { orders } }) as unknown as Strike;
  const crash = (at: number, ...members: readonly string[]): Strike => {
    const crashes = members.map((member) => ({ member, how: { writes: 'process' }, downMs: 2 * leaseMs }));
    return { atMs: at, kind: 'crash-all', seed: `${seed}/${at}`, with: { crashes } } as unknown as Strike;
  };
  const share = (part: number): number => part * hours * hourMs;
  const profile: Partial<Profile> = {
    ...{ operated: true, upgraded: true, leaseMs, alpha: 32, faultEveryMs: {}, clockStepMs: 0, timerLatenessMs: 0 },
    ...{ snapshotLogBytes: 250_000, segmentBytes: 64 * 1024, flushMeanMs: 1, checkEveryMs: 40 * leaseMs },
    // Busy while operators are, and for the rest of the time as a cell is of which programs ask little.
    ...{ clients: 4, thinkMs: leaseMs },
    // A first try that is refused, since somebody is not heard just then, is not killed.
    network: calmNetwork,
  };
  const cell = new SimulatedCell({
    ...{ seed, replicas: 3, hours, mode: null, operationsMin: 0 },
    profile,
    script: {
      strikes: [
        upgrade(10 * leaseMs, [order('run', kill), order(then), ...(then === 'resume' ? [order('finalize')] : [])]),
        crash(share(0.3), 'n1'),
        crash(share(0.4), 'n2'),
        crash(share(0.5), 'n3'),
        crash(share(0.6), 'n1', 'n2', 'n3'),
        upgrade(share(0.8), [order('run'), order('finalize')]),
      ],
    },
  });
  return cell.run();
}
