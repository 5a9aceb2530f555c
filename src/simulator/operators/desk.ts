/**
 * One command at an operator's desk: what `paxosctl members`, `master transfer` and `node drain` ask of a cell, over connections that
 * lose requests and answers, and the end of the command at any of its calls (pitfall O11).
 *
 * The commands themselves are those of `src/operator`; this is the port below them. As the client's library does, a call goes to one
 * replica after another, follows redirections, and is sent again when its fate is not known.
 */
import { currentMaster } from '../../client/cell-status.ts';
import type { Random } from '../../core/random.ts';
import { catalogued, errorFromProblem, OutcomeUnknownError, UnreachableError } from '../../errors/index.ts';
import type { MembersChangeBody, MembersChangeDocument, ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { MembersPort } from '../../operator/members/port.ts';
import { membersChangeDocument, membersRequestOf } from '../../runtime/http/member-routes.ts';
import type { MembersAnswer } from '../../runtime/http/service.ts';
import type { MemberRequest } from '../../runtime/membership/plan.ts';
import type { DatabaseService } from '../../runtime/replica-service.ts';
import type { WaitingService } from '../../runtime/waiting-service.ts';
import type { ClientNetwork } from '../client-network.ts';
import type { Machine } from '../machine.ts';
import type { Scheduler } from '../virtual-clock.ts';

/** Where the command is killed: at its nth call to the cell, before anything was sent, after all was done there, or in between. */
export type Kill = {
  readonly call: number;
  readonly after: boolean;
  /** Instead: so long after it was begun, whatever has been answered by then. What was sent arrives all the same. */
  readonly midwayMs?: number;
};

export function drawKill(call: number, leaseMs: number, random: Random): Kill {
  const after = random.chance(0.5);
  return random.chance(0.3)
    ? { call, after, midwayMs: leaseMs * random.betweenLogarithmic(0.001, 0.5) }
    : { call, after };
}

export interface DeskOptions {
  readonly scheduler: Scheduler;
  readonly clientNetwork: ClientNetwork;
  readonly machines: readonly Machine[];
  readonly kill: Kill | null;
  /** For a call that is answered by nobody, as `--timeout` says. */
  readonly timeoutMs: number;
  /** For one replica that answers a call by and by; {@link attemptMsMax} where absent. */
  readonly attemptMs?: number;
  /** The operator's own line: for how long nothing comes through from now on, asked at every call. */
  readonly offlineMs?: () => number;
}

type Refused = { readonly kind: 'refused'; readonly code: string; readonly message: string; readonly facts?: object };
type Moved = { readonly kind: 'redirect'; readonly name: string } | { readonly kind: 'no-master' | 'unknown' };
export type Answer<Done> = { readonly kind: 'done'; readonly done: Done } | Refused | Moved;

/** How long one replica may take for a change, which waits until it governs. */
export const attemptMsMax = 4_000;
const againMs = 50;

export class Desk implements MembersPort {
  readonly #options: DeskOptions;
  #calls = 0;
  #dead = false;
  #offlineUntilMs = 0;
  /** What a dead process waits for. Of its own: the waiting of all cells of a run would keep all of them in memory. */
  readonly #never = new Promise<never>(() => undefined);
  #onDeath: () => void = () => undefined;
  /** Resolves when the command was killed. */
  readonly death: Promise<'killed'>;

  constructor(options: DeskOptions) {
    this.#options = options;
    this.death = new Promise((resolve) => {
      this.#onDeath = () => resolve('killed');
    });
  }

  /** Calls to the cell so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Nothing is sent for so long. */
  drop(ms: number): void {
    this.#offlineUntilMs = Math.max(this.#offlineUntilMs, this.#options.scheduler.nowMs + ms);
  }

  kill(): void {
    this.#dead = true;
    this.#options.scheduler.settle();
    this.#onDeath();
  }

  change(body: MembersChangeBody): Promise<MembersChangeDocument> {
    const request = membersRequestOf(body);
    if (request === null) throw new Error('no route takes this body');
    const { dryRun = false, allowNoSpare = false } = body;
    return this.#call(() => this.#changeMembers(request, { dryRun, allowNoSpare }));
  }

  remove(name: string, options: { dryRun: boolean; allowNoSpare: boolean }): Promise<MembersChangeDocument> {
    return this.#call(() => this.#changeMembers({ kind: 'remove', name }, options));
  }

  master(): Promise<ReplicaStatusDocument | null> {
    return this.#call(async () => {
      const answers = await Promise.all(this.#options.machines.map((machine) => this.#statusOf(machine)));
      return currentMaster(answers.filter((status) => status !== null));
    });
  }

  status(url: string): Promise<ReplicaStatusDocument | null> {
    const machine = this.#options.machines.find((candidate) => candidate.url === url);
    return this.#call(async () => (machine === undefined ? null : this.#statusOf(machine)));
  }

  transfer(to: string | null): Promise<unknown> {
    return this.#call(() =>
      this.#atMaster(async (service) => {
        const answer = await service.transfer(to, false);
        return answer.kind === 'done' ? { kind: 'done', done: answer } : answer;
      }),
    );
  }

  drain(member: string, forMs: number | null): Promise<unknown> {
    return this.#call(() =>
      this.#atMaster(async (service) => {
        const answer = await service.drainMember({ member, forMs, dryRun: false });
        return answer.kind === 'done' ? { kind: 'done', done: answer.drained } : answer;
      }),
    );
  }

  /** One look at all of them: null for who says nothing. */
  statuses(): Promise<readonly { readonly url: string; readonly status: ReplicaStatusDocument | null }[]> {
    return this.#call(() =>
      Promise.all(
        this.#options.machines.map(async (machine) => ({ url: machine.url, status: await this.#statusOf(machine) })),
      ),
    );
  }

  /** Any other request that the master answers. */
  ofMaster<Done>(ask: (service: DatabaseService) => Promise<Answer<Done>>): Promise<Done> {
    return this.#call(() => this.#atMaster(ask));
  }

  /**
   * One that a certain replica answers; null where it does not serve, or its answer was lost. `opening`: what is answered while it is
   * opening its directory.
   */
  at<Result>(
    url: string,
    ask: (service: DatabaseService) => Promise<Result>,
    opening?: (waiting: WaitingService) => Result | null,
  ): Promise<Result | null> {
    const machine = this.#options.machines.find((candidate) => candidate.url === url);
    return this.#call(async () => {
      const answer = machine === undefined ? null : await this.#request(machine, ask, attemptMsMax, opening);
      return answer === 'silent' ? null : answer;
    });
  }

  get dead(): boolean {
    return this.#dead;
  }

  nowMs(): number {
    return this.#options.scheduler.nowMs;
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.scheduler.after(ms, () => !this.#dead && resolve(), true);
    });
  }

  /** Never answers once the command is dead. */
  async #call<Result>(work: () => Promise<Result>): Promise<Result> {
    const { kill, offlineMs } = this.#options;
    const here = kill?.call === this.#calls++;
    if (offlineMs !== undefined) this.drop(offlineMs());
    const { midwayMs } = (here ? kill : null) ?? {};
    if (midwayMs !== undefined) this.#options.scheduler.after(midwayMs, () => this.kill(), true);
    if (here && midwayMs === undefined && kill?.after === false) this.kill();
    const result = this.#dead ? await this.#never : await settled(work());
    if (here && midwayMs === undefined) this.kill();
    if (this.#dead) return this.#never;
    if (result.ok) return result.value;
    throw result.error;
  }

  #changeMembers(request: MemberRequest, options: { dryRun: boolean; allowNoSpare: boolean }) {
    return this.#atMaster(async (service): Promise<Answer<MembersChangeDocument>> => {
      const answer: MembersAnswer = await service.changeMembers(request, options);
      if (answer.kind !== 'done') return answer;
      return { kind: 'done', done: membersChangeDocument(request, answer.report, options.dryRun) };
    });
  }

  /** As the client does it: from one replica to the next until the master has answered, or the time is over. */
  async #atMaster<Done>(ask: (service: DatabaseService) => Promise<Answer<Done>>): Promise<Done> {
    const { attemptMs, machines, scheduler, timeoutMs } = this.#options;
    const deadline = scheduler.nowMs + timeoutMs;
    let proposed = false;
    let next: Machine | undefined;
    for (let at = 0; !this.#dead; at++) {
      const machine: Machine = next ?? (machines[at % machines.length] as Machine);
      next = undefined;
      const answer = await this.#request(machine, (service) => throughTheGate(service, ask), attemptMs);
      if (answer === 'silent') proposed = true;
      else if (answer?.kind === 'done') return answer.done;
      else if (answer?.kind === 'refused') throw errorOf(answer);
      else if (answer?.kind === 'redirect') next = machines.find(({ name }) => name === answer.name);
      else if (answer?.kind === 'unknown') proposed = true;
      if (scheduler.nowMs >= deadline) {
        if (proposed) throw new OutcomeUnknownError('The change was sent, and its fate could not be learned.');
        throw new UnreachableError('Nobody who is master answers.', { code: 'PAXOS_NO_MASTER' });
      }
      if (next === undefined) await this.pause(againMs);
    }
    return this.#never;
  }

  #statusOf(machine: Machine): Promise<ReplicaStatusDocument | null> {
    const asked = this.#request(machine, async (service) => service.status() as ReplicaStatusDocument, 1_000);
    return asked.then((answer) => (answer === 'silent' ? null : answer));
  }

  /** Null: it answers that it cannot; `silent`: it may have carried it out. */
  #request<Result>(
    machine: Machine,
    ask: (service: DatabaseService) => Promise<Result>,
    timeoutMs = attemptMsMax,
    opening?: (waiting: WaitingService) => Result | null,
  ): Promise<Result | 'silent' | null> {
    const { scheduler, clientNetwork } = this.#options;
    return new Promise((resolve) => {
      const settle = (result: Result | 'silent' | null): void => {
        scheduler.settle();
        resolve(result);
      };
      const timer = scheduler.after(timeoutMs, () => settle('silent'), true);
      if (scheduler.nowMs < this.#offlineUntilMs) return;
      const reply = (result: Result | 'silent' | null): void => {
        clientNetwork.send('reply', machine.name, () => {
          timer.cancel();
          settle(result);
        });
      };
      clientNetwork.send('request', machine.name, () => {
        // Its end breaks the connection.
        machine.front.operate(ask, reply, () => reply('silent'), opening);
      });
    });
  }
}

async function throughTheGate<Done>(
  service: DatabaseService,
  ask: (service: DatabaseService) => Promise<Answer<Done>>,
): Promise<Answer<Done> | null> {
  const serving = service.serving();
  if (serving.kind === 'redirect') return { kind: 'redirect', name: serving.name };
  return serving.kind === 'serving' ? ask(service) : null;
}

const errorOf = ({ code, message, facts }: Refused): Error =>
  errorFromProblem({
    ...{ type: 'about:blank', title: code, status: catalogued(code).status ?? 409, detail: message, code },
    ...{ outcome: 'none', facts: { ...facts } },
  });

type Settled<Result> = { readonly ok: true; readonly value: Result } | { readonly ok: false; readonly error: unknown };

const settled = <Result>(work: Promise<Result>): Promise<Settled<Result>> =>
  work.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  );
