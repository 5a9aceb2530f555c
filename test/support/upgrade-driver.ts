/**
 * A program of the tests: one command of an upgrade, by the functions that `paxosctl upgrade` calls, which ends itself with SIGKILL at
 * a named step. What it is to do stands in its environment; what came of it and the steps that it passed are its output.
 */
import { createOfflineWorld } from '../../src/adapters/offline-world.ts';
import { OperatorError } from '../../src/errors/index.ts';
import { type Surroundings, withUpgrade } from '../../src/operator/upgrade/operate.ts';
import { finalize, goBack, resume, run } from '../../src/operator/upgrade/workflows.ts';
import { inspectSnapshotFile } from '../../src/runtime/snapshot-file.ts';
import { killedWorld } from './killed-upgrade.ts';

export interface DriverOrder {
  readonly command: 'run' | 'resume' | 'finalize' | 'abort' | 'rollback';
  readonly to: string;
  readonly exec: string;
  readonly endpoints: readonly string[];
  readonly timeoutMs: number;
  readonly backupDir: string;
  /** The place at which it is killed; null: at none. */
  readonly killAt: string | null;
}

export interface DriverReport {
  readonly code: number;
  readonly state: string | null;
  readonly reason: string | null;
  readonly places: readonly string[];
}

async function main(order: DriverOrder): Promise<DriverReport> {
  const places: string[] = [];
  const onPlace = (place: string): void => {
    places.push(place);
    if (place === order.killAt) process.kill(process.pid, 'SIGKILL');
  };
  const { backupDir, command, endpoints, exec, timeoutMs, to } = order;
  const around: Surroundings = {
    own: { version: to, command: [] },
    verifySnapshot: async (file) => inspectSnapshotFile(file, await createOfflineWorld()),
    events: { step: () => undefined, waiting: () => undefined },
    onManual: () => undefined,
  };
  const flags = { endpoints, timeout: timeoutMs, exec, manual: false, cellDir: undefined, backupDir };
  try {
    const driven = await withUpgrade({ ...flags, minTolerance: undefined, soakMs: 0 }, around, (real, request) => {
      const world = killedWorld(real, onPlace);
      if (command === 'run') return run(world, { ...request, to, how: 'exec', exec, rehearse: null });
      if (command === 'resume') return resume(world, request);
      return command === 'finalize' ? finalize(world, request) : goBack(world, request, command);
    });
    return { code: driven.code, state: driven.attempt.state, reason: driven.reason, places };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { code: error.exitCode, state: null, reason: error.message, places };
  }
}

const report = await main(JSON.parse(process.env.PAXOSCTL_UPGRADE_ORDER ?? '') as DriverOrder);
process.stdout.write(JSON.stringify(report), () => process.exit(0));
