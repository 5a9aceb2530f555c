/**
 * What an operator does next, as data: a command of `src/operator` with its arguments, right or wrong, where it is killed, how often it
 * is typed again, and what becomes of the machine that it is about.
 *
 * Source: pitfalls O9 to O11, P47 to P49. Drawn from the cell as somebody sees it who sees everything; by the time it runs the cell may
 * be another one, which is what operators meet too.
 */
import type { Random } from '../../core/random.ts';
import { drawKill, type Kill } from './desk.ts';
import { drawTrouble, type Trouble } from './trouble.ts';

export type OrderKind = 'add' | 'remove' | 'replace' | 'promote' | 'rebuild' | 'drain' | 'transfer';

export type Order = {
  readonly command: OrderKind;
  /** The member that it is about; of `replace` the new one. */
  readonly member: string;
  /** Of `replace`: whose place it takes. */
  readonly old: string;
  /** Another address than its own, or empty. */
  readonly url: string;
  /** `--no-promote` of `add`. */
  readonly spare: boolean;
  readonly allowNoSpare: boolean;
  /** Of `drain`; null ends one. */
  readonly forMs: number | null;
  /** Its arguments name nobody, or somebody else: it must be refused, or find nothing to do. */
  readonly wrong: '' | 'name' | 'address';
  /** The machine of a member that comes is started so long after the command, before it, or not at all. */
  readonly start: 'before' | 'after' | 'never';
  readonly startMs: number;
  /** `--rebuild` on the command line of that start. */
  readonly rebuild: boolean;
  /** What it finds there: what was left, or nothing. */
  readonly disk: 'kept' | 'empty';
  readonly kill: Kill | null;
  /** Typed so often at the most, until it says that it is done. */
  readonly runs: number;
  readonly pauseMs: number;
  /** Who comes runs a program at first that does not speak the level of the cell. */
  readonly strange?: boolean;
  /** What is wrong when it is typed first. */
  readonly trouble?: Trouble | null;
};

/** The cell, as somebody who sees everything draws from it. */
export interface Scene {
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** Machines of no member, to be had. */
  readonly spares: readonly string[];
  /** Members whose replica has ended for good, and that an operator must help. */
  readonly broken: readonly string[];
  readonly leaseMs: number;
  /** Voters go rather than come. */
  readonly keptSmall?: boolean;
  /** Its level rises: whoever comes may run a program of another time. */
  readonly upgraded?: boolean;
}

const votersMax = 7;
const strangers = ['n99', 'n3-old', 'typo'];

/** Some commands one after another. */
export function drawOrders(scene: Scene, random: Random): readonly Order[] {
  const count = 1 + random.below(3);
  const orders: Order[] = [];
  let now = scene;
  for (let i = 0; i < count; i++) {
    const order = withProgram(withTrouble(drawOrder(now, random), now, random), now, random.fork(`program ${i}`));
    orders.push(order);
    now = after(now, order);
  }
  return orders;
}

/** The same scene, had the command done what it says. */
function after(scene: Scene, { command, member, old, spare, wrong }: Order): Scene {
  if (wrong !== '') return scene;
  const without = (names: readonly string[], gone: string): string[] => names.filter((name) => name !== gone);
  const { voters, learners, spares } = scene;
  switch (command) {
    case 'add':
      if (spare) return { ...scene, learners: [...learners, member], spares: without(spares, member) };
      return { ...scene, voters: [...voters, member], spares: without(spares, member) };
    case 'remove':
      return { ...scene, voters: without(voters, member), learners: without(learners, member) };
    case 'replace':
      return { ...scene, voters: [...without(voters, old), member], spares: without(spares, member) };
    case 'promote':
      return { ...scene, voters: [...voters, member], learners: without(learners, member) };
    default:
      return scene;
  }
}

const strangeShare = 0.25;

function withProgram(order: Order, { upgraded = false }: Scene, random: Random): Order {
  const comes = order.command === 'add' || order.command === 'replace';
  return upgraded && comes && order.start !== 'never' ? { ...order, strange: random.chance(strangeShare) } : order;
}

const changes: readonly OrderKind[] = ['add', 'remove', 'replace', 'promote'];

function withTrouble(order: Order, { leaseMs, voters }: Scene, random: Random): Order {
  const { command, member, old, wrong } = order;
  if (wrong !== '' || !changes.includes(command)) return order;
  const trouble = drawTrouble({ command, member, old, leaseMs, voters }, random);
  if (trouble === null) return order;
  // Where somebody is in trouble, a spare is the first that is given up.
  const given = { ...order, trouble, allowNoSpare: order.allowNoSpare || random.chance(0.5) };
  // Of whoever waits for its admission at that moment.
  return trouble.what === 'just-back' ? { ...given, kill: null, start: 'before', disk: 'empty' } : given;
}

function drawOrder(scene: Scene, random: Random): Order {
  const { voters, learners, spares, broken, leaseMs } = scene;
  const plain: Order = {
    ...{ command: 'transfer', member: random.pick(voters), old: '', url: '', spare: false, allowNoSpare: false },
    ...{
      forMs: null,
      wrong: '',
      start: 'never',
      startMs: leaseMs * random.betweenLogarithmic(0.1, 10),
      rebuild: false,
    },
    disk: random.chance(0.7) ? 'empty' : 'kept',
    kill: random.chance(0.5) ? drawKill(random.below(random.chance(0.5) ? 4 : 20), leaseMs, random) : null,
    runs: 1 + random.below(3),
    pauseMs: leaseMs * random.betweenLogarithmic(0.05, 10),
  };
  const start = random.chance(0.6) ? 'before' : random.chance(0.8) ? 'after' : 'never';
  if (random.chance(0.12)) return wrongOrder(scene, plain, random);
  if (broken.length > 0 && random.chance(0.7)) {
    const old = random.pick(broken);
    if (spares.length > 0 && random.chance(0.3)) {
      return { ...plain, command: 'replace', member: random.pick(spares), old, start };
    }
    return { ...plain, command: 'rebuild', member: old, start, rebuild: random.chance(0.5) };
  }
  const possible: Order[] = [
    { ...plain, command: 'transfer', member: random.chance(0.5) ? '' : plain.member },
    { ...plain, command: 'drain', forMs: random.chance(0.2) ? null : 1_000 + random.below(10_000) },
    // Of one that is well, which changes nothing.
    { ...plain, command: 'rebuild' },
  ];
  // Down to two, and to one, the last spare must be given up.
  const allowNoSpare = random.chance(voters.length <= 3 ? 0.5 : 0.2);
  if (spares.length > 0 && voters.length < votersMax) {
    const add: Order = { ...plain, command: 'add', member: random.pick(spares), start, spare: random.chance(0.3) };
    possible.push(add, add);
  }
  if (spares.length > 0) {
    const replace: Order = { ...plain, command: 'replace', member: random.pick(spares), old: plain.member, start };
    possible.push(replace, replace);
  }
  const remove: Order = { ...plain, command: 'remove', allowNoSpare };
  if (voters.length > 1) possible.push(remove);
  if (voters.length > 3) possible.push(remove, remove);
  if (scene.keptSmall === true && voters.length > 1 && random.chance(0.6)) return { ...remove, allowNoSpare: true };
  if (learners.length > 0) {
    const member = random.pick(learners);
    possible.push({ ...plain, command: 'promote', member }, { ...plain, command: 'remove', member });
  }
  return random.pick(possible);
}

/** A name that is nobody's, or an address that is somebody else's. */
function wrongOrder({ learners, voters, spares }: Scene, plain: Order, random: Random): Order {
  // In the place of itself, and where it is: of whoever has no vote no rule about voters keeps it.
  const own = random.fork('own place');
  if (learners.length > 0 && own.chance(0.5)) {
    const member = own.pick(learners);
    return { ...plain, command: 'replace', member, old: member, wrong: 'name' };
  }
  const nobody = random.pick(strangers);
  const somebody = random.pick(voters);
  const spare = spares.length > 0 ? random.pick(spares) : nobody;
  const anew = `http://${spare}.simulated`;
  const address = random.chance(0.5) ? `http://${somebody}.simulated` : 'http://nowhere.simulated';
  return random.pick<Order>([
    { ...plain, command: 'remove', member: nobody, wrong: 'name' },
    { ...plain, command: 'promote', member: nobody, wrong: 'name' },
    { ...plain, command: 'rebuild', member: nobody, wrong: 'name' },
    { ...plain, command: 'transfer', member: nobody, wrong: 'name' },
    { ...plain, command: 'drain', member: nobody, forMs: 1_000, wrong: 'name' },
    { ...plain, command: 'replace', member: spare, old: nobody, wrong: 'name' },
    // Nobody comes, and somebody would go: in the place of itself, and of another voter.
    { ...plain, command: 'replace', member: somebody, old: somebody, url: anew, wrong: 'name' },
    { ...plain, command: 'replace', member: random.pick(voters), old: somebody, url: anew, wrong: 'name' },
    // In the place of itself, and where it is.
    ...[...learners, somebody].map(
      (it): Order => ({ ...plain, command: 'replace', member: it, old: it, wrong: 'name' }),
    ),
    { ...plain, command: 'add', member: spare, url: address, wrong: 'address' },
    { ...plain, command: 'add', member: somebody, url: `http://${spare}.simulated`, wrong: 'address' },
    { ...plain, command: 'replace', member: spare, old: somebody, url: address, wrong: 'address' },
  ]);
}
