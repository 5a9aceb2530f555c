/**
 * Whether members that an operator calls lost are there after all: they answer, a member that was asked is connected to them or was a
 * moment ago, or it hears a master there. Whoever can come back brings back everything, and goes on acknowledging meanwhile
 * (design §3 "Generations"; operators' mistakes O2, O9).
 *
 * Keeps: nothing here finds that a member is lost; it only finds what speaks against it.
 */
import { RefusedError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { RecoverReport } from '../../formats/recovery.ts';
import type { GenerationWorld } from './world.ts';

/** What one member says of itself and the others. */
export type Heard = Pick<ReplicaStatusDocument, 'name' | 'role' | 'master' | 'peers' | 'links' | 'leaseMs'>;

export interface SignOfLife {
  readonly member: string;
  /** Who says so: the member itself where it answers. */
  readonly by: string;
  /** How long ago it was heard, at the most; 0: now. */
  readonly heardMsAgo: number;
  readonly text: string;
}

export interface Asked {
  readonly statuses: readonly Heard[];
  readonly reports: readonly RecoverReport[];
}

const leaseMsDefault = 500;
/** Who was heard within so many leases is waited for until it is silent for longer, or heard again. */
const leasesHeard = 2;
const askEveryMs = 200;
const settleMsMax = 10_000;

/** Of `lost`, by name: a process on an empty disk that waits to be rebuilt brings nothing back, and one that was removed has no say. */
export function signsOfLife(lost: readonly string[], { statuses, reports }: Asked): readonly SignOfLife[] {
  const present = statuses.filter(({ role }) => role !== 'rebuilding' && role !== 'removed').map(({ name }) => name);
  const answering = lost.filter((name) => reports.some(({ member }) => member === name) || present.includes(name));
  const others = statuses.filter(({ name }) => !lost.includes(name));
  return [
    ...answering.map((name) => ({ member: name, by: name, heardMsAgo: 0, text: `${name} answers` })),
    ...others.flatMap((status) => [...connectedTo(lost, status), ...masterIn(lost, status)]),
  ];
}

function connectedTo(lost: readonly string[], { name: by, peers, links = [], leaseMs }: Heard): SignOfLife[] {
  const now = new Set(peers.map(nameOf));
  return lost.flatMap((member): SignOfLife[] => {
    if (now.has(member)) return [{ member, by, heardMsAgo: 0, text: `${by} is connected to ${member}` }];
    const ended = links.filter((it) => it.name === member && it.met).map(({ brokenMs }) => brokenMs);
    const heardMsAgo = Math.min(...ended);
    if (!(heardMsAgo < leasesHeard * (leaseMs ?? leaseMsDefault))) return [];
    return [{ member, by, heardMsAgo, text: `${by} was connected to ${member} ${heardMsAgo} ms ago` }];
  });
}

function masterIn(lost: readonly string[], { name: by, master }: Heard): SignOfLife[] {
  if (master === null || !lost.includes(master.name)) return [];
  return [{ member: master.name, by, heardMsAgo: 0, text: `${by} follows master ${master.name}` }];
}

/** Peers are named with their incarnation, by some. */
export const nameOf = (peer: string): string => peer.split('#')[0] ?? peer;

/**
 * Asks until it is clear: one that was heard a moment ago may have just ended, and is asked for until it was silent for two leases.
 * @returns the last answers, with what speaks against `lost` by then.
 */
export async function askSettled<Answers extends Asked>(
  lost: readonly string[],
  ask: () => Promise<Answers>,
  { sleep }: Pick<GenerationWorld, 'sleep'>,
): Promise<{ readonly asked: Answers; readonly signs: readonly SignOfLife[] }> {
  for (let tries = 0; ; tries++) {
    const asked = await ask();
    const signs = signsOfLife(lost, asked);
    const clear = signs.length === 0 || signs.some(({ heardMsAgo }) => heardMsAgo === 0);
    if (clear || tries * askEveryMs > settleMsMax) return { asked, signs };
    await sleep(askEveryMs);
  }
}

export interface MovingOptions {
  readonly timeoutMs: number;
  readonly onStep: (what: string) => void;
  readonly world: Pick<GenerationWorld, 'nowMs' | 'sleep'>;
}

/**
 * Members that are ready for a generation begin it by themselves: they open their directories anew, one after the other, and report
 * nothing meanwhile. Asks until nobody is missed any more, or has had its time.
 * @param missed who is on the way, of these answers.
 */
export async function askWhileMoving<Answers>(
  ask: () => Promise<Answers>,
  missed: (answers: Answers) => readonly string[],
  { timeoutMs, onStep, world }: MovingOptions,
): Promise<Answers> {
  const deadline = world.nowMs() + Math.min(timeoutMs, settleMsMax);
  let waitsFor = '';
  for (;;) {
    const answers = await ask();
    const names = missed(answers).join(', ');
    if (names === '' || world.nowMs() >= deadline) return answers;
    if (names !== waitsFor) onStep(`waiting for ${names}, which may be about to begin the new generation`);
    waitsFor = names;
    await world.sleep(askEveryMs);
  }
}

export interface AliveOptions {
  readonly members: readonly { readonly name: string; readonly url: string }[];
  readonly lost: readonly string[];
  readonly reports: () => Promise<readonly RecoverReport[]>;
  /** Ids of this cell: another one's member may have the address by now. */
  readonly cells: readonly string[];
  readonly timeoutMs: number;
  /** The command to run again once that is settled. */
  readonly again: string;
  readonly world: Pick<GenerationWorld, 'status' | 'sleep'>;
}

/** @throws {RefusedError} (exit 5) with who heard which of them, and when. */
export async function refuseAlive(options: AliveOptions): Promise<void> {
  const { members, lost, reports, cells, timeoutMs, again, world } = options;
  if (lost.length === 0) return;
  const { signs } = await askSettled(
    lost,
    async () => {
      const answers = await Promise.all(members.map(({ url }) => world.status(url, timeoutMs)));
      // One that opens its directory cannot say yet of which cell it is.
      const statuses = answers.flatMap((it) => (it !== null && [...cells, null].includes(it.cell.id) ? [it] : []));
      return { statuses, reports: await reports() };
    },
    world,
  );
  if (signs.length > 0) throw notLost(signs, members, again);
}

function notLost(signs: readonly SignOfLife[], members: AliveOptions['members'], again: string): RefusedError {
  const names = [...new Set(signs.map(({ member }) => member))].sort();
  const urls = members.filter(({ name }) => names.includes(name)).map(({ url }) => url);
  return new RefusedError(
    `${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} not lost: ${signs.map(({ text }) => text).join(', ')}. ` +
      'What it acknowledges would be lost: run this where it answers, or stop it for good first.',
    { facts: { alive: signs }, suggestions: [`paxosctl status --endpoints ${urls.join(',')}`, again] },
  );
}
