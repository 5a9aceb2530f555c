/**
 * Steps on the way of a member, each waited for: until the replica is ready to be admitted, until it may have its vote. Every
 * step asks the cell for what is wanted, and the cell says whether it is so already, so that a command that was killed
 * anywhere is simply run again (pitfall O11).
 */
import { OperatorError, RefusedError, UnreachableError } from '../../errors/index.ts';
import type {
  CatchUpDocument,
  MembersChangeBody,
  MembersChangeDocument,
  ReplicaStatusDocument,
} from '../../formats/http-body.ts';
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
  /** The command that is being carried out, whole: run again it goes on where it stood. */
  readonly again?: string;
}

const pollMs = 200;
/** Passing by themselves, when replicas are started, catch up, or another change ends. */
const passing: ReadonlySet<string> = new Set([
  'PAXOS_MEMBER_NOT_READY',
  'PAXOS_MEMBER_BEHIND',
  'PAXOS_MEMBERSHIP_CHANGING',
  'PAXOS_TRANSFER_FAILED',
  'PAXOS_NO_SUCCESSOR',
]);

/** A voter may be slow for a moment, under load or while it takes a snapshot; for longer it is the operator's to look at. */
const atRiskMsMax = 5_000;

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

/** @throws {UnreachableError} PAXOS_NO_MASTER when nobody is for as long as a step may take; nothing was asked for then. */
export async function presentMaster({ port, timeoutMs, onProgress }: StepOptions): Promise<ReplicaStatusDocument> {
  const until = port.nowMs() + timeoutMs;
  for (;;) {
    const master = await port.master();
    if (master !== null) return master;
    if (port.nowMs() >= until) {
      throw new UnreachableError('Nobody is master now; nothing was done.', { code: 'PAXOS_NO_MASTER' });
    }
    onProgress({ step: 'Looking at the members', waitingFor: 'a master' });
    await port.pause(pollMs);
  }
}

/** Admits a replica without a vote, as soon as it waits for that. */
export const admit = (options: StepOptions, body: MembersChangeBody): Promise<MembersChangeDocument> =>
  untilDone(options, `Admitting ${body.name}`, () => options.port.change(body));

/**
 * Gives a member its vote once it has caught up and its checksum agrees. The time counts from the last progress.
 * @throws {RefusedError} PAXOS_MEMBER_BEHIND when it made none for so long; PAXOS_QUORUM_AT_RISK when that does not pass within seconds.
 */
export async function promoteWhenCaughtUp(options: StepOptions, name: string): Promise<MembersChangeDocument> {
  const { port, timeoutMs, onProgress, again = `paxosctl members promote ${name}` } = options;
  const step = `Waiting for ${name} to catch up`;
  const pace = new Pace(port.nowMs());
  let lastProgressMs = port.nowMs();
  let atRiskSinceMs: number | null = null;
  let why = '';
  onProgress({ step, waitingFor: null });
  for (;;) {
    try {
      return await port.change({ name, role: 'voter' });
    } catch (error) {
      const atRisk = error instanceof OperatorError && error.code === 'PAXOS_QUORUM_AT_RISK';
      atRiskSinceMs = atRisk ? (atRiskSinceMs ?? port.nowMs()) : null;
      const waits = atRisk && port.nowMs() - (atRiskSinceMs ?? 0) < Math.min(atRiskMsMax, timeoutMs / 2);
      if (!waits && !isPassing(error)) throw error;
      why = (error as OperatorError).message;
    }
    const seen = await look(port, name);
    if (pace.saw(port.nowMs(), seen)) lastProgressMs = port.nowMs();
    if (port.nowMs() - lastProgressMs >= timeoutMs) throw stalled(name, why, { timeoutMs, again });
    const waitingFor = seen.waitingFor ?? why;
    // Instances stand still until a snapshot is there; its bytes do not.
    const ratePerSecond = seen.catchUp === null ? pace.ratePerSecond : 0;
    onProgress({ step, done: seen.applied, total: seen.total, ratePerSecond, waitingFor });
    await port.pause(pollMs);
  }
}

interface Look {
  readonly applied: number;
  readonly total: number;
  /** A snapshot on its way to it. */
  readonly catchUp: CatchUpDocument | null;
  readonly waitingFor: string | null;
}

/** How far the member is, and whom everything waits for. */
async function look(port: MembersPort, name: string): Promise<Look> {
  const master = await port.master();
  const total = master?.instances.applied ?? 0;
  const nothing = (waitingFor: string): Look => ({ applied: 0, total, catchUp: null, waitingFor });
  if (master === null) return nothing('a master');
  const url = master.members.find((member) => member.name === name)?.url;
  const status = url === undefined ? null : await port.status(url);
  if (status === null) return nothing(`${name} to answer at ${url ?? 'its address'}`);
  if (status.role === 'waiting') return nothing(`${name} to take up its membership`);
  const catchUp = status.catchUp ?? null;
  return { applied: status.instances.applied, total, catchUp, waitingFor: catchUp === null ? null : coming(catchUp) };
}

function coming({ from, instance, bytes, totalBytes, ratePerSecond }: CatchUpDocument): string {
  const mebibytes = (count: number): number => Math.round(count / 2 ** 20);
  const whole = totalBytes > 0 ? ` of ${mebibytes(totalBytes)}` : '';
  const left = ratePerSecond > 0 && totalBytes > bytes ? Math.round((totalBytes - bytes) / ratePerSecond) : null;
  const rest = left === null ? '' : `, about ${left} s left`;
  const pace = `${mebibytes(bytes)}${whole} MiB, ${mebibytes(ratePerSecond)} a second${rest}`;
  return `the snapshot of instance ${instance} from ${from} (${pace})`;
}

const stalled = (
  name: string,
  why: string,
  { timeoutMs, again }: { readonly timeoutMs: number; readonly again: string },
): OperatorError =>
  new RefusedError(`${name} has no vote: no progress for ${Math.round(timeoutMs / 1000)} s. ${why}`, {
    code: 'PAXOS_MEMBER_BEHIND',
    facts: { member: name, why, timeoutMs },
    suggestions: [withMoreTime(again, timeoutMs), 'paxosctl members list'],
  });

/** The same command with a longer --timeout. */
export const withMoreTime = (again: string, timeoutMs: number): string =>
  `${again} --timeout ${Math.max(10, Math.ceil((2 * timeoutMs) / 60_000))}m`;

/** Instances a second, over the whole way. */
class Pace {
  readonly #beganMs: number;
  #first: number | null = null;
  #highest = -1;
  #snapshot = { instance: 0, bytes: -1 };
  #nowMs: number;

  constructor(nowMs: number) {
    this.#beganMs = nowMs;
    this.#nowMs = nowMs;
  }

  /** True when it is further than ever, in instances or in the newest snapshot that is on its way. */
  saw(nowMs: number, { applied, catchUp }: Pick<Look, 'applied' | 'catchUp'>): boolean {
    this.#nowMs = nowMs;
    this.#first ??= applied;
    const further = applied > this.#highest;
    if (further) this.#highest = applied;
    return this.#sawSnapshot(catchUp) || further;
  }

  #sawSnapshot(catchUp: CatchUpDocument | null): boolean {
    if (catchUp === null) return false;
    const { instance, bytes } = catchUp;
    const known = this.#snapshot;
    if (instance < known.instance || (instance === known.instance && bytes <= known.bytes)) return false;
    this.#snapshot = { instance, bytes };
    return true;
  }

  get ratePerSecond(): number {
    const seconds = Math.max(0.001, (this.#nowMs - this.#beganMs) / 1000);
    return Math.max(0, this.#highest - (this.#first ?? 0)) / seconds;
  }
}
