/**
 * Mastership handed over because an operator asks: checked completely before anything is done, and waited for.
 *
 * Source: contract §1 (`master transfer`, `node drain`).
 */
import { memberId } from '../core/consensus/configuration.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { type ClockPort, fromNow } from '../ports/clocks.ts';
import type { ReplicaService } from './http/service.ts';
import { knownMaster } from './known-master.ts';
import type { LogReplica } from './log-replica.ts';
import { type MemberDrains, noSuccessorText } from './member-drains.ts';

/** How often a hand-over looks whether the successor serves, and for how long. */
const pollMs = 5;
const timeoutMs = 5_000;

/** A master that ends lets go first; resolves when the successor was heard as master, or the time is over. Nothing happens elsewhere. */
export async function letGo(
  log: Pick<LogReplica<unknown>, 'core' | 'handOver' | 'isServing' | 'self' | 'stopped'>,
  {
    clocks,
    timeoutMs: forMs,
    to,
  }: { readonly clocks: ClockPort; readonly timeoutMs: number; readonly to: ReplicaId | null },
): Promise<void> {
  if (!log.isServing() || log.core.handOverCandidate(null, clocks.now()) === null) return;
  log.handOver(to);
  const deadline = clocks.now().monotonicMs + forMs;
  // Not only until it has let go: whoever still sends requests here, or is sent here by a replica that has not heard of
  // the successor yet, can only be told where to go by a member that has.
  const succeeded = (): boolean => {
    const master = log.core.master(clocks.now());
    return log.core.state === 'following' && master !== null && master !== log.self;
  };
  while (!succeeded() && clocks.now().monotonicMs < deadline && !log.stopped) {
    await new Promise<void>((resolve) => void clocks.schedule(fromNow(clocks, pollMs), resolve));
  }
}

export interface HandOverOptions {
  readonly self: ReplicaId;
  readonly log: LogReplica<CommandResult>;
  readonly clocks: ClockPort;
  readonly drains: MemberDrains;
}

export class HandOver {
  readonly #options: HandOverOptions;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  /** See {@link ReplicaService.transfer}. */
  async transfer(to: string | null, dryRun: boolean): ReturnType<ReplicaService['transfer']> {
    const { log, clocks, self } = this.#options;
    const from = parseReplicaId(self).name;
    const refuse = (code: string, message: string) => ({ kind: 'refused', code, message }) as const;
    if (!log.isServing()) return refuse('PAXOS_NOT_MASTER', `${from} is not the master.`);
    const target = to === null ? null : this.#memberByName(to);
    if (to !== null && target === null) return refuse('PAXOS_MEMBER_UNKNOWN', `${to} is not a member of this cell.`);
    if (target === self) return refuse('PAXOS_ALREADY_MASTER', `${from} is the master already.`);
    if (to !== null && this.#options.drains.present().has(to)) {
      return refuse('PAXOS_MEMBER_DRAINED', `${to} is drained: mastership is kept away from it.`);
    }
    const successor =
      target === null ? this.#options.drains.successor() : log.core.handOverCandidate(target, clocks.now());
    if (successor === null) {
      return refuse(
        'PAXOS_NO_SUCCESSOR',
        to === null ? noSuccessorText : `${to} is not caught up and answering; mastership stays.`,
      );
    }
    const name = parseReplicaId(successor).name;
    if (dryRun) return { kind: 'done', from, to: name, epoch: log.core.epoch };
    log.handOver(successor);
    return this.#carriedOut(from, successor);
  }

  async #carriedOut(from: string, successor: ReplicaId): ReturnType<ReplicaService['transfer']> {
    const { log, clocks } = this.#options;
    const name = parseReplicaId(successor).name;
    const before = log.core.epoch;
    const deadline = clocks.now().monotonicMs + timeoutMs;
    while (clocks.now().monotonicMs < deadline && !log.stopped) {
      await new Promise<void>((resolve) => void clocks.schedule(fromNow(clocks, pollMs), resolve));
      const master = log.core.master(clocks.now());
      if (master === successor && log.core.epoch > before)
        return { kind: 'done', from, to: name, epoch: log.core.epoch };
      if (log.core.epoch > before && master !== null) break;
      if (log.isServing() && log.core.state === 'serving') break;
    }
    const present = knownMaster(log.core, clocks)?.name;
    const now = present === undefined ? 'nobody is known as master yet' : `${present} is master`;
    const message = `${name} did not become master: ${now}, in epoch ${log.core.epoch}.`;
    return { kind: 'refused', code: 'PAXOS_TRANSFER_FAILED', message };
  }

  #memberByName(name: string): ReplicaId | null {
    for (const { configuration } of this.#options.log.core.configurations) {
      const member = configuration.members.find((candidate) => candidate.name === name && candidate.role === 'voter');
      if (member !== undefined) return memberId(member);
    }
    return null;
  }
}
