/** What members of a cell of three report, for decisions and prices of new generations. */
import { createHash } from 'node:crypto';
import type { RecoverReport } from '../../src/formats/recovery.ts';
import type { Backup } from '../../src/operator/restore/price.ts';

const settings = { alpha: 32, leaseMs: 500, driftPpm: 10_000 };
const names = ['n1', 'n2', 'n3'];
const members = names.map((name) => ({ name, url: `http://${name}`, role: 'voter', voting: true, incarnation: 1 }));
export const epochsOfReport = [
  { epoch: 1, instance: 1, id: 'one', revision: 0 },
  { epoch: 2, instance: 20, id: 'two', revision: 12 },
];

/** Applied up to `instance`, one revision each, in epoch 2. */
export const report = (member: string, instance: number, more: Partial<RecoverReport> = {}): RecoverReport => ({
  member,
  incarnation: 1,
  cell: { id: 'cell-1', name: 'default' },
  generation: 1,
  generationId: 'first',
  applied: { instance, epoch: 2, epochId: 'two', revision: instance },
  logChain: createHash('sha256').update(String(instance)).digest('hex'),
  begun: { epoch: 0, instance: 0 },
  cellTimeMs: instance * 1_000,
  entryCount: instance,
  setAside: false,
  disk: 'compared',
  chosenUpTo: instance,
  epochs: epochsOfReport,
  generations: [],
  entries: [],
  unreadable: 0,
  highest: instance,
  members,
  settings,
  frozen: null,
  attempt: null,
  ready: [],
  ...more,
});

/** Of their cell, at instance and revision 25, in epoch 2. */
export const backupOfReports: Backup = {
  file: 'old.snapshot',
  cell: 'cell-1',
  generation: 1,
  instance: 25,
  epoch: 2,
  epochId: 'two',
  revision: 25,
  epochs: epochsOfReport,
  entries: 20,
  cellTimeMs: 25_000,
  level: 1,
  logChain: 'cd'.repeat(32),
  digest: 'ef'.repeat(32),
  bytes: 700,
};
