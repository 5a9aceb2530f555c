/**
 * Schemas of the JSON bodies that clients send: what is not listed is refused, and nothing is converted silently.
 * The route table uses them for validation and for the OpenAPI document alike.
 */
import { z } from 'zod';
import { memberNamePattern } from '../../core/consensus/identity.ts';
import { lockModes } from '../../core/database/lock.ts';
import { lockDelayMsMax } from '../../core/database/lock-limits.ts';
import { systemKeyPattern } from '../../core/database/system-entry.ts';
import type { BackupChangeBody } from '../../formats/backup-body.ts';
import type {
  BatchBody,
  BatchOperationBody,
  DrainBody,
  MembersChangeBody,
  MultiOpBody,
  OpenSessionBody,
  OperationBody,
  StartCheckBody,
  TakeSnapshotBody,
  TestBody,
  TransferBody,
} from '../../formats/http-body.ts';
import type { AcquireLockBody } from '../../formats/lock-body.ts';
import type { RecoverRequest } from '../../formats/recovery.ts';
import type { AttemptManifestDocument, AttemptScanDocument, UpgradeWriteBody } from '../../formats/upgrade-body.ts';
import { drainMsMax, drainMsMin } from '../drains.ts';

const key = z.string().describe('UTF-8, 1 to 1024 bytes; U+0000 at the beginning is reserved');
const revision = z.int().min(0).describe('0 means absent');

const value = z.string().describe('The bytes of this text in UTF-8');
const valueBase64 = z
  .string()
  .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)
  .describe('The bytes in base64, padded');

/** Exactly one of them must be there: checked where the bytes are made. */
const valueFields = { value: value.optional(), valueBase64: valueBase64.optional() };

const compared = { key, ...valueFields };
const test = z.discriminatedUnion('test', [
  z.strictObject({ test: z.literal('absent'), key }),
  z.strictObject({ test: z.literal('present'), key }),
  z.strictObject({ test: z.literal('revision'), key, revision }),
  z.strictObject({ test: z.literal('equals'), ...compared }),
  z.strictObject({ test: z.literal('less'), ...compared }),
  z.strictObject({ test: z.literal('greater'), ...compared }),
]) satisfies z.ZodType<TestBody>;

const get = z.strictObject({ op: z.literal('get'), key });

const operation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), key, ...valueFields }),
  z.strictObject({ op: z.literal('delete'), key }),
  get,
]) satisfies z.ZodType<OperationBody>;

const parts = {
  guard: z.array(test).optional(),
  // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6 and of the contract.
  then: z.array(operation).optional(),
  else: z.array(operation).optional(),
};

export const multiOpSchema = z.strictObject(parts) satisfies z.ZodType<MultiOpBody>;

const ifRevision = revision.optional().describe('Only if the last change of the entry has this revision; 0: if absent');

const batchOperation = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), key, ...valueFields, ifRevision }),
  z.strictObject({ op: z.literal('delete'), key, ifRevision }),
  get,
  z.strictObject({ op: z.literal('multiop'), ...parts }),
]) satisfies z.ZodType<BatchOperationBody>;

export const batchSchema = (operationsMax: number) =>
  z.strictObject({ operations: z.array(batchOperation).max(operationsMax) }) satisfies z.ZodType<BatchBody>;

export const openSessionSchema = (ttlMs: { readonly min: number; readonly max: number }) =>
  z.strictObject({ ttlMs: z.int().min(ttlMs.min).max(ttlMs.max).optional() }) satisfies z.ZodType<OpenSessionBody>;

export const acquireLockSchema = z.strictObject({
  mode: z.enum(lockModes).optional().describe('exclusive (default) or shared'),
  lockDelayMs: z
    .int()
    .min(0)
    .max(lockDelayMsMax)
    .optional()
    .describe('For how long nobody else may take the lock when this session is lost; 15000 where absent'),
}) satisfies z.ZodType<AcquireLockBody>;

export const transferSchema = z.strictObject({
  to: z.string().regex(memberNamePattern).optional(),
  dryRun: z.boolean().optional(),
}) satisfies z.ZodType<TransferBody>;

export const startCheckSchema = z.strictObject({ deep: z.boolean().optional() }) satisfies z.ZodType<StartCheckBody>;
export const takeSnapshotSchema = z.strictObject({
  dryRun: z.boolean().optional(),
}) satisfies z.ZodType<TakeSnapshotBody>;

const memberName = z.string().regex(memberNamePattern);

export const membersSchema = z.strictObject({
  name: memberName,
  url: z
    .string()
    .regex(/^https?:\/\/[^/?#@\s]+\/?$/)
    .optional()
    .describe('Where the replica that is to be added is reached by every member'),
  role: z
    .enum(['learner', 'voter'])
    .optional()
    .describe('voter: the member gets its vote, or with an url is to get it once it has caught up'),
  replaces: memberName.optional().describe('A dead member that goes in the same step'),
  rebuild: z.boolean().optional().describe('The next incarnation of this member is admitted'),
  incarnation: z.int().min(1).optional().describe('Only if this is the present one'),
  dryRun: z.boolean().optional(),
  allowNoSpare: z.boolean().optional(),
}) satisfies z.ZodType<MembersChangeBody>;

export type MembersBody = z.infer<typeof membersSchema>;

export const drainSchema = z.strictObject({
  member: z.string().regex(memberNamePattern),
  forMs: z.int().min(drainMsMin).max(drainMsMax).nullable(),
  dryRun: z.boolean().optional(),
}) satisfies z.ZodType<DrainBody>;
const systemKey = z.string().regex(systemKeyPattern);

export const upgradeSchema = z.strictObject({
  guard: z.array(z.strictObject({ key: systemKey, instance: z.int().min(0) })).optional(),
  writes: z.array(z.strictObject({ key: systemKey, value: z.string().nullable() })).optional(),
  renew: z.boolean().optional().describe('Stamp the claim with the time of the cell'),
}) satisfies z.ZodType<UpgradeWriteBody>;

export const attemptSchema = z.strictObject({
  attempt: z.string().regex(/^u-[0-9A-Za-z-]{1,64}$/),
  from: z.string(),
  to: z.string(),
  startedBy: z.string(),
  at: z.string(),
  generation: z.int().min(0),
  instance: z.int().min(0),
  checksum: z.string(),
}) satisfies z.ZodType<AttemptManifestDocument>;

export const scanSchema = z.strictObject({
  member: memberName,
  incarnation: z.int().min(1),
  boot: z.string(),
  version: z.string(),
  instance: z.int().min(0),
  at: z.string(),
  folders: z.array(
    z.strictObject({
      attempt: z.string(),
      manifest: attemptSchema.nullable(),
      files: z.array(z.strictObject({ name: z.string(), bytes: z.int().min(0), modifiedAt: z.string() })),
    }),
  ),
  nonce: z.string().regex(/^[0-9a-f]{0,64}$/),
  signature: z.string(),
}) satisfies z.ZodType<AttemptScanDocument>;

/** Shorter would never end; longer is no schedule. */
const everyMsMin = 1_000;
const everyMsMax = 366 * 24 * 3_600_000;
const backupsKeptMax = 1_000;

const toldBackup = {
  generation: z.int().min(1),
  instance: z.int().min(1),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  file: z.string().max(4_096),
  where: z.string().max(256),
};

export const backupSchema = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('schedule'),
    directory: z.string().min(1).max(4_096).describe('Absolute, on every member that may be asked'),
    everyMs: z.int().min(everyMsMin).max(everyMsMax),
    keep: z.int().min(1).max(backupsKeptMax).describe('Backups of this cell and generation that stay'),
    members: z.array(memberName).min(1).nullable().optional().describe('Who may be asked; all of them where absent'),
    dryRun: z.boolean().optional(),
  }),
  z.strictObject({ op: z.literal('stop'), dryRun: z.boolean().optional() }),
  z.strictObject({
    op: z.literal('saved'),
    ...toldBackup,
    ageMs: z.int().min(0).describe('Everything that was acknowledged so long ago, or before, is in it'),
    entries: z.int().min(0),
    bytes: z.int().min(1),
    checksum: z.string().regex(/^[0-9a-f]{32}$/),
  }),
  z.strictObject({ op: z.literal('rehearsed'), ...toldBackup, tookMs: z.int().min(0) }),
]) satisfies z.ZodType<BackupChangeBody>;

export const emptySchema = z.strictObject({});

/** The first thing that does not fit, as `operations[3].key: …`; quotes no values. */
export function describeMismatch(error: z.ZodError): string {
  const issue = error.issues[0]!;
  const path = issue.path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part).slice(0, 64)}`))
    .join('');
  return path === '' ? `Body: ${issue.message}.` : `Body field ${path}: ${issue.message}.`;
}

const generation = { generation: z.int().min(2), generationId: z.string().regex(/^[0-9a-f]{32}$/) };
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const cellId = z.string().min(1).max(64);
const decision = z.strictObject({
  ...generation,
  cellId,
  base: z.string().regex(memberNamePattern),
  offered: z.strictObject({ sha256: digest, bytes: z.int().min(1) }).nullable(),
  baseApplied: z.int().min(0),
  tail: z.array(z.strictObject({ instance: z.int().min(1), valueBase64 })),
  numbers: z.int().min(1),
  members: z
    .array(
      z.strictObject({
        name: z.string().regex(memberNamePattern),
        url: z.string(),
        role: z.enum(['voter', 'learner']),
        incarnation: z.int().min(1),
      }),
    )
    .min(1),
});

const addressee = { cell: cellId, member: z.string().regex(memberNamePattern), incarnation: z.int().min(0) };

export const recoverSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('fence'), ...addressee, ...generation, source: z.union([digest, z.literal('')]) }),
  z.strictObject({ op: z.literal('lift'), ...addressee, ...generation }),
  z.strictObject({
    op: z.literal('offer'),
    ...addressee,
    ...generation,
    sha256: digest,
    bytes: z.int().min(1),
    offset: z.int().min(0),
    pieceBase64: valueBase64,
  }),
  z.strictObject({ op: z.literal('build'), ...addressee, decision, digest }),
  z.strictObject({
    op: z.literal('take'),
    ...addressee,
    ...generation,
    cellId,
    from: z.string().regex(memberNamePattern),
    instance: z.int().min(1),
    sha256: digest,
    digest,
  }),
]) satisfies z.ZodType<RecoverRequest>;
