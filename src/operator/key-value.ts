/** `kv put/get/delete/list` and `multiop`: one request each, and what the operator is told. */
import { ConditionFailedError, UsageError } from '../errors/index.ts';
import type {
  DryRunDocument,
  EntryDocument,
  ListDocument,
  MultiOpBody,
  MultiOpDocument,
} from '../formats/http-body.ts';
import { type CellFlags, withCell } from './connect.ts';
import { countPrefix, deletePrefix } from './delete-prefix.ts';

export interface WriteFlags {
  readonly ifRevision: number | undefined;
  readonly ifAbsent?: boolean;
  readonly ifEpoch: number | undefined;
  readonly sequencer: string | undefined;
  readonly dryRun: boolean;
}

/** Set options only: the client tells a missing one from an undefined one. */
function conditionsOf({ ifRevision, ifAbsent, ifEpoch, sequencer }: Omit<WriteFlags, 'dryRun'>) {
  return {
    ...(ifRevision === undefined ? {} : { ifRevision }),
    ...(ifAbsent === true ? { ifAbsent } : {}),
    ...(ifEpoch === undefined ? {} : { ifEpoch }),
    ...(sequencer === undefined ? {} : { sequencer }),
  };
}

export interface PutResult {
  readonly key: string;
  readonly revision: number;
  readonly instance: number;
  readonly epoch: number;
}

export type DryRunResult = { readonly key?: string } & DryRunDocument;

/** @throws {ConditionFailedError} (exit 6) when a condition does not hold, also of a dry run. */
export function putKey(
  cell: CellFlags,
  key: string,
  value: Uint8Array,
  flags: WriteFlags,
): Promise<PutResult | DryRunResult> {
  return withCell(cell, async (client) => {
    refuseEmpty(key);
    const conditions = conditionsOf(flags);
    if (!flags.dryRun) return { key, ...(await client.put(key, value, conditions)) };
    return { key, ...held(await client.putDryRun(key, value, conditions)) };
  });
}

export interface DeleteKeyResult {
  readonly key: string;
  readonly deleted: true;
  readonly revision: number | null;
}

/** @throws {ConditionFailedError} (exit 6) when the key is absent or a condition does not hold. */
export function deleteKey(cell: CellFlags, key: string, flags: WriteFlags): Promise<DeleteKeyResult | DryRunResult> {
  return withCell(cell, async (client) => {
    refuseEmpty(key);
    const conditions = conditionsOf(flags);
    if (flags.dryRun) return { key, ...held(await client.deleteDryRun(key, conditions)) };
    const { deleted, revision } = await client.delete(key, conditions);
    if (!deleted) throw absent(key);
    return { key, deleted: true, revision };
  });
}

export interface DeletePrefixResult {
  readonly prefix: string;
  readonly deleted: number;
  readonly dryRun: boolean;
}

/** `confirmed` is asked with the number of keys before anything is deleted; `sequencer` as of a single write. */
export function deleteKeys(
  cell: CellFlags,
  prefix: string,
  { dryRun, sequencer }: Pick<WriteFlags, 'dryRun' | 'sequencer'>,
  confirmed: (count: number) => Promise<boolean>,
): Promise<DeletePrefixResult> {
  return withCell(cell, async (client) => {
    const count = await countPrefix(client, prefix);
    if (dryRun || count === 0) return { prefix, deleted: count, dryRun };
    const conditions = conditionsOf({ ifRevision: undefined, ifEpoch: undefined, sequencer });
    if (!(await confirmed(count))) return { prefix, deleted: 0, dryRun: false };
    return { prefix, deleted: await deletePrefix(client, prefix, conditions), dryRun: false };
  });
}

/** The document of `kv get` (contract §1), and the bytes. */
export interface GotKey {
  readonly document: EntryDocument;
  readonly value: Uint8Array;
}

/** @throws {ConditionFailedError} (exit 6) when the key is absent. */
export function getKey(cell: CellFlags, key: string, stale: boolean): Promise<GotKey> {
  return withCell(cell, async (client) => {
    refuseEmpty(key);
    const entry = await client.get(key, { consistency: stale ? 'stale' : 'linearizable' });
    if (entry === null) throw absent(key);
    const { value, revision, createRevision, version } = entry;
    const text = value.toString('utf8');
    const shown = Buffer.from(text, 'utf8').equals(value) ? { value: text } : { valueBase64: value.toString('base64') };
    return { value, document: { key, ...shown, revision, createRevision, version } };
  });
}

export interface ListFlags {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly limit: number;
  readonly stale: boolean;
}

/** Up to `limit` entries of one point in time, over as many pages as that takes. */
export function listKeys(cell: CellFlags, { prefix, after, limit, stale }: ListFlags): Promise<ListDocument> {
  return withCell(cell, async (client) => {
    const entries: EntryDocument[] = [];
    let next = after ?? null;
    let revision: number | null = null;
    do {
      const pageSize = Math.min(1000, limit - entries.length);
      const options = { prefix, pageSize, consistency: stale ? 'stale' : 'linearizable' } as const;
      const page: ListDocument = await client.listPage(options, next, revision);
      revision ??= page.revision;
      next = page.next;
      entries.push(...page.entries);
    } while (next !== null && entries.length < limit);
    return { entries, next, revision: revision ?? 0 };
  });
}

/** A guard that does not hold is part of the answer here, not an error. */
export function runMultiOp(
  cell: CellFlags,
  body: MultiOpBody,
  flags: Omit<WriteFlags, 'ifRevision' | 'ifAbsent'>,
): Promise<MultiOpDocument | DryRunDocument> {
  return withCell(cell, (client): Promise<MultiOpDocument | DryRunDocument> => {
    const conditions = conditionsOf({ ...flags, ifRevision: undefined });
    return flags.dryRun ? client.multiOpDryRun(body, conditions) : client.multiOp(body, conditions);
  });
}

/** @throws {UsageError} for text that is no JSON object; the cell checks what is in it. */
export function parseMultiOp(text: string, file: string): MultiOpBody {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`File ${file} is no JSON: ${(error as Error).message}.`, { cause: error });
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new UsageError(`File ${file} holds no MultiOp: {"guard":[…],"then":[…],"else":[…]}.`);
  }
  return body as MultiOpBody;
}

/** A dry run of a single write whose condition does not hold ends as the write would. */
function held(answer: DryRunDocument): DryRunDocument {
  if (answer.succeeded) return answer;
  throw new ConditionFailedError('The condition does not hold; nothing would be written.', { facts: { dryRun: true } });
}

/** It has no path of its own: the cell would take it for another request. */
function refuseEmpty(key: string): void {
  if (key === '') throw new UsageError('The key is empty; keys hold 1 to 1024 bytes.', { code: 'PAXOS_KEY_EMPTY' });
}

const absent = (key: string): ConditionFailedError =>
  new ConditionFailedError(`Key ${JSON.stringify(key)} is absent.`, { code: 'PAXOS_KEY_NOT_FOUND', facts: { key } });
