/**
 * New generations of the cell: somebody saves backups at some moments and goes back to one at others, while everything else may go
 * wrong. Source: design §3 "Generations"; pitfall O11; PML §7.
 */
import { drawGenerations, type GenerationOrder } from '../operators/generation-order.ts';
import { fault } from './world.ts';

export const generationFaults = {
  'backup-sequence': fault({
    draw: (world, random) => (world.generations === null ? null : { member: world.anyone(random) }),
    strike: ({ generations, fail }, { member }) => {
      if (generations === null) return false;
      generations.save(member).catch(fail);
      return true;
    },
  }),

  'restore-sequence': fault({
    draw: ({ generations, profile }, random) =>
      generations === null || generations.busy || !generations.hasBackups
        ? null
        : { orders: drawGenerations(profile.leaseMs, random) },
    strike: (world, { orders }, random) => {
      const { generations } = world;
      if (generations === null || generations.busy) return false;
      generations.perform(orders as readonly GenerationOrder[], random).then(
        () => world.count('restore-sequence'),
        (error: Error) => world.fail(error),
      );
      // Counted when it is over.
      return false;
    },
  }),
};
