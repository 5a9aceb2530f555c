/**
 * Who may judge a client's position mark, and what follows (contract §2 `Paxos-Position`, design §4 "Position mark").
 *
 * Keeps: only a master with a lease judges, everybody else waits or sends the client there; a mark outside the history
 * freezes the cell only after the master has given up its lease, gone through phase 1 again and applied a new epoch, so
 * that no lag, no deposed master and no clock can freeze anybody. Forged, garbled and foreign marks never come that far.
 */
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { Epoch, Instance, ReplicaId } from '../core/consensus/identity.ts';
import { type KnownHistory, lostAtLeast } from '../formats/history-points.ts';
import { type ClockPort, fromNow, type Timer } from '../ports/clocks.ts';
import type { ReplicaService } from './http/service.ts';
import type { History, Position, PositionMarks } from './position.ts';

type Judgement = ReturnType<ReplicaService['judgePosition']>;

/**
 * Between two times that marks make a master prove itself. A genuine mark outside the history freezes the cell, so this is
 * only for what nobody foresaw: whatever clients send, mastership must not be churned by it.
 */
const proveEveryMs = 5_000;
/** How often it is looked whether the new epoch is there, when the client has gone away meanwhile. */
const lookAgainMs = 25;
/** After this many looks whoever is master now is to judge: the clients that are still there ask him. */
const looksMax = 400;
/** Marks that wait for their second judgement; more are told to come back. */
const doubtsMax = 64;

/** What the judge needs of the replica. */
export interface JudgedLog {
  readonly self: ReplicaId;
  readonly stopped: boolean;
  readonly appliedUpTo: Instance;
  isServing(): boolean;
  readonly core: { readonly epoch: Epoch; readonly proposedUpTo: Instance };
  renounce(): void;
  freeze(evidence: FreezeEvidence): Promise<void>;
}

export interface MarkJudgeOptions {
  readonly log: JudgedLog;
  readonly history: History;
  readonly marks: PositionMarks;
  readonly clocks: ClockPort;
}

export class MarkJudge {
  readonly #options: MarkJudgeOptions;
  /** Marks found outside the history, and in which epoch first. */
  readonly #doubts = new Map<string, Epoch>();
  #provenMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #looks = 0;

  constructor(options: MarkJudgeOptions) {
    this.#options = options;
  }

  close(): void {
    this.#timer?.cancel();
  }

  judge(mark: string): Judgement {
    const { marks, log } = this.#options;
    const position = marks.open(mark);
    if (position === null) {
      return refuse(400, 'PAXOS_POSITION_INVALID', 'The position mark is not one of this cell, or is damaged.');
    }
    const verdict = marks.judge(position, log.appliedUpTo);
    if (verdict === 'applied') return { kind: 'serve' };
    if (verdict === 'other-cell') return refuse(403, 'PAXOS_WRONG_CELL', 'The position mark is of another cell.');
    // Only a master with a lease knows everything that was ever chosen: others wait or send the client there.
    if (!log.isServing()) return { kind: 'wait', instance: position.instance };
    if (verdict === 'given-up') return this.#givenUp(position);
    if (verdict === 'ahead' && position.epoch === log.core.epoch) {
      if (position.instance <= log.core.proposedUpTo) return { kind: 'wait', instance: position.instance };
      const message = `The position mark names instance ${position.instance}, which this epoch has not reached.`;
      return refuse(400, 'PAXOS_POSITION_INVALID', message);
    }
    return this.#outside(mark, position);
  }

  #givenUp(position: Position): Judgement {
    const { identity } = this.#options.history;
    const { generation, generationStart } = identity as NonNullable<History['identity']>;
    const began = `epoch ${generationStart.epoch}, instance ${generationStart.instance}`;
    return {
      ...refuse(
        409,
        'PAXOS_GENERATION_CHANGED',
        `Generation ${generation} of the cell began at ${began}; what this client has seen, epoch ${position.epoch}, ` +
          `instance ${position.instance}, revision ${position.revision} of generation ${position.generation}, was given up.`,
      ),
      facts: {
        generation,
        beganAfter: generationStart,
        seen: { generation: position.generation, epoch: position.epoch, instance: position.instance },
        seenRevision: position.revision,
      },
    };
  }

  // --- outside --------------------------------------------------------------------------------------------------------

  /** At a master with a lease. The first time it proves that it is master; when the mark is outside still, it freezes. */
  #outside(mark: string, position: Position): Judgement {
    const { log, clocks } = this.#options;
    const doubtedIn = this.#doubts.get(mark);
    if (doubtedIn !== undefined && log.core.epoch > doubtedIn) {
      void log.freeze(this.#evidence(position));
      return { kind: 'hold' };
    }
    this.#looks = 0;
    if (doubtedIn === undefined && this.#doubts.size < doubtsMax) this.#doubts.set(mark, log.core.epoch);
    const now = clocks.now().monotonicMs;
    if (now - this.#provenMs >= proveEveryMs) {
      this.#provenMs = now;
      log.renounce();
    }
    this.#lookAgain();
    return { kind: 'hold' };
  }

  /** The clients that brought the marks may be gone by then; the evidence is not. */
  #lookAgain(): void {
    const { log, clocks } = this.#options;
    if (this.#timer !== null || this.#doubts.size === 0 || this.#looks++ > looksMax) return;
    const at = fromNow(clocks, lookAgainMs);
    this.#timer = clocks.schedule(at, () => {
      this.#timer = null;
      if (log.stopped) return;
      if (log.isServing()) for (const mark of [...this.#doubts.keys()]) this.#judgeAgain(mark);
      this.#lookAgain();
    });
  }

  #judgeAgain(mark: string): void {
    const doubtedIn = this.#doubts.get(mark);
    if (doubtedIn === undefined || this.#options.log.core.epoch <= doubtedIn) return;
    if (this.judge(mark).kind !== 'hold') this.#doubts.delete(mark);
  }

  #evidence(position: Position): FreezeEvidence {
    const { log, history, clocks } = this.#options;
    const { generation, epoch, epochId, instance, revision } = position;
    const present = { epoch: history.epoch, instance: log.appliedUpTo, revision: history.revision };
    return {
      cause: 'mark-outside-history',
      generation: history.identity?.generation ?? 0,
      seenBy: log.self,
      seenAtMs: clocks.now().wallMs,
      text:
        `A client has seen epoch ${epoch}, instance ${instance}, revision ${revision} of generation ${generation}; this ` +
        `history, at epoch ${present.epoch}, instance ${present.instance}, revision ${present.revision}, does not contain it.`,
      facts: {
        markGeneration: generation,
        markEpoch: epoch,
        markEpochId: epochId,
        markInstance: instance,
        markRevision: revision,
        historyEpoch: present.epoch,
        historyInstance: present.instance,
        historyRevision: present.revision,
        revisionsLostAtLeast: lostAtLeast(position, knownHistory(history)),
      },
    };
  }
}

const knownHistory = (history: History): KnownHistory => ({
  generation: history.identity?.generation ?? 0,
  revision: history.revision,
  epochAt: (epoch) => history.epochAt(epoch as Epoch),
  epochAfter: (epoch) => history.epochAfter(epoch as Epoch),
});

const refuse = (
  status: 400 | 403 | 409,
  code: string,
  message: string,
): Extract<Judgement, { readonly kind: 'refuse' }> => ({ kind: 'refuse', status, code, message });
