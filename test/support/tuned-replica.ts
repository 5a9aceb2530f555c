/**
 * `node start` with what its flags do not offer: small log segments and frequent snapshots, a disk that can be filled, and
 * the hooks of `hooks/hooked-world.ts`.
 *
 * Takes the flags of `node start`; settings come from `PAXOSCTL_TUNED`, as JSON. Over the process channel the messages
 * `disk full` and `disk free` change the disk, and numbered orders set hooks and are answered.
 */
import { parseArgs } from 'node:util';
import { createNodeWorld } from '../../src/adapters/node-world.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import { OperatorError } from '../../src/errors/index.ts';
import { parseListen, parseMembers } from '../../src/operator/start-options.ts';
import type { World } from '../../src/ports/world.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { startReplica } from '../../src/runtime/replica-process.ts';
import { FullDisk } from './full-disk.ts';
import { hookedWorld, type Order } from './hooks/hooked-world.ts';

export interface Tuning {
  readonly snapshotLogBytes?: number;
  readonly segmentBytes?: number;
  readonly limits?: Partial<Limits>;
  readonly version?: string;
  readonly checkEveryMs?: number;
  /** The disk is full from the beginning. */
  readonly full?: boolean;
  /** Carried out before anything else. */
  readonly orders?: readonly Order[];
}

function line(level: string) {
  return (facts: object, message: string): void => {
    const plain = (_: string, value: unknown): unknown => (value instanceof Error ? value.stack : value);
    process.stderr.write(
      `${JSON.stringify({ level, time: new Date().toISOString(), ...facts, msg: message }, plain)}\n`,
    );
  };
}

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: '' },
    'data-dir': { type: 'string', default: '' },
    listen: { type: 'string', default: '' },
    cell: { type: 'string', default: '' },
  },
});
const { full = false, orders = [], ...tuning }: Tuning = JSON.parse(process.env.PAXOSCTL_TUNED ?? '{}');
const logger: Logger = { debug() {}, info: line('info'), warn: line('warn'), error: line('error') };

const disks: FullDisk[] = [];
let isFull = full;
const node = await createNodeWorld(logger);
const filling: World = {
  ...node,
  openDirectory: async (path) => {
    const directory = await node.openDirectory(path);
    const disk = new FullDisk(directory.disk);
    disk.full = isFull;
    disks.push(disk);
    return { disk, release: () => directory.release() };
  },
};
const { world, obey } = hookedWorld(filling);
for (const order of orders) obey(order);
process.on('message', (message: string | { readonly id: number; readonly order: Order }) => {
  if (typeof message !== 'string') {
    process.send?.({ id: message.id, report: obey(message.order) });
    return;
  }
  isFull = message === 'disk full';
  for (const disk of disks) disk.full = isFull;
});

try {
  const replica = await startReplica(
    {
      name: values.name,
      dataDir: values['data-dir'],
      ...parseListen(values.listen),
      cell: parseMembers(values.cell, (url) => url),
      cellName: 'default',
      expectCell: null,
      secret: null,
      quarantineLeftovers: false,
      version: '0.0.0-tuned',
      ...tuning,
    },
    world,
    logger,
  );
  const stop = (): void => void replica.stop();
  process.once('SIGTERM', stop);
  process.once('disconnect', stop);
  process.exit(await replica.exited);
} catch (error) {
  logger.error({ err: error, ...(error instanceof OperatorError ? { code: error.code } : {}) }, 'ended');
  process.exit(error instanceof OperatorError ? error.exitCode : 1);
}
