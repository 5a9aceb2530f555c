/** What `kv import` and `kv export` need of a cell, made of the client. */
import type { PaxosClient } from '../client/client.ts';
import { errorFromProblem, OutcomeUnknownError, UnreachableError } from '../errors/index.ts';
import type { BatchErrorDocument, BatchOperationBody } from '../formats/http-body.ts';
import { type CellFlags, cellIdAt, withCell } from './connect.ts';
import type { EtcdDryRun, EtcdImportOptions, EtcdImportResult } from './etcd/import-etcd.ts';
import { type ExportOptions, type ExportResult, type ExportSource, exportEntries } from './export.ts';
import {
  dryRunOfImport,
  type ImportDryRun,
  type ImportOptions,
  type ImportResult,
  type ImportTarget,
  importFile,
} from './import.ts';

const pauseMs = 50;
/** An import that is resumed within this time is numbered on; a later one compares what is there. */
const sessionTtlMs = 3_600_000;

export function importTarget(client: PaxosClient, timeoutMs: number): ImportTarget {
  return {
    // Kept alive by this client while the import runs.
    openSession: async () => (await client.openSession({ ttlMs: sessionTtlMs })).id,
    wouldChange: async (entries) => {
      const operations = entries.map(({ key, value }) => ({ op: 'put' as const, key, ...textOrBase64(value) }));
      // biome-ignore lint/suspicious/noThenProperty: the name in the contract of MultiOp.
      return (await client.multiOpDryRun({ then: operations }, { timeoutMs })).wouldChange;
    },
    get: async (key) => (await client.get(key))?.value ?? null,
    putAll: async (entries, first) => {
      const operations = entries.map(
        ({ key, value }): BatchOperationBody => ({ op: 'put', key, ...textOrBase64(value) }),
      );
      const until = performance.now() + timeoutMs;
      for (;;) {
        const results = await client.batchNumbered(first, operations, {});
        const failed = results.flatMap((result) => (result.ok ? [] : [result.error]));
        if (results.length === operations.length && failed.length === 0) return;
        const final = failed.find((error) => !isPassing(error));
        if (final) throw errorOf(final);
        if (performance.now() >= until)
          throw failed[0] ? errorOf(failed[0]) : new UnreachableError('A batch was answered in part.');
        // All of it again: what was done under these numbers answers as it did, the rest is done now.
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    },
  };
}

/** Mastership moved while the batch was under way, or too much was waiting. Under its numbers it can be sent again. */
const isPassing = ({ code, status, outcome }: BatchErrorDocument): boolean =>
  code !== 'PAXOS_SESSION_EXPIRED' && (status === 503 || outcome === 'unknown');

function errorOf({ code, detail, status, outcome }: BatchErrorDocument): Error {
  if (outcome === 'unknown') return new OutcomeUnknownError(detail, { code: code as 'PAXOS_OUTCOME_UNKNOWN' });
  return errorFromProblem({ type: 'about:blank', title: code, status, detail, code, outcome });
}

function textOrBase64(value: Uint8Array): { value: string } | { valueBase64: string } {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? { value: text } : { valueBase64: bytes.toString('base64') };
}

export const exportSource = (client: PaxosClient): ExportSource => ({
  list: ({ prefix, after, revision, limit }) =>
    client.listPage({ ...(prefix === '' ? {} : { prefix }), pageSize: limit }, after, revision),
});

/** `kv import`. */
export function importIntoCell(
  cell: CellFlags,
  options: Pick<ImportOptions, 'file' | 'resume' | 'onProgress'>,
): Promise<ImportResult> {
  return withCell(cell, async (client) => {
    const id = await cellIdAt(client, cell.endpoints);
    return importFile(importTarget(client, cell.timeout), { ...options, cell: id });
  });
}

/** `kv import --dry-run`. */
export const dryRunIntoCell = (
  cell: CellFlags,
  options: Pick<ImportOptions, 'file' | 'onProgress'>,
): Promise<ImportDryRun> => withCell(cell, (client) => dryRunOfImport(importTarget(client, cell.timeout), options));

/** `kv export`. */
export const exportFromCell = (cell: CellFlags, options: ExportOptions): Promise<ExportResult> =>
  withCell(cell, (client) => exportEntries(exportSource(client), options));

export interface EtcdRequest {
  readonly urls: readonly string[];
  readonly prefix: string;
  readonly user: string | null;
  readonly onProgress: EtcdImportOptions['onProgress'];
}

/** `kv import --from-etcd`. */
export const importEtcdIntoCell = (
  cell: CellFlags,
  { user, ...options }: EtcdRequest & { readonly resume: boolean },
): Promise<EtcdImportResult> =>
  withCell(cell, async (client) => {
    const { EtcdGateway } = await import('./etcd/gateway.ts');
    const { importFromEtcd } = await import('./etcd/import-etcd.ts');
    const source = new EtcdGateway({ urls: options.urls, timeoutMs: cell.timeout, user });
    const parts = { target: importTarget(client, cell.timeout), list: exportSource(client) };
    return importFromEtcd(source, parts, { ...options, cell: await cellIdAt(client, cell.endpoints) });
  });

/** `kv import --from-etcd --dry-run`. */
export const dryRunEtcdIntoCell = (cell: CellFlags, { user, ...options }: EtcdRequest): Promise<EtcdDryRun> =>
  withCell(cell, async (client) => {
    const { EtcdGateway } = await import('./etcd/gateway.ts');
    const { dryRunFromEtcd } = await import('./etcd/import-etcd.ts');
    const source = new EtcdGateway({ urls: options.urls, timeoutMs: cell.timeout, user });
    return dryRunFromEtcd(source, importTarget(client, cell.timeout), options);
  });
