/**
 * Sequences of operators' commands beside everything else that goes wrong. Source: pitfalls §2, O9 to O11; design §1.
 *
 * Each command is that of `src/operator`, killed at some call to the cell and typed again as often as drawn.
 */
import type { Crew } from '../operators/crew.ts';
import { drawOrders, type Order, type Scene } from '../operators/order.ts';
import type { Profile } from '../profile.ts';
import { fault } from './world.ts';

const sceneOf = (crew: Crew, { keptSmall = false, upgraded = false }: Profile): Scene => ({
  ...crew.scene(),
  keptSmall,
  upgraded,
});

export const sequenceFaults = {
  'operator-sequence': fault({
    draw: ({ crew, profile }, random) =>
      crew === null || crew.busy ? null : { orders: drawOrders(sceneOf(crew, profile), random) },
    strike: (world, { orders }, random) => {
      const { crew } = world;
      if (crew === null || crew.busy) return false;
      void crew.perform(orders as readonly Order[], random).then(() => world.count('operator-sequence'));
      // Counted when it is over.
      return false;
    },
  }),
};
