/** The world as it is, for the program that makes a new generation: members over HTTP, and the files of this machine. */
import { createHash, randomBytes } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { StateFile } from '../../client/state-file.ts';
import { survey } from '../cell-status.ts';
import { saveSnapshot } from '../snapshot-save.ts';
import { askReport, askStep, getStatus } from './ask.ts';
import { writeState } from './collected.ts';
import type { GenerationWorld } from './world.ts';

export const realWorld: GenerationWorld = {
  survey: ({ endpoints, timeout }) => survey(endpoints, timeout),
  report: askReport,
  status: getStatus,
  step: askStep,
  knownCell: (cellId) => new StateFile().knownCell(cellId).catch(() => null),
  newestMark: (cellId) => new StateFile().newestMark(cellId).catch(() => null),
  identity: (file) => stat(file).catch(() => null),
  openFile: (file) => open(file, 'r'),
  writeFile: writeState,
  removeFile: (file) => rm(file, { force: true }),
  saveHeld: (cell, held) =>
    saveSnapshot(cell, { ...held, overwrite: false, unconfirmed: 'as-it-is', onProgress: () => undefined }),
  sha256: (...parts) => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest();
  },
  newId: () => randomBytes(16).toString('hex'),
  nowMs: () => performance.now(),
  sleep: (ms) => sleep(ms),
};
