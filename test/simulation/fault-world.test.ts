/** Faults end all at once, whatever was planned, and whatever was waited for. */
import { expect, test } from 'vitest';
import { FaultWorld } from '../../src/simulator/faults/world.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';

const worldOf = (scheduler: Scheduler): FaultWorld =>
  new FaultWorld({ scheduler } as unknown as ConstructorParameters<typeof FaultWorld>[0]);

test('what waits for the end of something else does not happen once all faults have been ended', () => {
  const world = worldOf(new Scheduler());
  const told: string[] = [];
  const [early, late] = [1, 2].map(() => world.unlessEnded((what: string) => void told.push(what)));
  early?.('while there are faults');
  world.stop();
  late?.('after their end');
  expect(told).toEqual(['while there are faults']);
});

test('what was begun before the end does not happen among faults that are begun anew', () => {
  const world = worldOf(new Scheduler());
  const told: string[] = [];
  const before = world.unlessEnded(() => void told.push('before'));
  world.stop();
  world.goOn();
  before();
  world.unlessEnded(() => void told.push('anew'))();
  expect(told).toEqual(['anew']);
});
