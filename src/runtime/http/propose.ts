/** Sending a write to the log and understanding what came of it. */
import type { Command, CommandResult } from '../../core/database/command.ts';
import type { ErrorCode } from '../../errors/catalogue.ts';
import type { ProblemDetails } from './answers.ts';
import type { Exchange } from './exchange.ts';
import { onMaster } from './gate.ts';
import type { WriteOutcome } from './service.ts';

/** A result that is an answer of the operation itself, not a refusal. */
export type PlainResult = Extract<CommandResult, { kind: 'multiop' | 'session' | 'done' | 'system' | 'lock' }>;

/** Why a write was not carried out, or is not known to have been. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly details: ProblemDetails;
  /** Where to send it again, when that is known. */
  readonly redirect: { readonly name: string; readonly url: string } | null;
  /** Mastership went elsewhere before it was proposed: to whom may be known a moment later. */
  readonly moved: boolean;
}

const refusal = (code: ErrorCode, detail: string, details: ProblemDetails = {}): Refusal => ({
  code,
  detail,
  details,
  redirect: null,
  moved: false,
});

export const sequencerOver = 'The acquisition of the lock that the write rests on is over.';

/** The plain result of an outcome, or the refusal that it stands for. */
export function understand(outcome: WriteOutcome): PlainResult | Refusal {
  switch (outcome.kind) {
    case 'result':
      return understandResult(outcome.result);
    case 'none':
      return notDone(outcome);
    case 'unknown':
      return refusal(
        'PAXOS_OUTCOME_UNKNOWN',
        outcome.reason === 'mastership-lost'
          ? 'Mastership was lost while the write was in flight.'
          : outcome.reason === 'stopping'
            ? 'The replica stopped while the write was in flight.'
            : 'The write was not chosen within the time limit.',
        { facts: { reason: outcome.reason } },
      );
  }
}

function understandResult(result: CommandResult): PlainResult | Refusal {
  switch (result.kind) {
    case 'multiop':
    case 'session':
    case 'done':
    case 'system':
    case 'lock':
      return result;
    case 'epoch-changed':
      return refusal('PAXOS_EPOCH_CHANGED', `Mastership was broken: the epoch is ${result.epoch} now.`, {
        facts: { epoch: result.epoch },
      });
    case 'sequencer-invalid':
      return refusal('PAXOS_SEQUENCER_INVALID', sequencerOver);
    case 'skipped':
      // Proposed under an epoch that was over when its turn came: as if never sent.
      return refusal('PAXOS_NOT_MASTER', 'Mastership moved before the write was carried out.', {
        facts: { epoch: result.epoch },
        retryAfterMs: 50,
      });
    case 'session-expired':
      return refusal('PAXOS_SESSION_EXPIRED', 'The session, or this number of it, is no longer known.');
    case 'sessions-full':
      return refusal('PAXOS_SESSIONS_FULL', 'The table of sessions is full.', { retryAfterMs: 10_000 });
  }
}

function notDone(outcome: Extract<WriteOutcome, { kind: 'none' }>): Refusal {
  const details = { retryAfterMs: outcome.retryAfterMs };
  switch (outcome.reason) {
    case 'not-master':
      return {
        ...refusal('PAXOS_NOT_MASTER', 'This replica is not the master.', details),
        redirect: outcome.redirect,
        moved: true,
      };
    case 'overloaded':
      return refusal('PAXOS_OVERLOADED', 'Too many writes are waiting.', details);
    case 'read-only':
      return refusal('PAXOS_READ_ONLY', 'This replica is read-only: its disk is nearly full.', details);
    case 'level':
      return refusal('PAXOS_LEVEL_TOO_LOW', 'The cell is not yet at the level that knows this request.', details);
    case 'membership-changing':
      return refusal(
        'PAXOS_MEMBERSHIP_CHANGING',
        'A change of the membership is under way: an upgrade begins when it has ended.',
        { facts: { next: ['paxosctl members list', 'paxosctl wait healthy --timeout 2m'] } },
      );
    case 'stopping':
      return { ...refusal('PAXOS_STOPPING', 'This replica is shutting down.', details), redirect: outcome.redirect };
  }
}

/** Submits one command for one request; `answer` runs only for a plain result, everything else is answered here. */
export function propose(
  exchange: Exchange,
  command: Command,
  answer: (result: PlainResult, place: { readonly instance: number; readonly epoch: number }) => void,
): void {
  exchange.proposed();
  exchange.service.submit(
    command,
    exchange.outcome((outcome) => {
      exchange.settled();
      if (exchange.answered) return;
      const result = understand(outcome);
      if (!('kind' in result)) answerRefusal(exchange, result, () => propose(exchange, command, answer));
      else if (outcome.kind === 'result') answer(result, outcome);
    }),
  );
}

/**
 * Answers a refusal, after a wait where mastership is just being handed over: the request was taken in good order and had
 * no effect, so it waits for the new master like one that comes in now (design §3 "Handing over"). `again` runs when this
 * replica serves again after all.
 */
export function answerRefusal(exchange: Exchange, refusal: Refusal, again: () => void): void {
  if (refusal.redirect !== null) return exchange.redirect(refusal.redirect);
  if (!refusal.moved) return exchange.problem(refusal.code, refusal.detail, refusal.details);
  // In a new turn, in which the service knows of the hand-over too.
  setImmediate(() => {
    if (exchange.answered) return;
    const { kind } = exchange.service.serving();
    if (kind === 'moving' || kind === 'redirect') onMaster(exchange, again);
    else exchange.problem(refusal.code, refusal.detail, refusal.details);
  });
}
