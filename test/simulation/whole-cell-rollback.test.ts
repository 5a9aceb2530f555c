/**
 * A whole simulated cell goes back to an older state: all disks at once, which nothing in the cell can know. One client remembers.
 * Whatever it asks of whomever, it is never given an older state, and in the end the cell is frozen (design §4 "Position mark").
 */
import { describe, expect, it } from 'vitest';
import { QuietCell } from './quiet-cell.ts';

async function lostMark(cell: QuietCell): Promise<string> {
  const { random } = cell;
  await cell.start();
  for (let i = 0; i < 1 + random.below(6); i++) await cell.write();
  await cell.run(random.between(0, 3_000));
  const images = cell.machines.map((machine) => machine.disk.copy().image);
  let mark = '';
  for (let i = 0; i < 1 + random.below(6); i++) {
    // Sometimes it has been in another epoch by then.
    if (random.chance(0.3)) {
      const machine = random.pick(cell.machines);
      machine.kill({ writes: 'process' }, random);
      machine.boot();
    }
    mark = await cell.write();
  }
  // Copies of one moment under way: as a power loss leaves them.
  for (const [i, machine] of cell.machines.entries()) machine.restore(images[i] as (typeof images)[0], random);
  return mark;
}

describe('a whole cell that went back', () => {
  it.each(Array.from({ length: 40 }, (_, i) => i + 1))(
    'gives a client that remembers nothing older, and freezes (seed %i)',
    async (seed) => {
      const cell = new QuietCell(seed);
      const { random, machines } = cell;
      const mark = await lostMark(cell);
      // Others who remember nothing may take it far beyond the mark.
      for (let i = 0; i < random.below(20); i++) await cell.write();
      const frozen = (): boolean => machines.every(({ log }) => log?.frozen != null);
      for (let asked = 0; asked < 400 && !frozen(); asked++) {
        const machine = random.pick(machines);
        if (random.chance(0.02)) {
          machine.kill({ writes: 'process' }, random);
          machine.boot();
        }
        const stale = random.chance(0.5);
        const reply = await cell.ask(machine, { kind: 'read', key: 'k', stale, mark });
        expect(reply.kind, JSON.stringify(reply)).not.toBe('read');
        await cell.run(random.between(1, 100));
      }
      await cell.until(frozen);
      for (const machine of machines) {
        expect(await cell.ask(machine, { kind: 'read', key: 'k', stale: true, mark: null })).not.toHaveProperty(
          'value',
        );
      }
    },
    30_000,
  );
});
