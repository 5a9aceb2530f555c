/**
 * A replica in memory for tests of what stands before it: the rules of the database in their simplest form, and switches
 * for everything that a real replica may answer. Writes are answered in the next turn, as if they had been chosen.
 */

import type { Instance } from '../../src/core/consensus/identity.ts';
import { epoch, instance } from '../../src/core/consensus/identity.ts';
import type {
  Command,
  CommandResult,
  Entry,
  MultiOp,
  OperationResult,
  Revision,
  RevisionChanges,
  Test,
} from '../../src/core/database/command.ts';
import type { Lock } from '../../src/core/database/lock.ts';
import type {
  CoordinationState,
  Listing,
  ReadState,
  ReplicaService,
  ReplicaStatus,
  Serving,
  SnapshotService,
  WriteOutcome,
} from '../../src/runtime/http/service.ts';

type Outcome = (outcome: WriteOutcome) => void;

export class FakeReplicaService implements ReplicaService {
  entries = new Map<string, Entry>();
  revision = 0;
  instance = 0;
  epoch = 1;
  name = 'n1';
  url = 'http://127.0.0.1:1';
  cell = 'cell-1';
  /** Null: serves. */
  notServing: Serving | null = null;
  /** Takes the place of the database, when set; returns false to leave the write to it. */
  intercept: ((command: Command, done: Outcome) => boolean) | null = null;
  /** Every command that was submitted, in order. */
  submitted: Command[] = [];
  /** Marks are `<cell>:<instance>`; those that are ahead wait. */
  marks = true;
  statusChanges: Partial<ReplicaStatus> = {};
  membersChanged: object[] = [];
  membersAnswer: Awaited<ReturnType<ReplicaService['changeMembers']>> = {
    kind: 'refused',
    code: 'PAXOS_QUORUM_AT_RISK',
    message: 'Afterwards 2 of 2 voters would be needed, and 1 answer.',
    facts: { quorum: 2 },
    suggestions: ['paxosctl status'],
  };
  transferred: { to: string | null; dryRun: boolean }[] = [];
  #answers = new Map<string, Map<number, CommandResult>>();
  #waiting: { readonly at: Instance; readonly done: () => void }[] = [];

  locks: readonly (readonly [string, Lock])[] = [];
  cellTimeMs = 0;

  coordination(): CoordinationState {
    const { locks, cellTimeMs } = this;
    return {
      lock: (name) => locks.find(([it]) => it === name)?.[1] ?? null,
      locksFrom: (from) => locks.filter(([name]) => compare(name, from) >= 0),
      sessionsFrom: (from) =>
        [...this.#answers]
          .filter(([id]) => id >= from)
          .map(([id, { size }]) => [id, { ttlMs: 1_000, expiresCellTimeMs: 1_000, answerCount: size }] as const),
      locksHeldBy: () => 0,
      cellTimeMs,
    };
  }

  serving(): Serving {
    return this.notServing ?? { kind: 'serving', epoch: epoch(this.epoch), appliedUpTo: instance(this.instance) };
  }

  read(): ReadState {
    return this.#state(this.entries, () => this.revision, true);
  }

  #state(entries: Map<string, Entry>, revision: () => number, live: boolean): ReadState {
    const state = {
      get: (key: string) => entries.get(key) ?? null,
      list: ({ prefix, after, limit }: { prefix: string; after: string | null; limit: number }): Listing => {
        const keys = [...entries.keys()]
          .filter((it) => it.startsWith(prefix) && (after === null || compare(it, after) > 0))
          .sort(compare);
        const page = keys.slice(0, limit).map((key) => ({ key, entry: entries.get(key) as Entry }));
        return { entries: page, next: keys.length > limit ? (page.at(-1)?.key ?? null) : null, revision: revision() };
      },
      get revision() {
        return revision();
      },
    };
    if (!live) return state;
    return Object.assign(state, {
      pin: () => {
        const then = revision();
        return this.#state(new Map(entries), () => then, false);
      },
    });
  }

  submit(command: Command, done: Outcome): void {
    this.submitted.push(command);
    if (this.intercept?.(command, done)) return;
    setImmediate(() => {
      this.instance += 1;
      const result = this.#apply(command);
      done({ kind: 'result', result, instance: instance(this.instance), epoch: epoch(this.epoch) });
      this.#applied();
    });
  }

  #apply(command: Command): CommandResult {
    switch (command.kind) {
      case 'open-session': {
        const session = `s${this.instance}-0`;
        this.#answers.set(session, new Map());
        return { kind: 'session', session, expiresCellTimeMs: command.ttlMs };
      }
      case 'keep-session':
        if (!this.#answers.has(command.session)) return { kind: 'session-expired' };
        return { kind: 'session', session: command.session, expiresCellTimeMs: 1 };
      case 'close-session':
        return this.#answers.delete(command.session) ? { kind: 'done' } : { kind: 'session-expired' };
      case 'multiop':
        return this.#once(command);
      default:
        return { kind: 'done' };
    }
  }

  #once(command: Command & { kind: 'multiop' }): CommandResult {
    const { session, ifEpoch } = command;
    const answers = session === null ? null : this.#answers.get(session.session);
    if (answers === undefined) return { kind: 'session-expired' };
    const known = session === null ? undefined : answers?.get(session.sequence);
    if (known !== undefined) return known;
    const result: CommandResult =
      ifEpoch !== null && ifEpoch !== this.epoch
        ? { kind: 'epoch-changed', epoch: epoch(this.epoch) }
        : this.#run(command.multiOp);
    if (session !== null) answers?.set(session.sequence, result);
    return result;
  }

  #run(multiOp: MultiOp): CommandResult {
    const guard = multiOp.guard.map((it) => this.#holds(it));
    const succeeded = guard.every((it) => it);
    const operations = succeeded ? multiOp.then : multiOp.else;
    const next = this.revision + 1;
    let changed = false;
    const results = operations.map((it): OperationResult => {
      const old = this.entries.get(it.key) ?? null;
      if (it.op === 'get') return { op: 'get', entry: old };
      if (it.op === 'delete') {
        changed ||= old !== null;
        return { op: 'delete', deleted: this.entries.delete(it.key) };
      }
      changed = true;
      const createRevision = old?.createRevision ?? next;
      this.entries.set(it.key, { value: it.value, createRevision, revision: next, version: (old?.version ?? 0) + 1 });
      return { op: 'put', revision: next, created: old === null };
    });
    if (changed) {
      this.revision = next;
      const keys = new Set(operations.flatMap(({ op, key }) => (op === 'get' ? [] : [key])));
      const changes = [...keys].sort(compare).map((key) => ({ key, entry: this.entries.get(key) ?? null }));
      this.#changes.push({ revision: next as Revision, instance: instance(this.instance), changes });
    }
    const { revision } = this;
    return {
      kind: 'multiop',
      succeeded,
      guard,
      results,
      revision,
      instance: instance(this.instance),
      epoch: epoch(this.epoch),
    };
  }

  #holds(test: Test): boolean {
    const entry = this.entries.get(test.key);
    switch (test.test) {
      case 'absent':
        return entry === undefined;
      case 'present':
        return entry !== undefined;
      case 'revision':
        return (entry?.revision ?? 0) === test.revision;
      default: {
        if (entry === undefined) return false;
        const order = Buffer.compare(entry.value, test.value);
        return test.test === 'equals' ? order === 0 : test.test === 'less' ? order < 0 : order > 0;
      }
    }
  }

  status(): ReplicaStatus {
    const master = this.notServing?.kind === 'redirect' ? this.notServing : { name: this.name, url: this.url };
    return {
      name: this.name,
      cell: { id: this.cell, name: 'default', generation: 1 },
      role: this.notServing === null ? 'master' : 'replica',
      voting: true,
      incarnation: 1,
      boot: { number: 1, id: 'b' },
      epoch: this.epoch,
      ballot: '1.n1#1',
      master: this.notServing?.kind === 'no-master' ? null : { name: master.name, url: master.url },
      lease: { held: this.notServing === null, remainingMs: 400 },
      instances: { chosen: this.instance, applied: this.instance, firstRetained: 1, snapshot: 0 },
      revision: this.revision,
      entries: this.entries.size,
      checksum: { instance: this.instance, log: '00', database: '11' },
      version: '0.1.0',
      level: 1,
      uptimeMs: 1000,
      members: [{ name: this.name, url: this.url, role: 'voter', voting: true, incarnation: 1 }],
      peers: [],
      mastership: { since: null, changesLastHour: 0, changesLastDay: 0, lastChange: null },
      load: { queuedWrites: 0, eventLoopLagMsP99: 1, flushMsP50: 1, flushMsP99: 2, itemsPerInstance: 1 },
      readOnly: false,
      warnings: [],
      ...this.statusChanges,
    };
  }

  position(unjudged: string | null = null): string {
    const own = this.marks ? `${this.cell}:${this.instance}` : '';
    const [cell, at] = (unjudged ?? '').split(':');
    return unjudged !== null && cell === this.cell && Number(at) > this.instance ? unjudged : own;
  }

  recovery(): null {
    return null;
  }

  judgePosition(mark: string): ReturnType<ReplicaService['judgePosition']> {
    const [cell, at] = mark.split(':');
    const n = Number(at);
    if (!Number.isSafeInteger(n)) {
      return { kind: 'refuse', status: 400, code: 'PAXOS_POSITION_INVALID', message: 'The mark is damaged.' };
    }
    if (cell !== this.cell) {
      return { kind: 'refuse', status: 403, code: 'PAXOS_WRONG_CELL', message: 'The mark is of another cell.' };
    }
    return n <= this.instance ? { kind: 'serve' } : { kind: 'wait', instance: instance(n) };
  }

  whenApplied(at: Instance, timeoutMs: number, done: (applied: boolean) => void): void {
    const timer = setTimeout(() => done(false), timeoutMs);
    this.#waiting.push({
      at,
      done: () => {
        clearTimeout(timer);
        done(true);
      },
    });
    this.#applied();
  }

  /** As if an instance of another kind had been applied. */
  advance(to: number): void {
    this.instance = to;
    this.#applied();
  }

  #applied(): void {
    const ready = this.#waiting.filter((it) => it.at <= this.instance);
    this.#waiting = this.#waiting.filter((it) => it.at > this.instance);
    for (const it of ready) it.done();
  }

  /** Null: there is no state yet. */
  snapshotService: SnapshotService | null = null;

  upgrade(): ReturnType<ReplicaService['upgrade']> {
    return null;
  }

  snapshots(): SnapshotService | null {
    return this.snapshotService;
  }

  async transfer(to: string | null, dryRun: boolean): ReturnType<ReplicaService['transfer']> {
    this.transferred.push({ to, dryRun });
    if (to === 'n9') return { kind: 'refused', code: 'PAXOS_MEMBER_UNKNOWN', message: 'n9 is not a member.' };
    return { kind: 'done', from: this.name, to: to ?? 'n2', epoch: this.epoch + 1 };
  }

  checks(): null {
    return null;
  }

  async changeMembers(
    request: Parameters<ReplicaService['changeMembers']>[0],
    options: Parameters<ReplicaService['changeMembers']>[1],
  ): ReturnType<ReplicaService['changeMembers']> {
    this.membersChanged.push({ request, ...options });
    return this.membersAnswer;
  }

  async drainMember({
    member,
    forMs,
  }: Parameters<ReplicaService['drainMember']>[0]): ReturnType<ReplicaService['drainMember']> {
    if (member === 'n9') return { kind: 'refused', code: 'PAXOS_MEMBER_UNKNOWN', message: 'n9 is not a member.' };
    const until = forMs === null ? null : '2026-01-01T00:00:00.000Z';
    return {
      kind: 'done',
      drained: { member, until, handedTo: null, warning: null, epoch: this.epoch, changed: true },
    };
  }

  /** Changes of revisions up to this one are no longer kept. */
  compactedUpTo = 0;
  #changes: RevisionChanges[] = [];

  changesAfter(from: Revision, revisionsMax = Number.POSITIVE_INFINITY): readonly RevisionChanges[] | null {
    if (from < this.compactedUpTo) return null;
    return this.#changes.filter(({ revision }) => revision > from).slice(0, revisionsMax);
  }
}

const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
