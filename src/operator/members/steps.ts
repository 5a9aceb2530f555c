/**
 * Steps on the way of a member, each waited for: until the replica is ready to be admitted, until it may have its vote. Every
 * step asks the cell for what is wanted, and the cell says whether it is so already, so that a command that was killed
 * anywhere is simply run again (pitfall O11).
 */
import { OperatorError, RefusedError } from '../../errors/index.ts';
import type { MembersChangeBody, MembersChangeDocument } from '../../formats/http-body.ts';
import type { MembersPort } from './port.ts';

export interface MemberProgress {
  /** What is being done now. */
  readonly step: string;
  /** Instances applied, and those that there are; absent where none are counted. */
  readonly done?: number;
  readonly total?: number;
  readonly ratePerSecond?: number;
  /** What it waits for; null when it does not wait. */
  readonly waitingFor: string | null;
}

export interface StepOptions {
  readonly port: MembersPort;
  /** Of each step; a step that makes progress begins anew. */
  readonly timeoutMs: number;
  readonly onProgress: (progress: MemberProgress) => void;
}

const pollMs = 200;
/** Passing by themselves, when replicas are started, catch up, or another change ends. */
const passing: ReadonlySet<string> = new Set([
  'PAXOS_MEMBER_NOT_READY',
  'PAXOS_MEMBER_BEHIND',
  'PAXOS_MEMBERSHIP_CHANGING',
  'PAXOS_TRANSFER_FAILED',
]);

const isPassing = (error: unknown): error is OperatorError => error instanceof OperatorError && passing.has(error.code);

/** Asks for `body` until the cell has done it. @throws {OperatorError} the last refusal, when time is up. */
export async function untilDone(
  { port, timeoutMs, onProgress }: StepOptions,
  step: string,
  ask: () => Promise<MembersChangeDocument>,
): Promise<MembersChangeDocument> {
  const until = port.nowMs() + timeoutMs;
  onProgress({ step, waitingFor: null });
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isPassing(error) || port.nowMs() >= until) throw error;
      onProgress({ step, waitingFor: error.message });
    }
    await port.pause(pollMs);
  }
}

/** Admits a replica without a vote, as soon as it waits for that. */
export const admit = (options: StepOptions, body: MembersChangeBody): Promise<MembersChangeDocument> =>
  untilDone(options, `Admitting ${body.name}`, () => options.port.change(body));

/**
 * Gives a member its vote once it has caught up and its checksum agrees. The time counts from the last progress.
 * @throws {RefusedError} PAXOS_MEMBER_BEHIND when it made none for so long.
 */
export async function promoteWhenCaughtUp(options: StepOptions, name: string): Promise<MembersChangeDocument> {
  const { port, timeoutMs, onProgress } = options;
  const step = `Waiting for ${name} to catch up`;
  const pace = new Pace(port.nowMs());
  let lastProgressMs = port.nowMs();
  let why = '';
  onProgress({ step, waitingFor: null });
  for (;;) {
    try {
      return await port.change({ name, role: 'voter' });
    } catch (error) {
      if (!isPassing(error)) throw error;
      why = error.message;
    }
    const seen = await look(port, name);
    if (pace.saw(port.nowMs(), seen.applied)) lastProgressMs = port.nowMs();
    if (port.nowMs() - lastProgressMs >= timeoutMs) throw stalled(name, why, timeoutMs);
    const { ratePerSecond } = pace;
    const waitingFor = seen.waitingFor ?? why;
    onProgress({ step, done: seen.applied, total: seen.total, ratePerSecond, waitingFor });
    await port.pause(pollMs);
  }
}

/** How far the member is, and whom everything waits for. */
async function look(
  port: MembersPort,
  name: string,
): Promise<{ readonly applied: number; readonly total: number; readonly waitingFor: string | null }> {
  const master = await port.master();
  const total = master?.instances.applied ?? 0;
  if (master === null) return { applied: 0, total, waitingFor: 'a master' };
  const url = master.members.find((member) => member.name === name)?.url;
  const status = url === undefined ? null : await port.status(url);
  if (status === null) return { applied: 0, total, waitingFor: `${name} to answer at ${url ?? 'its address'}` };
  const { role } = status;
  if (role === 'waiting') return { applied: 0, total, waitingFor: `${name} to take up its membership` };
  return { applied: status.instances.applied, total, waitingFor: null };
}

function stalled(name: string, why: string, timeoutMs: number): OperatorError {
  return new RefusedError(`${name} has no vote: no progress for ${Math.round(timeoutMs / 1000)} s. ${why}`, {
    code: 'PAXOS_MEMBER_BEHIND',
    facts: { member: name, why, timeoutMs },
    suggestions: ['paxosctl members list', `paxosctl members promote ${name} --timeout 10m`],
  });
}

/** Instances a second, over the whole way. */
class Pace {
  readonly #beganMs: number;
  #first: number | null = null;
  #highest = -1;
  #nowMs: number;

  constructor(nowMs: number) {
    this.#beganMs = nowMs;
    this.#nowMs = nowMs;
  }

  /** True when it is further than ever. */
  saw(nowMs: number, applied: number): boolean {
    this.#nowMs = nowMs;
    this.#first ??= applied;
    if (applied <= this.#highest) return false;
    this.#highest = applied;
    return true;
  }

  get ratePerSecond(): number {
    const seconds = Math.max(0.001, (this.#nowMs - this.#beganMs) / 1000);
    return Math.max(0, this.#highest - (this.#first ?? 0)) / seconds;
  }
}
