/**
 * Clients: what they ask, of whom, how long they wait, and what they make of the answers.
 *
 * Source: pitfalls I6, I8, I9; contract §2. Half of them write within sessions, whose writes are sent again until they
 * are answered; the others' writes end as unknown when an answer does not come. All follow redirects.
 */
import type { Epoch } from '../core/consensus/identity.ts';
import type { CommandResult, SessionNumber } from '../core/database/command.ts';
import type { Random } from '../core/random.ts';
import type { BranchedReplay } from './checkers/branched-replay.ts';
import { checkExpiry } from './checkers/session-terms.ts';
import { Violation } from './checkers/violation.ts';
import type { ClientReply, ClientRequest } from './front.ts';
import {
  type Answer,
  type Condition,
  commandOf,
  type History,
  type Move,
  type OperationRecord,
  type StepAnswer,
} from './history.ts';
import { exponential } from './network-faults.ts';
import type { Scheduled, Scheduler } from './virtual-clock.ts';

/** Single keys, each an object of its own, and one pair that MultiOps change together. */
const singles = ['a', 'b', 'c', 'd', 'e', '\u{1f600}'] as const;
const pair = ['pair/1', 'pair/2'] as const;

export interface WorkloadOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly history: History;
  readonly replay: BranchedReplay;
  /** That instance of the log was given up when a later generation began. */
  readonly isGivenUp: (instance: number) => boolean;
  readonly replicas: readonly string[];
  readonly clients: number;
  /** Mean true time between two operations of one client. */
  readonly thinkMs: number;
  /** For one answer. */
  readonly timeoutMs: number;
  /** For all attempts together. */
  readonly deadlineMs: number;
  readonly sessionTtlMs: number;
  /** How fast the clocks may be that sessions end by. */
  readonly driftPpm: number;
  /** Carries a request from a client to a replica and the answer back, or loses either. */
  readonly send: (client: string, replica: string, request: ClientRequest, reply: (reply: ClientReply) => void) => void;
  readonly note: (client: string, what: string, ...parts: readonly (string | number)[]) => void;
  readonly fail: (violation: Violation) => void;
}

export class Workload {
  readonly #clients: Client[];
  #running = false;

  constructor(options: WorkloadOptions) {
    this.#clients = Array.from({ length: options.clients }, (_, i) => new Client(`c${i + 1}`, i % 2 === 0, options));
  }

  start(): void {
    this.#running = true;
    for (const client of this.#clients) client.start(() => this.#running);
  }

  /** No new operations; those under way go on to their end. */
  stop(): void {
    this.#running = false;
  }

  get idle(): boolean {
    return this.#clients.every((client) => !client.busy);
  }
}

/** One operation under way. */
interface Attempting {
  readonly record: OperationRecord | null;
  readonly request: ClientRequest;
  /** Sent again after silence: reads, and writes within a session. */
  readonly repeatable: boolean;
  readonly deadlineMs: number;
  /** Something was sent whose fate is not known. */
  unsure: boolean;
  timer: Scheduled | null;
  readonly end: (reply: ClientReply | null) => void;
}

class Client {
  readonly #name: string;
  readonly #usesSessions: boolean;
  readonly #options: WorkloadOptions;
  readonly #random: Random;
  /** Believed to be master. */
  #master: string;
  #session: string | null = null;
  #sequence = 0;
  /** When the last write in the session was asked for that is known to have been applied. */
  #renewedMs = 0;
  /** Instance at which it was; 0 for the opening of the session. */
  #renewedAt = 0;
  /** Of the last answer to a write. */
  #epoch: Epoch | null = null;
  #mark: { readonly text: string; readonly instance: number } | null = null;
  readonly #seen = new Map<string, { readonly value: string | null; readonly revision: number }>();
  #current: Attempting | null = null;
  #goesOn: () => boolean = () => false;

  constructor(name: string, usesSessions: boolean, options: WorkloadOptions) {
    this.#name = name;
    this.#usesSessions = usesSessions;
    this.#options = options;
    this.#random = options.random.fork(name);
    this.#master = this.#random.pick(options.replicas);
  }

  get busy(): boolean {
    return this.#current !== null;
  }

  start(goesOn: () => boolean): void {
    this.#goesOn = goesOn;
    this.#think();
  }

  #think(): void {
    this.#options.scheduler.after(this.#options.thinkMs * exponential(this.#random), () => {
      if (this.#goesOn() && this.#current === null) this.#next();
    });
  }

  #next(): void {
    if (this.#usesSessions && this.#session === null) return this.#openSession();
    if (this.#random.chance(0.05)) return this.#staleRead();
    const single = this.#random.chance(0.75);
    const object = single ? this.#random.pick(singles) : 'pair';
    const id = this.#options.history.nextId();
    const move = single ? this.#singleMove(object, id) : this.#pairMove(id);
    if (move.kind === 'read') return this.#read(id, object, move);
    const session = this.#usesSessions && this.#random.chance(0.9) ? this.#nextNumber() : null;
    this.#write(id, object, move, session);
  }

  #nextNumber(): SessionNumber | null {
    return this.#session === null ? null : { session: this.#session, sequence: ++this.#sequence };
  }

  // --- what to ask --------------------------------------------------------------------------------------------------

  #singleMove(key: string, id: number): Move {
    const value = `${this.#name}-${id}`;
    const dice = this.#random.below(100);
    if (dice < 40) return { kind: 'read', key };
    if (dice < 65) return { kind: 'change', when: [], steps: [{ op: 'put', key, value }], otherwise: [] };
    if (dice < 75) return { kind: 'change', when: [], steps: [{ op: 'delete', key }], otherwise: [] };
    const is = this.#seen.get(key)?.value ?? null;
    return {
      kind: 'change',
      when: [{ key, is }],
      steps: [{ op: 'put', key, value }],
      otherwise: [{ op: 'get', key }],
    };
  }

  /** Both keys change together or not at all. */
  #pairMove(id: number): Move {
    const [first, second] = pair;
    const value = `${this.#name}-${id}`;
    const dice = this.#random.below(100);
    if (dice < 40) return { kind: 'read', key: this.#random.pick(pair) };
    const is = this.#seen.get(first)?.value ?? null;
    const when: Condition[] = dice < 60 ? [] : [{ key: first, is }];
    if (dice < 70) {
      return {
        kind: 'change',
        when,
        steps: [
          { op: 'get', key: second },
          { op: 'delete', key: first },
          { op: 'put', key: second, value },
        ],
        otherwise: [{ op: 'get', key: first }],
      };
    }
    return {
      kind: 'change',
      when,
      steps: [
        { op: 'put', key: first, value },
        { op: 'put', key: second, value: `${value}'` },
      ],
      otherwise: [
        { op: 'put', key: first, value },
        { op: 'get', key: second },
      ],
    };
  }

  /** The revision that this client knows a value by, now and then; 0 stands for absent. */
  #revisionOf(condition: Condition): number | null {
    if (this.#random.chance(0.5)) return null;
    if (condition.is === null) return 0;
    const seen = this.#seen.get(condition.key);
    return seen?.value === condition.is && seen.revision > 0 ? seen.revision : null;
  }

  // --- operations ---------------------------------------------------------------------------------------------------

  #read(id: number, object: string, move: Extract<Move, { kind: 'read' }>): void {
    const record = this.#invoke(id, object, move, null);
    const mark = this.#random.chance(0.3) ? (this.#mark?.text ?? null) : null;
    this.#attempt({ kind: 'read', key: move.key, stale: false, mark }, record, true, (reply) => {
      if (reply?.kind !== 'read') return this.#settle(record, 'none', null, null);
      const position = this.#options.replay.readAnswered({
        key: move.key,
        value: reply.value,
        instance: reply.appliedUpTo,
        floor: record.floor,
        by: this.#master,
      });
      this.#remember(move.key, reply.value, reply.revision);
      this.#mark = { text: reply.mark, instance: reply.appliedUpTo };
      this.#settle(record, 'ok', { kind: 'read', value: reply.value }, position);
    });
  }

  /** From any replica, which may be behind, but never behind this client's own mark, and never wrong. */
  #staleRead(): void {
    const { history, replay, fail } = this.#options;
    const key = this.#random.pick(singles);
    const mark = this.#random.chance(0.5) ? this.#mark : null;
    history.nextId();
    this.#master = this.#random.pick(this.#options.replicas);
    this.#attempt({ kind: 'read', key, stale: true, mark: mark?.text ?? null }, null, false, (reply) => {
      if (reply?.kind !== 'read') return;
      const instance = reply.appliedUpTo;
      replay.readAnswered({ key, value: reply.value, instance, floor: null, by: this.#master });
      if (mark !== null && instance < mark.instance) {
        fail(
          new Violation('position', `${this.#master} served ${instance} to a client that had seen ${mark.instance}`),
        );
      }
    });
  }

  #write(id: number, object: string, move: Extract<Move, { kind: 'change' }>, session: SessionNumber | null): void {
    const command = commandOf(id, move, {
      session,
      // No draw of its own, so that seeds go on meaning what they meant.
      ifEpoch: id % 7 === 0 ? this.#epoch : null,
      revisionOf: (condition) => this.#revisionOf(condition),
    });
    const record = this.#invoke(id, object, move, command);
    this.#attempt({ kind: 'write', command }, record, session !== null, (reply) => {
      if (reply?.kind !== 'written') {
        return this.#settle(record, reply === null ? 'none' : 'unknown', null, null);
      }
      const { result } = reply;
      if (result.kind !== 'multiop' || result.resultsForgotten === true) {
        if (result.kind === 'session-expired') this.#sessionEnded();
        return this.#settle(record, 'unknown', null, null);
      }
      const position = this.#options.replay.changeAnswered(id, result);
      this.#mark = { text: reply.mark, instance: result.instance };
      this.#epoch = result.epoch;
      if (session !== null) {
        this.#renewedMs = record.invokedMs;
        this.#renewedAt = result.instance;
      }
      const steps = result.succeeded ? move.steps : move.otherwise;
      steps.forEach((step, i) => {
        if (step.op === 'put') this.#remember(step.key, step.value, result.revision);
        const seen = result.results[i];
        if (seen?.op === 'get') {
          const { entry } = seen;
          this.#remember(step.key, entry === null ? null : Buffer.from(entry.value).toString(), entry?.revision ?? 0);
        }
      });
      this.#settle(record, 'ok', answerOf(result), position);
    });
  }

  #openSession(): void {
    const command = { kind: 'open-session', ttlMs: this.#options.sessionTtlMs } as const;
    const askedMs = this.#options.scheduler.nowMs;
    this.#attempt({ kind: 'write', command }, null, false, (reply) => {
      if (reply?.kind !== 'written' || reply.result.kind !== 'session') return;
      this.#session = reply.result.session;
      this.#sequence = 0;
      this.#renewedMs = askedMs;
      this.#renewedAt = 0;
    });
  }

  #sessionEnded(): void {
    const { driftPpm, fail, isGivenUp, scheduler, sessionTtlMs } = this.#options;
    const term = { session: `${this.#session} of ${this.#name}`, ttlMs: sessionTtlMs, aliveMs: this.#renewedMs };
    const bornAt = Number(/^s(\d+)-/.exec(this.#session ?? '')?.[1] ?? 0);
    this.#session = null;
    // A generation that began with an older state holds the session to what it knows of it.
    if (isGivenUp(bornAt) || isGivenUp(this.#renewedAt)) return;
    try {
      checkExpiry(term, scheduler.nowMs, driftPpm);
    } catch (violation) {
      fail(violation as Violation);
    }
  }

  #invoke(id: number, object: string, move: Move, command: OperationRecord['command']): OperationRecord {
    const { history, scheduler, note } = this.#options;
    note(this.#name, move.kind === 'read' ? 'asks' : 'writes', id, object);
    return history.invoke({ id, client: this.#name, object, move, command, invokedMs: scheduler.nowMs });
  }

  #settle(
    record: OperationRecord,
    outcome: 'ok' | 'none' | 'unknown',
    answer: Answer | null,
    position: number | null,
  ): void {
    const { history, replay, scheduler, note } = this.#options;
    note(this.#name, 'is told', record.id, outcome);
    history.settle(record, scheduler.nowMs, outcome, answer, position);
    if (outcome === 'none' && record.command !== null) replay.toldNone(record.id);
  }

  #remember(key: string, value: string | null, revision: number): void {
    this.#seen.set(key, { value, revision });
  }

  // --- attempts -----------------------------------------------------------------------------------------------------

  /** `end` gets the last reply, null when surely nothing happened, or `unknown`. */
  #attempt(
    request: ClientRequest,
    record: OperationRecord | null,
    repeatable: boolean,
    end: (reply: ClientReply | null) => void,
  ): void {
    const deadlineMs = this.#options.scheduler.nowMs + this.#options.deadlineMs;
    this.#current = { record, request, repeatable, deadlineMs, unsure: false, timer: null, end };
    this.#try(this.#current);
  }

  #try(current: Attempting): void {
    const { scheduler, send, timeoutMs } = this.#options;
    current.timer = scheduler.after(timeoutMs, () => this.#silence(current));
    send(this.#name, this.#master, current.request, (reply) => {
      if (this.#current === current) this.#answered(current, reply);
    });
  }

  #silence(current: Attempting): void {
    if (this.#current !== current) return;
    current.unsure = true;
    this.#master = this.#random.pick(this.#options.replicas);
    if (current.repeatable && this.#options.scheduler.nowMs < current.deadlineMs) this.#try(current);
    else this.#end(current, { kind: 'unknown' });
  }

  #answered(current: Attempting, reply: ClientReply): void {
    switch (reply.kind) {
      case 'redirect':
        this.#master = reply.name;
        return this.#again(current, 0);
      case 'none':
        if (this.#random.chance(0.7)) this.#master = this.#random.pick(this.#options.replicas);
        return this.#again(current, reply.retryAfterMs);
      case 'unknown':
        current.unsure = true;
        if (current.repeatable) return this.#again(current, 10);
        return this.#end(current, reply);
      case 'mark-refused':
        this.#markRefused(reply.code);
        return this.#end(current, { kind: 'unknown' });
      default:
        return this.#end(current, reply);
    }
  }

  /** Only what a later generation has given up; the client goes on without it, as its user has decided. */
  #markRefused(code: string): void {
    const { fail, isGivenUp } = this.#options;
    if (code !== 'PAXOS_GENERATION_CHANGED' || this.#mark === null || !isGivenUp(this.#mark.instance)) {
      fail(new Violation('position', `${this.#master} refused a mark of this cell: ${code}`));
    }
    this.#mark = null;
  }

  #again(current: Attempting, afterMs: number): void {
    const { scheduler } = this.#options;
    current.timer?.cancel();
    if (scheduler.nowMs + afterMs >= current.deadlineMs) {
      return this.#end(current, current.unsure ? { kind: 'unknown' } : null);
    }
    current.timer = scheduler.after(afterMs + this.#random.next() * 5, () => {
      if (this.#current === current) this.#try(current);
    });
  }

  #end(current: Attempting, reply: ClientReply | null): void {
    current.timer?.cancel();
    this.#current = null;
    current.end(reply);
    this.#think();
  }
}

function answerOf(result: Extract<CommandResult, { kind: 'multiop' }>): Answer {
  const steps = result.results.map((step): StepAnswer => {
    if (step.op === 'put') return step.created;
    if (step.op === 'delete') return step.deleted;
    return step.entry === null ? null : Buffer.from(step.entry.value).toString();
  });
  return { kind: 'change', succeeded: result.succeeded, steps };
}
