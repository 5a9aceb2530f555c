/**
 * Promises that a cell relies on, broken on purpose: what no replica can see today, and a checker must. Only for tests.
 *
 * - `disks-forget` (D6): flushes are reported that were not done. A log whose last groups are gone looks like one that never had them.
 * - `directory-rolled-back` (D15): one whole data directory goes back in time; its peers remember, and are not asked yet.
 * - `clocks-run-wild` (C2): a master's clocks run at a tenth of their pace, far beyond the bound that the cell was promised.
 */
import { Random } from '../core/random.ts';
import type { Machine } from './machine.ts';
import type { Scheduler } from './virtual-clock.ts';

export const sabotages = ['disks-forget', 'directory-rolled-back', 'clocks-run-wild'] as const;
export type Sabotage = (typeof sabotages)[number];

export function sabotage(kind: Sabotage, machines: readonly Machine[], scheduler: Scheduler): void {
  switch (kind) {
    case 'disks-forget':
      for (const { disk } of machines) disk.knobs.lostWriteChance = 0.05;
      return;
    case 'directory-rolled-back':
      return rollBack(machines, scheduler, 1);
    case 'clocks-run-wild':
      return slowMasters(machines, scheduler);
  }
}

/** Whoever serves believes in its lease ten times too long. */
function slowMasters(machines: readonly Machine[], scheduler: Scheduler): void {
  for (const machine of machines) machine.clock.setDrift(machine.front.believer()?.serving != null ? -900_000 : 0);
  scheduler.after(100, () => slowMasters(machines, scheduler));
}

/** One replica after another is restarted from a copy of its disk that is some seconds old. */
function rollBack(machines: readonly Machine[], scheduler: Scheduler, nth: number): void {
  const machine = machines[nth % machines.length] as Machine;
  const copy = machine.disk.image.copy();
  scheduler.after(3_000, () => {
    machine.restore(copy, new Random(nth));
    rollBack(machines, scheduler, nth + 1);
  });
}
