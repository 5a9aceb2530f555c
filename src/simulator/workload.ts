/**
 * Clients: what they ask, of whom, how long they wait, and what they make of the answers.
 *
 * Source: pitfalls I6, I8, I9; contract §2. Half of them write within sessions, whose writes are sent again until they
 * are answered; the others' writes end as unknown when an answer does not come. All follow redirects.
 */
import type { Epoch } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { Random } from '../core/random.ts';
import type { BranchedReplay } from './checkers/branched-replay.ts';
import { checkExpiry } from './checkers/session-terms.ts';
import { Violation } from './checkers/violation.ts';
import { ClientSession } from './client-session.ts';
import type { ClientReply, ClientRequest } from './front.ts';
import { type Answer, commandOf, type History, type Move, type OperationRecord, type StepAnswer } from './history.ts';
import { KeyMoves, singles } from './key-moves.ts';
import { LockClient, type Locking } from './lock-workload.ts';
import { exponential } from './network-faults.ts';
import type { Scheduled, Scheduler } from './virtual-clock.ts';

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
  /** Null: nobody asks for locks. */
  readonly locking: Locking | null;
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
  #session: ClientSession | null = null;
  readonly #locks: LockClient | null;
  /** Before it asks for anything again. */
  #pauseMs = 0;
  /** Of the last answer to a write. */
  #epoch: Epoch | null = null;
  #mark: { readonly text: string; readonly instance: number } | null = null;
  readonly #moves: KeyMoves;
  #current: Attempting | null = null;
  #goesOn: () => boolean = () => false;

  constructor(name: string, usesSessions: boolean, options: WorkloadOptions) {
    this.#name = name;
    this.#usesSessions = usesSessions;
    this.#options = options;
    this.#random = options.random.fork(name);
    this.#moves = new KeyMoves(name, this.#random);
    this.#master = this.#random.pick(options.replicas);
    this.#locks = usesSessions && options.locking !== null ? this.#lockClient(options.locking) : null;
  }

  #lockClient(locking: Locking): LockClient {
    const { scheduler, replay, note, fail } = this.#options;
    return new LockClient({
      ...{ ...locking, replay, fail, random: this.#random.fork('locks'), now: () => scheduler.nowMs },
      note: (what, ...parts) => note(this.#name, what, ...parts),
      attempt: (request, end) => this.#attempt(request, null, true, end),
      sessionEnded: () => this.#sessionEnded(),
      sessionClosed: () => {
        this.#session = null;
      },
      pause: (ms) => {
        this.#pauseMs = ms;
        this.#think();
      },
    });
  }

  get busy(): boolean {
    return this.#current !== null;
  }

  start(goesOn: () => boolean): void {
    this.#goesOn = goesOn;
    this.#think();
  }

  #think(): void {
    const pauseMs = this.#pauseMs;
    this.#pauseMs = 0;
    this.#options.scheduler.after(pauseMs + this.#options.thinkMs * exponential(this.#random), () => {
      if (this.#goesOn() && this.#current === null) this.#next();
    });
  }

  #next(): void {
    if (this.#usesSessions && this.#session === null) return this.#openSession();
    if (this.#session !== null && this.#locks?.takesTurn === true) return this.#locks.act(this.#session);
    if (this.#random.chance(0.05)) return this.#staleRead();
    const single = this.#random.chance(0.75);
    const object = single ? this.#random.pick(singles) : 'pair';
    const id = this.#options.history.nextId();
    const move = single ? this.#moves.single(object, id) : this.#moves.pair(id);
    if (move.kind === 'read') return this.#read(id, object, move);
    const session = this.#usesSessions && this.#random.chance(0.9) ? this.#session : null;
    this.#write(id, object, move, session);
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
      this.#moves.learns(move.key, reply.value, reply.revision);
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

  #write(id: number, object: string, move: Extract<Move, { kind: 'change' }>, session: ClientSession | null): void {
    const sequencer = this.#locks?.drawSequencer() ?? null;
    const command = commandOf(id, move, {
      session: session?.number() ?? null,
      // No draw of its own, so that seeds go on meaning what they meant.
      ifEpoch: id % 7 === 0 ? this.#epoch : null,
      sequencer,
      revisionOf: (condition) => this.#moves.revisionOf(condition),
    });
    const record = this.#invoke(id, object, move, command);
    this.#attempt({ kind: 'write', command }, record, session !== null, (reply) => {
      if (reply?.kind !== 'written') {
        return this.#settle(record, reply === null ? 'none' : 'unknown', null, null);
      }
      const { result, instance } = reply;
      if (session !== null && result.kind !== 'skipped') {
        if (result.kind === 'session-expired') this.#expired(session, instance);
        else this.#renewed(session, record.invokedMs, instance);
      }
      if (sequencer !== null) this.#guard(() => this.#locks?.wrote(sequencer, record.invokedMs, result));
      if (result.kind !== 'multiop' || result.resultsForgotten === true) {
        return this.#settle(record, 'unknown', null, null);
      }
      const position = this.#options.replay.changeAnswered(id, result);
      this.#mark = { text: reply.mark, instance: result.instance };
      this.#epoch = result.epoch;
      const steps = result.succeeded ? move.steps : move.otherwise;
      steps.forEach((step, i) => {
        if (step.op === 'put') this.#moves.learns(step.key, step.value, result.revision);
        const seen = result.results[i];
        if (seen?.op === 'get') {
          const { entry } = seen;
          this.#moves.learns(
            step.key,
            entry === null ? null : Buffer.from(entry.value).toString(),
            entry?.revision ?? 0,
          );
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
      this.#session = new ClientSession(reply.result.session, this.#options.sessionTtlMs, askedMs);
    });
  }

  #renewed(session: ClientSession, sentMs: number, instance: number): void {
    if (this.#locks === null) session.renewed(sentMs, instance);
    else this.#guard(() => this.#locks?.renewed(session, sentMs, instance));
  }

  #expired(session: ClientSession, instance: number): void {
    if (this.#locks === null) this.#sessionEnded();
    else this.#locks.sessionExpired(session, instance);
  }

  /** Whatever a checker finds ends the run. */
  #guard(check: () => void): void {
    try {
      check();
    } catch (violation) {
      this.#options.fail(violation as Violation);
    }
  }

  #sessionEnded(): void {
    const { driftPpm, isGivenUp, scheduler } = this.#options;
    const session = this.#session;
    this.#session = null;
    // A generation that began with an older state holds the session to what it knows of it.
    if (session === null || isGivenUp(session.bornAt) || isGivenUp(session.aliveAt)) return;
    const { id, ttlMs, aliveMs } = session;
    this.#guard(() => checkExpiry({ session: `${id} of ${this.#name}`, ttlMs, aliveMs }, scheduler.nowMs, driftPpm));
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
