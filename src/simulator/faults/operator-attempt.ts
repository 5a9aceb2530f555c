/** A `node start` that somebody should not have typed, and what must come of it. */

import type { Random } from '../../core/random.ts';
import { OperatorError } from '../../errors/index.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { Violation } from '../checkers/violation.ts';
import { SimulatedDisk } from '../disk.ts';
import type { Content } from '../disk-content.ts';
import type { Machine } from '../machine.ts';
import { SimulatedProcess } from '../process.ts';
import { StartAttempt, type StartAttemptOptions, WouldTakePart } from '../start-attempt.ts';
import type { FaultKind } from './catalogue.ts';
import type { FaultWorld } from './world.ts';

/** Long enough to ask everybody a few times. */
const waitMs = 2_000;

/** A disk of its own for a start at `machine`: what `image` holds, or nothing. */
export function diskFor(
  world: FaultWorld,
  process: SimulatedProcess,
  random: Random,
  from: Machine | null,
): SimulatedDisk {
  const { scheduler } = world;
  const options = {
    schedule: (delayMs: number, callback: () => void): void => {
      scheduler.after(delayMs, () => process.enter('io', callback), true);
    },
    random,
    now: () => scheduler.nowMs,
    fault: () => null,
  };
  return from === null ? new SimulatedDisk(options) : from.disk.copy(options);
}

export const processFor = (world: FaultWorld, machine: Machine, name: string): SimulatedProcess =>
  new SimulatedProcess({ name, scheduler: world.scheduler, clock: machine.clock });

/** Names and contents of everything on a disk. */
function printOf(disk: SimulatedDisk): ReadonlyMap<string, Content> {
  const files = new Map<string, Content>();
  for (const [path, node] of disk.image.names) if (node !== 'folder') files.set(path, node.cached.copy());
  return files;
}

const samePrints = (a: ReadonlyMap<string, Content>, b: ReadonlyMap<string, Content>): boolean =>
  a.size === b.size && [...a].every(([path, content]) => b.get(path)?.equals(content) === true);

const isOut = ({ halted, storage }: Machine): boolean =>
  halted?.code === 'PAXOS_MEMBER_REMOVED' || storage?.manifest.flags.removed === true;

export interface Mistake {
  readonly kind: FaultKind;
  /** Whose command it is. */
  readonly machine: Machine;
  readonly process: SimulatedProcess;
  readonly disk: SimulatedDisk;
  readonly held?: boolean;
  readonly expectCell?: string;
  /** The one right answer. */
  readonly code: string;
  /** Only another member can tell: when none answers, or who is a member changes meanwhile, the answer may be another. */
  readonly needsPeer: boolean;
  readonly random: Random;
}

/** Makes the mistake and judges the answer. */
export function makeMistake(world: FaultWorld, mistake: Mistake): void {
  const { kind, machine, process, disk, code, needsPeer } = mistake;
  const before = printOf(disk);
  let answered = 0;
  const options: StartAttemptOptions = {
    name: machine.name,
    disk,
    held: mistake.held ?? false,
    program: machine.program,
    cell: machine.listedMembers,
    cellName: 'simulated',
    ...(mistake.expectCell === undefined ? {} : { expectCell: mistake.expectCell }),
    process,
    randomness: { bytes: (length) => Uint8Array.from({ length }, () => mistake.random.below(256)) },
    ask: async (url) => {
      const view = await machine.questions.askFormation(process, url);
      if (view !== null) answered++;
      return view;
    },
    logger: silentLogger,
  };
  const attempt = new StartAttempt(options);
  world.note(machine.name, kind);
  const judge = (outcome: string): void => {
    process.kill();
    world.note(machine.name, `${kind} ends`, outcome);
    if (outcome !== code) {
      if (needsPeer && (answered === 0 || world.membershipChanged)) return;
      // One that has just been removed is told that first.
      if (outcome === 'PAXOS_MEMBER_REMOVED' && isOut(machine)) return;
      return world.fail(
        new Violation('identity', `${machine.name} answers ${kind} with ${outcome}`, { expected: code }),
      );
    }
    world.count(kind);
    if (samePrints(printOf(disk), before)) return;
    world.fail(
      new Violation('identity', `${kind} was refused at ${machine.name}, but something was changed first`, { code }),
    );
  };
  let over = false;
  const end = (outcome: string): void => {
    if (over) return;
    over = true;
    judge(outcome);
  };
  attempt.run().then(
    () => end('nothing'),
    (error: unknown) => {
      if (error instanceof WouldTakePart) end('taking part');
      else end(error instanceof OperatorError ? error.code : String(error));
    },
  );
  // Whoever was answered at the last moment still has others to ask before it can say what it knows.
  world.later(waitMs, () => (answered === 0 ? end('waiting') : world.later(waitMs, () => end('waiting'))));
  world.scheduler.settle();
}
