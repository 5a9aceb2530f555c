/**
 * Faults that need hooks in the process: an end at a drawn point, cut links, operations of the disk that fail or hang,
 * mastership given up. Every member but at most one must run the hooked program, so that each link has a hooked end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Random } from '../../../src/core/random.ts';
import type { CellProcess } from '../cell-process.ts';
import type { HookReport } from '../hooks/hooked-world.ts';
import { Hooks, ordersOf, startWith, untilHealed } from '../hooks/hooks.ts';
import type { Act, Moment } from '../hooks/points.ts';
import type { Exit, ReplicaChild } from '../replica-child.ts';
import { until } from '../until.ts';
import type { Fault } from './faults.ts';

/** A point that is not reached in this time is not waited for: the replica is killed where it is. */
const reachedMsMax = 4_000;

const ofMasters = ['wal.write-flush', 'send.accept', 'receive.accepted'] as const;
const ofFollowers = ['wal.write-flush', 'receive.accept', 'send.accepted'] as const;

/** Of members that take snapshots and begin new segments all the time. */
const upkeep = [
  'new-snapshot.create',
  'new-snapshot.write',
  'new-snapshot.flush',
  'snapshot.publish',
  'snapshot.retire',
  'new-manifest.flush',
  'manifest.publish',
  'root.flush-names',
  'scratch.flush-names',
  'new-wal.write',
  'new-wal.flush',
  'wal.publish',
  'wal.retire',
  'new-wal.remove',
] as const;

const ofElections = [
  'receive.pre-vote',
  'receive.pre-vote-reply',
  'receive.prepare',
  'receive.promise',
  'send.pre-vote',
  'send.prepare',
  'send.promise',
  'promise.write-flush',
  'wal.write-flush',
] as const;

const ofStarts = [
  'promise.write',
  'promise.flush',
  'new-wal.create',
  'new-wal.write',
  'new-wal.flush',
  'new-manifest.flush',
  'manifest.publish',
  'wal.publish',
  'root.flush-names',
  'scratch.flush-names',
  'send.catch-up',
  'receive.catch-up-reply',
] as const;

const hooked = (members: readonly ReplicaChild[]): ReplicaChild[] =>
  members.filter(({ runsTestProgram }) => runsTestProgram);
const momentOf = (random: Random): Moment => (random.chance(0.5) ? 'before' : 'after');

/** Its end by a trap; null, and `kill -9`, when the point was not reached. */
async function ended(member: ReplicaChild, set: () => Promise<HookReport | null>): Promise<Exit | null> {
  const end = member.end(reachedMsMax).catch(() => null);
  void set();
  const exit = await end;
  if (exit === null && member.running) await member.kill();
  return exit;
}

async function back(member: ReplicaChild, random: Random): Promise<void> {
  await sleep(random.below(600));
  member.start();
}

async function crashed(member: ReplicaChild, point: string, nth: number, random: Random): Promise<string> {
  const moment = momentOf(random);
  const exit = await ended(member, () => new Hooks(member).trap(moment, point, { kind: 'crash' }, nth));
  return `${member.name} ${moment} ${point}${nth === 1 ? '' : ` no. ${nth}`}${exit === null ? ', not reached' : ''}`;
}

// --- links -----------------------------------------------------------------------------------------------------------

/** Nothing that `from` sends reaches `to`. */
function cutLink(from: ReplicaChild, to: ReplicaChild): Promise<HookReport | null> {
  return from.runsTestProgram ? new Hooks(from).cut([to], 'to') : new Hooks(to).cut([from], 'from');
}

async function cutLinks(from: readonly ReplicaChild[], to: readonly ReplicaChild[]): Promise<void> {
  await Promise.all(from.flatMap((one) => to.filter((other) => other !== one).map((other) => cutLink(one, other))));
}

const healed = (cell: CellProcess): Promise<unknown> =>
  Promise.all(
    hooked(cell.members)
      .filter(({ running }) => running)
      .map((member) => new Hooks(member).heal()),
  );

/** Somebody of `candidates` serves with a lease. */
function mastered(cell: CellProcess, candidates: readonly ReplicaChild[]): Promise<true> {
  return until(`one of ${candidates.map(({ name }) => name)} is master`, async () => {
    const statuses = await Promise.all(candidates.map((member) => member.status()));
    cell.refuseUnexpectedEnds();
    return statuses.some((status) => status?.role === 'master' && status.lease.held);
  });
}

const leases = (cell: CellProcess, random: Random, least: number, most: number): Promise<void> =>
  sleep(cell.leaseMs * random.between(least, most));

async function apart(
  cell: CellProcess,
  random: Random,
  links: readonly (readonly [from: readonly ReplicaChild[], to: readonly ReplicaChild[]])[],
  serving: readonly ReplicaChild[] | null,
): Promise<void> {
  try {
    for (const [from, to] of links) await cutLinks(from, to);
    if (serving !== null) await mastered(cell, serving);
    await leases(cell, random, 0.5, 3);
  } finally {
    await healed(cell);
  }
}

// --- mastership ------------------------------------------------------------------------------------------------------

/** Asks `master` to hand over; null when it did, else the code of its refusal. */
export async function handOver(master: ReplicaChild, to: ReplicaChild | null): Promise<string | null> {
  const { statusCode, body } = await request(`${master.url}/v1/master/transfer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(to === null ? {} : { to: to.name }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await body.text();
  return statusCode === 200 ? null : String((JSON.parse(text) as { code?: string }).code);
}

/** Until `to` is master. Refusals are for members that are not caught up yet. */
async function mastershipTo(cell: CellProcess, to: ReplicaChild): Promise<void> {
  let refusal: string | null = null;
  await until(
    `${to.name} is master`,
    async () => {
      const master = await cell.master();
      if (master === to) return true;
      refusal = await handOver(master, to).catch((error: Error) => error.message);
      return false;
    },
    { explain: () => `Last refusal: ${refusal}` },
  );
}

async function hookedMaster(cell: CellProcess, random: Random): Promise<ReplicaChild> {
  const master = await cell.master();
  if (master.runsTestProgram) return master;
  const successor = random.pick(hooked(cell.members));
  await mastershipTo(cell, successor);
  return successor;
}

const fatal: readonly (readonly [point: string, moment: Moment, act: Act, exit: number])[] = [
  ['wal.write-flush', 'before', { kind: 'fail', reason: 'io' }, 1],
  ['wal.write-flush', 'after', { kind: 'fail', reason: 'io' }, 1],
  ['wal.write-flush', 'before', { kind: 'fail', reason: 'full' }, 26],
  ['manifest.publish', 'after', { kind: 'fail', reason: 'io' }, 1],
  ['manifest.publish', 'before', { kind: 'fail', reason: 'io' }, 1],
  ['root.flush-names', 'after', { kind: 'fail', reason: 'io' }, 1],
];

export const hookFaults: readonly Fault[] = [
  {
    name: 'end a replica at a point of its work',
    strike: async (cell, random) => {
      const member = random.pick(hooked(cell.members));
      const points = member === (await cell.master()) ? ofMasters : ofFollowers;
      const drawn = await crashed(member, random.pick(points), 1 + random.below(12), random);
      await back(member, random);
      return drawn;
    },
  },
  {
    name: 'cut the master off',
    strike: async (cell, random) => {
      const master = await cell.master();
      const others = cell.others(master);
      await apart(
        cell,
        random,
        [
          [[master], others],
          [others, [master]],
        ],
        others,
      );
    },
  },
  {
    name: 'an operation of the disk fails',
    strike: async (cell, random) => {
      const member = random.pick(hooked(cell.members));
      const [point, moment, act, code] = random.pick(fatal);
      const exit = await ended(member, () => new Hooks(member).trap(moment, point, act));
      if (exit !== null && exit.code !== code) {
        throw new Error(`${member.name} ended with ${JSON.stringify(exit)} and not with ${code}.`);
      }
      await back(member, random);
      return `${member.name} ${moment} ${point}${exit === null ? ', not reached' : `, exit ${code}`}`;
    },
  },
  {
    name: 'a flush of the master hangs, and mastership moves and comes back',
    strike: async (cell, random) => {
      const master = await hookedMaster(cell, random);
      const moment = momentOf(random);
      try {
        await new Hooks(master).trap(moment, 'wal.write-flush', { kind: 'hold', ms: untilHealed });
        await mastered(cell, cell.others(master));
        await leases(cell, random, 0, 2);
      } finally {
        await healed(cell);
      }
      await mastershipTo(cell, master);
      return `${master.name} ${moment}`;
    },
  },
  {
    name: 'the master resigns',
    strike: async (cell, random) => {
      const master = await hookedMaster(cell, random);
      const epoch = (await master.status())?.epoch ?? 0;
      await new Hooks(master).resign();
      await until('there is a new epoch', async () => {
        const statuses = await cell.statuses();
        return statuses.some((status) => status !== null && status.role === 'master' && status.epoch > epoch);
      });
    },
  },
  {
    name: 'end replicas at a point of an election',
    strike: async (cell, random) => {
      const master = await cell.master();
      const victim = random.pick(hooked(cell.others(master)));
      const drawn = crashed(victim, random.pick(ofElections), 1, random);
      await master.kill();
      await drawn;
      await back(victim, random);
      await back(master, random);
      return drawn;
    },
  },
  {
    name: 'end a replica at a point of its start',
    strike: async (cell, random) => {
      const member = random.pick(hooked(cell.members));
      await member.kill();
      await sleep(random.below(400));
      const point = random.pick(ofStarts);
      const moment = momentOf(random);
      const nth = 1 + random.below(2);
      startWith(member, ordersOf({ point, moment, nth, act: { kind: 'crash' } }));
      const exit = await ended(member, async () => null);
      await back(member, random);
      return `${member.name} ${moment} ${point} no. ${nth}${exit === null ? ', not reached' : ''}`;
    },
  },
  {
    name: 'end a replica at a point of its upkeep',
    strike: async (cell, random) => {
      const members = hooked(cell.members);
      const reports = await Promise.all(members.map((member) => new Hooks(member).report()));
      const busy = members.filter((_, at) => 'snapshot.publish' in reports[at]!.passed);
      const member = random.pick(busy.length === 0 ? members : busy);
      const drawn = await crashed(member, random.pick(upkeep), 1, random);
      await back(member, random);
      return drawn;
    },
  },
  {
    name: 'nobody hears the master',
    strike: async (cell, random) => {
      const master = await cell.master();
      const others = cell.others(master);
      await apart(cell, random, [[[master], others]], others);
    },
  },
  {
    name: 'the master hears nobody',
    strike: async (cell, random) => {
      const master = await cell.master();
      const others = cell.others(master);
      await apart(cell, random, [[others, [master]]], others);
    },
  },
  {
    name: 'the master and another do not reach each other, the rest reach both',
    strike: async (cell, random) => {
      const master = await cell.master();
      const other = random.pick(cell.others(master));
      await apart(
        cell,
        random,
        [
          [[master], [other]],
          [[other], [master]],
        ],
        cell.members,
      );
    },
  },
  {
    name: 'a minority with the master, apart from the rest',
    strike: async (cell, random) => {
      const master = await cell.master();
      const others = random.shuffle(cell.others(master));
      const minority = [master, ...others.slice(0, cell.members.length - cell.majority - 1)];
      const rest = cell.others(...minority);
      await apart(
        cell,
        random,
        [
          [minority, rest],
          [rest, minority],
        ],
        rest,
      );
    },
  },
  {
    name: 'everybody alone',
    strike: async (cell, random) => {
      await apart(cell, random, [[cell.members, cell.members]], null);
    },
  },
  {
    name: 'the master’s event loop stands still',
    strike: async (cell, random) => {
      const master = await hookedMaster(cell, random);
      const ms = cell.leaseMs * random.between(1.1, 3);
      await new Hooks(master).stall(ms);
      await sleep(ms);
    },
  },
  {
    name: 'any operation of the disk fails once',
    strike: async (cell, random) => {
      const member = random.pick(hooked(cell.members));
      const hooks = new Hooks(member);
      const before = (await hooks.report()).passed;
      await leases(cell, random, 1, 2);
      const passed = Object.entries((await hooks.report()).passed);
      // Those that it passes again and again.
      const points = passed.flatMap(([name, times]) =>
        times > (before[name] ?? 0) && !/^(send|receive|fetch)\./.test(name) ? [name] : [],
      );
      const trap = {
        point: random.pick(points.length === 0 ? ['wal.write-flush'] : points),
        moment: momentOf(random),
        nth: 1,
      };
      const reason = random.chance(0.5) ? 'io' : 'full';
      member.expectEnd(true);
      await hooks.trap(trap.moment, trap.point, { kind: 'fail', reason });
      await leases(cell, random, 1, 4);
      const drawn = `${member.name} ${trap.moment} ${trap.point} ${reason}`;
      const reached = !member.running || (await hooks.order({ do: 'report' }))?.armed !== 1;
      // The trap may have sprung a moment ago: one that is ending does not answer any more.
      await healed(cell);
      await until(`${drawn}: it answers or ends`, async () => !member.running || (await member.status()) !== null);
      if (member.running) {
        member.expectEnd(false);
        return `${drawn}, ${reached ? 'goes on' : 'not reached'}`;
      }
      const { code } = await member.end();
      if (code !== 1 && code !== 26) throw new Error(`${drawn}: ended with ${code}.`);
      await back(member, random);
      return `${drawn}, exit ${code}`;
    },
  },
  {
    name: 'slow flushes',
    strike: async (cell, random) => {
      const members = random.shuffle(hooked(cell.members)).slice(0, 1 + random.below(cell.members.length));
      for (const member of members) {
        const act: Act = { kind: 'hold', ms: 2 + random.below(79) };
        for (let nth = 1; nth <= 30; nth++) void new Hooks(member).trap('before', 'wal.write-flush', act, nth);
      }
      await leases(cell, random, 1, 3);
      await healed(cell);
    },
  },
  {
    name: 'links cut at random, ends at points, slow flushes and lost leases at once',
    strike: async (cell, random) => {
      const drawn: string[] = [];
      const say = (what: string): void => void drawn.push(what);
      const cutShare = random.next() / 2;
      for (const from of cell.members) {
        for (const to of cell.others(from)) {
          if (!random.chance(cutShare)) continue;
          await cutLink(from, to);
          say(`${from.name}✕${to.name}`);
        }
      }
      for (const member of hooked(cell.members)) {
        const hooks = new Hooks(member);
        if (random.chance(0.4)) {
          const point = random.pick([...ofMasters, ...ofFollowers, ...ofElections]);
          const moment = momentOf(random);
          member.expectEnd(true);
          await hooks.trap(moment, point, { kind: 'crash' }, 1 + random.below(20));
          say(`${member.name} ${moment} ${point}`);
        }
        if (random.chance(0.3)) {
          const act: Act = { kind: 'hold', ms: 1 + random.below(300) };
          for (let nth = 1; nth <= 10; nth++) void hooks.trap(momentOf(random), 'wal.write-flush', act, nth);
          say(`${member.name} slow`);
        }
        if (random.chance(0.3)) {
          void hooks.resign();
          say(`${member.name} resigns`);
        }
      }
      await leases(cell, random, 1, 6);
      await healed(cell);
      for (const member of cell.members) {
        if (member.running) member.expectEnd(false);
        else await back(member, random);
      }
      return drawn.join(', ');
    },
  },
  {
    name: 'mastership is handed over',
    strike: async (cell, random) => {
      const master = await cell.master();
      await mastershipTo(cell, random.pick(cell.others(master)));
    },
  },
];
