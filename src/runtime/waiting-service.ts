/** Stands before the HTTP front while there is no database yet: forming, or opening the data directory. */
import type {
  BackupService,
  CoordinationState,
  ReplicaService,
  ReplicaStatus,
  Serving,
  WriteOutcome,
} from './http/service.ts';

/** Passes everything on to the service of the moment: the front is made once, before the replica is. */
export class ServiceSwitch implements ReplicaService {
  #service: ReplicaService;

  constructor(service: ReplicaService) {
    this.#service = service;
  }

  set(service: ReplicaService): void {
    this.#service = service;
  }

  serving(): Serving {
    return this.#service.serving();
  }
  incomplete(): string | null {
    return this.#service.incomplete?.() ?? null;
  }
  read(): ReturnType<ReplicaService['read']> {
    return this.#service.read();
  }
  coordination(): CoordinationState {
    return this.#service.coordination();
  }
  submit(...args: Parameters<ReplicaService['submit']>): void {
    this.#service.submit(...args);
  }
  status(): ReplicaStatus {
    return this.#service.status();
  }
  epochCauses(): ReadonlyMap<string, number> {
    return this.#service.epochCauses?.() ?? new Map();
  }
  position(unjudged?: string | null): string {
    return this.#service.position(unjudged);
  }
  judgePosition(mark: string): ReturnType<ReplicaService['judgePosition']> {
    return this.#service.judgePosition(mark);
  }
  whenApplied(...args: Parameters<ReplicaService['whenApplied']>): void {
    this.#service.whenApplied(...args);
  }
  upgrade(): ReturnType<ReplicaService['upgrade']> {
    return this.#service.upgrade();
  }
  snapshots(): ReturnType<ReplicaService['snapshots']> {
    return this.#service.snapshots();
  }
  backups(): BackupService | null {
    return this.#service.backups?.() ?? null;
  }
  transfer(...args: Parameters<ReplicaService['transfer']>): ReturnType<ReplicaService['transfer']> {
    return this.#service.transfer(...args);
  }
  checks(): ReturnType<ReplicaService['checks']> {
    return this.#service.checks();
  }
  changeMembers(...args: Parameters<ReplicaService['changeMembers']>): ReturnType<ReplicaService['changeMembers']> {
    return this.#service.changeMembers(...args);
  }
  recovery(): ReturnType<ReplicaService['recovery']> {
    return this.#service.recovery();
  }

  drainMember(...args: Parameters<ReplicaService['drainMember']>): ReturnType<ReplicaService['drainMember']> {
    return this.#service.drainMember(...args);
  }
  changesAfter(...args: Parameters<ReplicaService['changesAfter']>): ReturnType<ReplicaService['changesAfter']> {
    return this.#service.changesAfter(...args);
  }
}

const noCoordination: CoordinationState = {
  lock: () => null,
  locksFrom: () => [],
  sessionsFrom: () => [],
  locksHeldBy: () => 0,
  cellTimeMs: 0,
};

export interface WaitingFacts {
  readonly name: string;
  readonly cellName: string;
  readonly version: string;
  readonly members: readonly { readonly name: string; readonly url: string }[];
  uptimeMs(): number;
  /** Its disk is to be rebuilt as a new incarnation. */
  rebuilds(): boolean;
  /** What it waits for, for status. */
  reason(): string;
}

const noEntry = { entries: [], next: null, revision: 0 } as const;

/** Answers status alone. */
export class WaitingService implements ReplicaService {
  readonly #facts: WaitingFacts;

  constructor(facts: WaitingFacts) {
    this.#facts = facts;
  }

  serving(): Serving {
    const message = `${this.#facts.name} serves nothing yet: ${this.#facts.reason()}.`;
    return { kind: 'refused', code: 'PAXOS_NOT_SERVING', message };
  }

  read(): ReturnType<ReplicaService['read']> {
    return { revision: 0, get: () => null, list: () => noEntry };
  }

  submit(_command: unknown, done: (outcome: WriteOutcome) => void): void {
    done({ kind: 'none', reason: 'not-master', redirect: null, retryAfterMs: 500 });
  }

  position(): string {
    return '';
  }

  judgePosition(): ReturnType<ReplicaService['judgePosition']> {
    return { kind: 'serve' };
  }

  whenApplied(_instance: unknown, _timeoutMs: number, done: (applied: boolean) => void): void {
    done(false);
  }

  upgrade(): null {
    return null;
  }

  snapshots(): null {
    return null;
  }

  async transfer(): ReturnType<ReplicaService['transfer']> {
    return { kind: 'refused', code: 'PAXOS_NOT_MASTER', message: `${this.#facts.name} is not the master.` };
  }

  checks(): null {
    return null;
  }
  async changeMembers(): ReturnType<ReplicaService['changeMembers']> {
    const message = `${this.#facts.name} is not the master.`;
    return { kind: 'refused', code: 'PAXOS_NOT_MASTER', message, facts: {}, suggestions: [] };
  }

  recovery(): null {
    return null;
  }

  async drainMember(): ReturnType<ReplicaService['drainMember']> {
    return { kind: 'refused', code: 'PAXOS_NOT_MASTER', message: `${this.#facts.name} is not the master.` };
  }

  coordination(): CoordinationState {
    return noCoordination;
  }

  changesAfter(): null {
    return null;
  }

  status(): ReplicaStatus {
    const { name, cellName, version, members, uptimeMs, reason } = this.#facts;
    return {
      name,
      cell: { id: null, name: cellName, generation: 0 },
      role: this.#facts.rebuilds() ? 'rebuilding' : 'waiting',
      voting: false,
      incarnation: 0,
      boot: { number: 0, id: '' },
      epoch: 0,
      ballot: '',
      master: null,
      lease: { held: false, remainingMs: 0 },
      instances: { chosen: 0, applied: 0, firstRetained: 0, snapshot: 0 },
      revision: 0,
      entries: 0,
      checksum: { instance: 0, log: '', database: '' },
      version,
      level: 0,
      uptimeMs: Math.round(uptimeMs()),
      members: members.map((member) => ({ ...member, role: 'waiting', voting: false, incarnation: 0 })),
      peers: [],
      mastership: { since: null, changesLastHour: 0, changesLastDay: 0, lastChange: null },
      load: { queuedWrites: 0, eventLoopLagMsP99: 0, flushMsP50: 0, flushMsP99: 0, itemsPerInstance: 0 },
      readOnly: false,
      warnings: [reason()],
    };
  }
}
