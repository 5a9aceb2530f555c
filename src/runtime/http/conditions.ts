/** Conditional requests (RFC 9110 §13) and the headers of ours that make a write conditional or repeatable. */
import type { Epoch } from '../../core/consensus/identity.ts';
import { epoch } from '../../core/consensus/identity.ts';
import type { SessionNumber, Test } from '../../core/database/command.ts';
import type { Sequencer } from '../../core/database/lock.ts';
import { isSessionId } from '../../formats/lock-body.ts';
import { sequencerFromText } from '../../formats/sequencer.ts';
import type { Fault } from './keys.ts';
import type { RequestHeaders } from './request-headers.ts';

const etagPattern = /^"(0|[1-9][0-9]{0,15})"$/;
const integerPattern = /^(?:0|[1-9][0-9]{0,15})$/;
const unconditional: readonly Test[] = [];

const bad = (detail: string): Fault => ({ code: 'PAXOS_BAD_HEADER', detail });

/** The guard that `If-Match` and `If-None-Match` put before a write of `key`. */
export function guardFrom(headers: RequestHeaders, key: string): readonly Test[] | Fault {
  const { ifMatch, ifNoneMatch } = headers;
  if (ifMatch === null && ifNoneMatch === null) return unconditional;
  if (ifMatch !== null && ifNoneMatch !== null) return bad('If-Match and If-None-Match exclude each other.');
  if (ifNoneMatch !== null) {
    return ifNoneMatch === '*' ? [{ test: 'absent', key }] : bad('If-None-Match of a write is "*".');
  }
  if (ifMatch === '*') return [{ test: 'present', key }];
  const revision = Number(etagPattern.exec(ifMatch as string)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(revision)
    ? [{ test: 'revision', key, revision }]
    : bad('If-Match of a write is one revision in double quotes, or "*".');
}

/** `Paxos-Epoch`: null when the client sets no condition on mastership. */
export function epochFrom(headers: RequestHeaders): Epoch | null | Fault {
  const text = headers.paxosEpoch;
  if (text === null) return null;
  const n = integerPattern.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(n) ? epoch(n) : bad('Paxos-Epoch is an integer from 0, below 2^53.');
}

/** `Paxos-Sequencer`: null when the write rests on no lock. */
export function sequencerFrom(headers: RequestHeaders): Sequencer | null | Fault {
  const text = headers.paxosSequencer;
  if (text === null) return null;
  return sequencerFromText(text) ?? bad('Paxos-Sequencer is the "sequencer" of an answer to POST /v1/locks/{lock}.');
}

/** `Idempotency-Key: session/sequence`. */
export function sessionNumberFrom(headers: RequestHeaders): SessionNumber | null | Fault {
  const text = headers.idempotencyKey;
  if (text === null) return null;
  const at = text.lastIndexOf('/');
  const session = text.slice(0, Math.max(at, 0));
  const digits = text.slice(at + 1);
  const sequence = integerPattern.test(digits) ? Number(digits) : Number.NaN;
  if (!isSessionId(session) || !Number.isSafeInteger(sequence) || sequence < 1) {
    return bad('Idempotency-Key is the id of a session, a slash and a number from 1, below 2^53.');
  }
  return { session, sequence };
}
