/** Links that are cut, clogged or flicker. Source: pitfalls §2, N5 to N9, N15. Loss, delay and the like are steady: `network-faults`. */
import type { Random } from '../../core/random.ts';
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

type Groups = { readonly groups: readonly (readonly string[])[]; readonly forMs: number };

function partition(world: FaultWorld, { groups, forMs }: Groups, kind: string): void {
  const { network } = world;
  world.note('', kind, groups.map((group) => group.join('+')).join(' | '));
  network.partition(groups);
  world.later(forMs, () => network.partition([]));
}

const alone = (world: FaultWorld, random: Random, member: string): Groups => ({
  groups: [[member], world.names.filter((name) => name !== member)],
  forMs: world.leases(random, 0.1, 30),
});

type Cut = { readonly from: string; readonly to: string; readonly forMs: number };

function cut(world: FaultWorld, { from, to, forMs }: Cut): void {
  world.network.cut(from, to);
  world.later(forMs, () => world.network.mend(from, to));
}

const drawCut = (world: FaultWorld, random: Random): Cut => {
  const [from, to] = world.pair(random);
  return { from, to, forMs: world.leases(random, 0.1, 30) };
};

type Clogs = {
  readonly links: readonly {
    readonly from: string;
    readonly to: string;
    readonly afterMs: number;
    readonly untilMs: number;
  }[];
};

/** Several links clog one by one and open again in another order (N5). */
function drawClogs(world: FaultWorld, random: Random, links: readonly (readonly [string, string])[]): Clogs {
  const spreadMs = world.leases(random, 0.1, 5);
  const lastsMs = world.leases(random, 0.1, 10);
  return {
    links: links.map(([from, to]) => ({
      from,
      to,
      afterMs: random.next() * spreadMs,
      untilMs: spreadMs + lastsMs + random.next() * spreadMs,
    })),
  };
}

function clog(world: FaultWorld, { links }: Clogs, kind: string): void {
  world.note('', kind, links.length);
  for (const { from, to, afterMs, untilMs } of links) {
    world.later(afterMs, () => world.network.clog(from, to));
    world.later(untilMs, () => world.network.unclog(from, to));
  }
}

const everyPair = ({ names }: FaultWorld): readonly (readonly [string, string])[] =>
  names.flatMap((from) => names.filter((to) => to !== from).map((to) => [from, to] as const));

export const linkFaults = {
  partition: fault({
    draw: (world, random) => {
      const names = random.shuffle(world.names);
      const at = 1 + random.below(Math.max(1, names.length - 1));
      return { groups: [names.slice(0, at), names.slice(at)], forMs: world.leases(random, 0.1, 30) };
    },
    strike: (world, groups) => partition(world, groups, 'partition'),
  }),

  'isolate-one': fault({
    draw: (world, random) => alone(world, random, world.anyone(random)),
    strike: (world, groups) => partition(world, groups, 'isolate-one'),
  }),

  'isolate-master': fault({
    draw: (world, random) => alone(world, random, world.master(random)),
    strike: (world, groups) => partition(world, groups, 'isolate-master'),
  }),

  'one-way': fault({
    draw: drawCut,
    strike: (world, link) => {
      world.note('', 'one-way', link.from, link.to);
      cut(world, link);
    },
  }),

  partial: fault({
    draw: drawCut,
    strike: (world, { from, to, forMs }) => {
      world.note('', 'partial', from, to);
      cut(world, { from, to, forMs });
      cut(world, { from: to, to: from, forMs });
    },
  }),

  'flapping-link': fault({
    draw: (world, random) => {
      const [from, to] = world.pair(random);
      const periodMs = world.leases(random, 0.1, 10);
      return { from, to, periodMs, downShare: random.between(0.2, 0.8), forMs: world.leases(random, 1, 60) };
    },
    strike: (world, { from, to, periodMs, downShare, forMs }) => {
      world.note('', 'flapping-link', from, to);
      world.network.flicker(from, to, periodMs, downShare);
      world.later(forMs, () => world.network.steady(from, to));
    },
  }),

  clog: fault({
    draw: (world, random) => drawClogs(world, random, [world.pair(random)]),
    strike: (world, clogs) => clog(world, clogs, 'clog'),
  }),

  swizzle: fault({
    draw: (world, random) => drawClogs(world, random, everyPair(world)),
    strike: (world, clogs) => clog(world, clogs, 'swizzle'),
  }),

  'client-cut': fault({
    draw: (world, random) => ({ member: world.someone(random), forMs: world.leases(random, 0.5, 20) }),
    strike: (world, { member, forMs }) => {
      world.note(member, 'client-cut');
      world.clientNetwork.cut(member);
      world.later(forMs, () => world.clientNetwork.mend(member));
    },
  }),

  /** Its connections stay open and nothing that comes in is read any more; in the end they break, and all of it is gone. */
  'half-open': fault({
    draw: (world, random) => ({ member: world.someone(random), forMs: world.leases(random, 0.5, 20) }),
    strike: (world, { member, forMs }) => {
      const { network, clientNetwork } = world;
      world.note(member, 'half-open', forMs);
      const others = world.names.filter((name) => name !== member);
      for (const name of others) network.clog(name, member);
      clientNetwork.deafen(member);
      world.later(forMs, () => {
        for (const name of others) network.discard(name, member);
        clientNetwork.hear(member);
      });
    },
  }),
};
