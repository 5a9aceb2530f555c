/**
 * What may stand in the journal of upgrades: whatever is chosen is read by every replica and by every later operator, so what they
 * could not read is never proposed (pitfall P51). Fields that this version does not know are a newer program's, and are kept.
 */
import { z } from 'zod';
import { levelKey, raiseKey } from '../../core/database/system-entry.ts';
import {
  attemptKey,
  claimKey,
  claimRenewedKey,
  currentKey,
  upgradeAttemptsPrefix,
} from '../../formats/upgrade-body.ts';

const count = z.int().min(0);
const text = z.string();

const before = z.looseObject({
  boot: z.looseObject({ number: count, id: text }),
  applied: count,
  cellApplied: count,
  warnings: z.array(text),
});

const member = z.looseObject({
  name: text,
  url: text,
  incarnation: count,
  voting: z.boolean(),
  state: text,
  begun: z.boolean(),
  rehearsed: z.boolean(),
  before: before.nullable(),
  doubt: text.nullable(),
  cleared: z.looseObject({ at: text, signature: text, verifiedBy: text }).nullable(),
});

const step = z.looseObject({ member: text.nullable(), step: text, state: text, at: text, detail: text });

const attempt = z.looseObject({
  attempt: text.regex(/^[A-Za-z0-9._-]{1,100}$/),
  state: text.min(1),
  cell: text,
  from: text,
  to: text,
  how: text,
  exec: text.nullable(),
  rehearse: text.nullable(),
  startedBy: text,
  startedAt: text,
  changedAt: text,
  generation: count,
  mark: z
    .looseObject({ generation: count, epoch: count, instance: count, log: text, checksum: text, revision: count })
    .nullable(),
  backup: z.looseObject({ file: text, host: text, at: text, instance: count, bytes: count, digest: text }).nullable(),
  members: z.array(member),
  steps: z.array(step),
  stop: z.looseObject({ member: text.nullable(), reason: text, judged: z.boolean() }).nullable(),
  upgradedAt: text.nullable(),
  raiseTo: count.nullable(),
  raiseFrom: count.optional(),
});

const claim = z.looseObject({ attempt: text, driver: text, nonce: text });

/** What is wrong with one write, as a sentence; null where nothing is. The level itself is judged elsewhere. */
export function journalProblem(key: string, value: string | null): string | null {
  if (key === levelKey || key === raiseKey || value === null) return null;
  if (key === claimRenewedKey) return `${key} is written by the master's clock alone: ask with "renew".`;
  if (key === currentKey)
    return attempt.shape.attempt.safeParse(value).success ? null : `${key}: not the name of an attempt.`;
  if (key === claimKey) return misfit(key, claim, value);
  if (!key.startsWith(upgradeAttemptsPrefix)) return `${key} is no key of the journal of upgrades.`;
  const document = parsed(value);
  const wrong = misfit(key, attempt, value);
  if (wrong !== null) return wrong;
  return attemptKey((document as { attempt: string }).attempt) === key ? null : `${key} holds another attempt.`;
}

function misfit(key: string, schema: z.ZodType, value: string): string | null {
  const { error } = schema.safeParse(parsed(value));
  const issue = error?.issues[0];
  if (issue === undefined) return null;
  const at = issue.path.map((part) => String(part).slice(0, 64)).join('.');
  return `${key} does not parse${at === '' ? '' : ` at ${at}`}: ${issue.message}.`;
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}
