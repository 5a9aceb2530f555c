/**
 * The entry of a worker thread: runs the cells that it is sent, one after another, and says now and then how far it is.
 *
 * Like the programs in `bin/` it does something when it is loaded; nobody imports it. The build makes it a file of its own.
 */
import { parentPort } from 'node:worker_threads';
import { type CellOptions, SimulatedCell } from './cell.ts';
import type { FromWorker } from './worker-pool.ts';

const pulseMs = 200;
const send = (message: FromWorker): void => parentPort?.postMessage(message);

parentPort?.on('message', async (options: CellOptions) => {
  const cell = new SimulatedCell(options);
  // Reads the clock of the wall, and nothing of the run depends on when it does.
  const pulse = setInterval(() => send({ kind: 'pulse', ...cell.pulse }), pulseMs);
  try {
    send({ kind: 'report', report: await cell.run() });
  } finally {
    clearInterval(pulse);
  }
});
