/** `cell start` from the first look at the ports to the last replica's end. */
import path from 'node:path';
import { stateDirectory } from '../client/state-file.ts';
import { expectCell } from './connect.ts';
import {
  type CellShape,
  LocalCell,
  type LocalCellEvent,
  type LocalMember,
  refuseUsedPorts,
  shapeOf,
} from './local-cell.ts';
import { parseCondition, waitFor } from './wait.ts';

/** One Ctrl-C can arrive several times: from the terminal itself, and passed on by npm and by `npm start`. */
const sameInterruptMs = 1000;

/** Told what happens; draws it. */
export interface LocalCellScreen {
  forming(shape: CellShape, directory: string): void;
  waiting(why: string): void;
  up(cell: UpCell): void;
  /** No master within the time that was given; it goes on trying. */
  late(message: string): void;
  event(event: LocalCellEvent): void;
  stopping(): void;
  stopped(): void;
}

export interface UpCell {
  readonly master: string;
  readonly epoch: number | null;
  readonly directory: string;
  readonly basePort: number;
  readonly members: readonly LocalMember[];
}

export interface LocalCellRun {
  readonly directory: string | undefined;
  readonly replicas: number | undefined;
  readonly basePort: number | undefined;
  readonly timeoutMs: number;
  readonly command: readonly [string, ...string[]];
  /** Of `command`. */
  readonly version?: string | undefined;
  readonly show: LocalCellScreen;
  /** Registers what to do on the next Ctrl-C. */
  readonly onInterrupt: (handler: () => void) => void;
}

/**
 * Runs until the operator stops it or no replica can go on.
 *
 * @returns 0 after a stop, else the exit code of a replica that cannot be started.
 * @throws {AddressInUseError} before anything is started; {RefusedError} when the folder holds a cell of another shape.
 */
export async function runLocalCell(run: LocalCellRun): Promise<number> {
  const directory = path.resolve(run.directory ?? path.join(stateDirectory(), 'local-cells', 'default'));
  const asked = {
    ...(run.replicas === undefined ? {} : { replicas: run.replicas }),
    ...(run.basePort === undefined ? {} : { basePort: run.basePort }),
  };
  const shape = shapeOf(directory, asked);
  await refuseUsedPorts(shape);

  const { show } = run;
  const cell = new LocalCell({
    directory,
    shape,
    command: run.command,
    version: run.version,
    onEvent: (event) => show.event(event),
  });
  cell.refuseUnknownPrograms();
  let stopping = false;
  let firstAt = 0;
  const stop = () => {
    run.onInterrupt(stop);
    if (stopping) {
      if (performance.now() - firstAt >= sameInterruptMs) cell.kill();
      return;
    }
    stopping = true;
    firstAt = performance.now();
    show.stopping();
    void cell.stop();
  };
  run.onInterrupt(stop);
  // Without this a crash of this process would leave the replicas to their broken channel, which ends them a moment later.
  process.once('exit', () => cell.kill());

  show.forming(shape, directory);
  cell.start();
  void announce(cell, shape, directory, run, () => stopping);
  const code = await cell.ended;
  if (stopping) show.stopped();
  return code;
}

async function announce(
  cell: LocalCell,
  shape: CellShape,
  directory: string,
  run: LocalCellRun,
  stopping: () => boolean,
): Promise<void> {
  const endpoints = cell.members.map(({ url }) => url);
  const onWaiting = (why: string) => run.show.waiting(why);
  for (;;) {
    try {
      const { status } = await waitFor(parseCondition('master'), { endpoints, timeoutMs: run.timeoutMs, onWaiting });
      if (stopping()) return;
      const { master, epoch, id } = status.cell;
      if (id !== null) await expectCell(endpoints, id).catch(() => {});
      run.show.up({ master: master ?? '', epoch, directory, basePort: shape.basePort, members: cell.members });
      return;
    } catch (error) {
      if (stopping()) return;
      run.show.late((error as Error).message);
    }
  }
}
