/**
 * Keeps mastership away from members that an operator drained: asked of the master, recorded in the log (`drains.ts`), and heeded by
 * whoever is master then.
 */
import type { ReplicaId } from '../core/consensus/identity.ts';
import { parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import { voters } from '../core/consensus/quorum.ts';
import type { CommandResult } from '../core/database/command.ts';
import type { DrainDocument } from '../formats/operating-body.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { DatabaseApplication } from './database-application.ts';
import { type Drains, drainsAt, drainsKey, encodeDrains } from './drains.ts';
import type { ReplicaService, WriteOutcome } from './http/service.ts';
import type { LogReplica } from './log-replica.ts';

export interface MemberDrainsOptions {
  readonly self: ReplicaId;
  readonly log: LogReplica<CommandResult>;
  readonly database: DatabaseApplication;
  readonly clocks: ClockPort;
  readonly submit: ReplicaService['submit'];
  /** To whomever {@link MemberDrains.successor} names. */
  transfer(): ReturnType<ReplicaService['transfer']>;
}

type Answer = Awaited<ReturnType<ReplicaService['drainMember']>>;

export const noSuccessorText = 'No other voter is caught up, answering and not drained; mastership stays.';

const refuse = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;

export class MemberDrains {
  readonly #options: MemberDrainsOptions;
  #drained = false;
  #seen: unknown;

  constructor(options: MemberDrainsOptions) {
    this.#options = options;
  }

  #cellTimeMs(): number {
    const { log, clocks } = this.#options;
    return log.core.cellTimeMs(clocks.now());
  }

  present(): Drains {
    return drainsAt(this.#options.database.system.get(drainsKey), this.#cellTimeMs());
  }

  documents(): readonly DrainDocument[] {
    const { wallMs } = this.#options.clocks.now();
    const cellTimeMs = this.#cellTimeMs();
    return [...this.present()].map(([member, untilMs]) => {
      const remainingMs = Math.round(untilMs - cellTimeMs);
      return { member, until: new Date(wallMs + remainingMs).toISOString(), remainingMs };
    });
  }

  /** At a master: the most caught-up voter that may have the mastership; null when there is none. */
  successor(): ReplicaId | null {
    const { log, clocks } = this.#options;
    const now = clocks.now();
    const drains = this.present();
    const best = log.core.handOverCandidate(null, now);
    if (best === null || !drains.has(parseReplicaId(best).name)) return best;
    // Whoever can take it has applied everything by the time at which it gets it.
    for (const { name, role, incarnation } of log.core.configuration.members) {
      if (role !== 'voter' || drains.has(name)) continue;
      const candidate = log.core.handOverCandidate(replicaId(name, incarnation), now);
      if (candidate !== null) return candidate;
    }
    return null;
  }

  /** An instance was applied. */
  onApplied(): void {
    const entry = this.#options.database.system.get(drainsKey);
    if (entry === this.#seen) return;
    this.#seen = entry;
    this.follow();
  }

  /** To be called now and then, since drains end by themselves: a drained replica lets others go first when a master is to be elected. */
  follow(): void {
    const drained = this.present().has(parseReplicaId(this.#options.self).name);
    if (drained === this.#drained) return;
    this.#drained = drained;
    this.#options.log.drain(drained);
  }

  /**
   * Whoever became master all the same, because nobody else could, gives it on as soon as that is possible; so does one whose removal was chosen
   * under another master and does not govern yet: there would be none until its lease has ended.
   */
  keepAway(): void {
    const { log, self } = this.#options;
    if (!this.present().has(parseReplicaId(self).name) && !this.#isLeaving()) return;
    const successor = this.successor();
    if (successor !== null) log.handOver(successor);
  }

  #isLeaving(): boolean {
    const { log, self } = this.#options;
    const latest = log.core.configurations.at(-1);
    return latest !== undefined && !voters(latest.configuration).has(self);
  }

  /** At the master: begins a drain, or ends it where `forMs` is null. Refused, nothing was changed. */
  async change({ member, forMs, dryRun }: Parameters<ReplicaService['drainMember']>[0]): Promise<Answer> {
    const { log, clocks, self } = this.#options;
    const own = parseReplicaId(self).name;
    if (!log.isServing()) return refuse('PAXOS_NOT_MASTER', `${own} is not the master.`);
    if (!log.core.configuration.members.some(({ name, role }) => name === member && role === 'voter')) {
      return refuse('PAXOS_MEMBER_UNKNOWN', `${member} is no voter of this cell.`);
    }
    const hands = forMs !== null && member === own;
    const successor = hands ? this.successor() : null;
    if (hands && successor === null) {
      return refuse('PAXOS_NO_SUCCESSOR', noSuccessorText);
    }
    const changed = forMs !== null || this.present().has(member);
    const until = forMs === null ? null : new Date(clocks.now().wallMs + forMs).toISOString();
    const drained = { member, until, handedTo: null, warning: null, epoch: log.core.epoch, changed };
    if (dryRun) {
      const handedTo = successor === null ? null : parseReplicaId(successor).name;
      return { kind: 'done', drained: { ...drained, handedTo } };
    }
    if (!changed) return { kind: 'done', drained };
    const recorded = await this.#record(member, forMs);
    if (recorded !== null) return recorded;
    if (!hands) return { kind: 'done', drained };
    const handed = await this.#options.transfer();
    if (handed.kind === 'refused') {
      const warning = `${handed.message} The drain is recorded: mastership goes on as soon as another voter can take it.`;
      return { kind: 'done', drained: { ...drained, warning } };
    }
    return { kind: 'done', drained: { ...drained, handedTo: handed.to, epoch: handed.epoch } };
  }

  /** Null once it is chosen. */
  async #record(member: string, forMs: number | null): Promise<Answer | null> {
    const { database, submit } = this.#options;
    const drains = new Map(this.present());
    if (forMs === null) drains.delete(member);
    else drains.set(member, Math.ceil(this.#cellTimeMs()) + forMs);
    const guard = [{ key: drainsKey, instance: database.system.get(drainsKey)?.instance ?? 0 }];
    const writes = [{ key: drainsKey, value: encodeDrains(drains) }];
    const outcome = await new Promise<WriteOutcome>((resolve) => {
      submit({ kind: 'system', guard, writes, ifEpoch: null }, resolve);
    });
    if (outcome.kind === 'unknown') return { kind: 'unknown' };
    if (outcome.kind === 'none') return refuse('PAXOS_NOT_MASTER', `It could not be recorded: ${outcome.reason}.`);
    if (outcome.result.kind === 'system' && outcome.result.succeeded) return null;
    return refuse('PAXOS_REFUSED', 'Another drain was recorded at the same time, and this one was not; try again.');
  }
}
