/**
 * What is wrong when an operator types a command, which is often why it is typed: a voter whose messages wait, one that has only just come
 * back and is out of the operator's reach, a cell that falls apart as the change is chosen.
 *
 * Source: pitfalls D10, P39, P49, O9. Each trouble ends by itself, or when all faults end.
 */
import type { Random } from '../../core/random.ts';
import type { ClientNetwork } from '../client-network.ts';
import type { Machine } from '../machine.ts';
import type { SimulatedNetwork } from '../network.ts';
import type { Observer } from '../observer.ts';
import type { Scheduler } from '../virtual-clock.ts';

export type Trouble = {
  /**
   * - `mute`: what it says to other members waits, as do those in `also`, and questions over new connections are answered
   * - `just-back`: it was restarted a moment ago, and the operator does not reach it
   * - `apart`: as the change is chosen, nobody reaches anybody
   * - `dies-knowing`: as it is chosen, the disk of the master hangs, and then the power goes there
   */
  readonly what: 'mute' | 'just-back' | 'apart' | 'dies-knowing';
  /** Of those that wait for the choice: nobody. */
  readonly member: string;
  /** Of `mute`: others, so that no voter more can be done without. */
  readonly also?: readonly string[];
  /** From its beginning to the command; of those that wait for the choice: from that on. */
  readonly beforeMs: number;
  readonly forMs: number;
};

export interface TroubleWorld {
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly clientNetwork: ClientNetwork;
  readonly machines: readonly Machine[];
  readonly observer: Observer;
}

/** `goesOn`: not all faults have been ended since. */
export function begin(
  { clientNetwork, machines, network, observer, scheduler }: TroubleWorld,
  { also = [], beforeMs, forMs, member, what }: Trouble,
  { goesOn, random }: { readonly goesOn: () => boolean; readonly random: Random },
): void {
  const later = (ms: number, action: () => void): void => void scheduler.after(ms, () => goesOn() && action());
  const names = machines.map(({ name }) => name);
  switch (what) {
    case 'mute':
      for (const one of [member, ...also]) for (const other of names) if (other !== one) network.clog(one, other);
      return later(beforeMs + forMs, () => {
        for (const one of [member, ...also]) for (const other of names) if (other !== one) network.discard(one, other);
      });
    case 'just-back': {
      const machine = machines.find(({ name }) => name === member);
      if (machine === undefined || !machine.up || machine.halted !== null) return;
      machine.kill({ writes: 'process' }, random);
      clientNetwork.cut(member);
      later(beforeMs * random.between(0.5, 2), () => machine.up || machine.boot());
      return later(beforeMs + forMs, () => clientNetwork.mend(member));
    }
    case 'dies-knowing':
      observer.atChange = {
        when: 'chosen',
        strike: () => {
          const machine = machines.find((it) => it.front.believer()?.serving != null);
          if (machine === undefined || !goesOn()) return;
          const { knobs } = machine.disk;
          knobs.slowFlushChance = 1;
          knobs.slowFlushMs = [2 * forMs, 3 * forMs];
          machine.ailments.slowUntilMs = Math.max(machine.ailments.slowUntilMs, scheduler.nowMs + 4 * forMs);
          later(forMs, () => {
            knobs.slowFlushChance = 0;
            if (!machine.up) return;
            machine.kill({ writes: 'lost', names: 'lost' }, random);
            later(beforeMs, () => machine.up || machine.boot());
          });
        },
      };
      return;
    case 'apart':
      observer.atChange = {
        when: 'chosen',
        strike: () =>
          later(beforeMs, () => {
            const pairs = names.flatMap((from) => names.map((to) => [from, to] as const));
            for (const [from, to] of pairs) if (from !== to) network.cut(from, to);
            later(forMs, () => {
              for (const [from, to] of pairs) if (from !== to) network.mend(from, to);
            });
          }),
      };
  }
}

/** A change of the members waits so long until it governs and is known. */
const settledMsMax = 6_000;

/** What goes with a command about `member`, in the place of `old`; null where nothing is to be wrong. */
export function drawTrouble(
  {
    command,
    member,
    old,
    leaseMs,
    voters,
  }: {
    readonly command: string;
    readonly member: string;
    readonly old: string;
    readonly leaseMs: number;
    readonly voters: readonly string[];
  },
  random: Random,
): Trouble | null {
  if (!random.chance(0.3)) return null;
  const forMs = leaseMs * random.betweenLogarithmic(1, 10);
  if (command === 'replace' && random.chance(0.8)) {
    return { what: 'just-back', member: old, beforeMs: leaseMs * random.betweenLogarithmic(0.02, 1), forMs };
  }
  const beforeMs = leaseMs * random.betweenLogarithmic(0.001, 0.5);
  if (command === 'remove' && random.chance(voters.length <= 3 ? 0.5 : 0.1)) {
    return { what: 'dies-knowing', member: '', beforeMs, forMs: leaseMs * random.betweenLogarithmic(0.05, 2) };
  }
  if (random.chance(0.3)) return { what: 'apart', member: '', beforeMs, forMs: settledMsMax + 3 * forMs };
  const others = voters.filter((name) => name !== member && name !== old);
  if (others.length === 0) return null;
  const mute = random.pick(others);
  // As many as the others can just do without: whoever goes then is one too many.
  const more = random.fork('also');
  const spare = Math.ceil(voters.length / 2) - 2;
  const also = more.chance(0.5)
    ? more.shuffle(others.filter((name) => name !== mute)).slice(0, Math.max(0, spare))
    : [];
  return { what: 'mute', member: mute, also, beforeMs: leaseMs * random.between(2, 5), forMs };
}
