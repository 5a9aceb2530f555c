/**
 * What version 1 says to its peers and clients, and what its commands leave on the operator's machine, kept: every later program reads it
 * (U6). Messages of consensus are kept in `message-golden.ts`, files of a data directory in `kept-bytes.test.ts`. Never change a fixture.
 */
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptsFolder } from '../../src/adapters/attempts-node/attempts-folder.ts';
import { connect } from '../../src/client/index.ts';
import { EtcdGateway } from '../../src/operator/etcd/gateway.ts';
import { importFromEtcd } from '../../src/operator/etcd/import-etcd.ts';
import { importFile } from '../../src/operator/import.ts';
import { importJournalFile, readImportJournal, writeImportJournal } from '../../src/operator/import-journal.ts';
import { entryLine } from '../../src/operator/ndjson.ts';
import { readCollected } from '../../src/operator/recovery/collected.ts';
import { isFormationView } from '../../src/runtime/formation.ts';
import { isGenerationView } from '../../src/runtime/member-questions.ts';
import * as documents from '../../src/runtime/membership/documents.ts';
import { withCell } from '../support/cell-process.ts';
import { EtcdStandIn } from '../support/etcd-gateway.ts';
import { FakeImportTarget } from '../support/fake-import-target.ts';

const fixtures = path.join(import.meta.dirname, 'fixtures');
const kept = <Document>(name: string): Document =>
  JSON.parse(fs.readFileSync(path.join(fixtures, name), 'utf8')) as Document;

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'paxosctl-kept-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

/** In the order in which they were asked of a new cell of one member. */
interface Exchange {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  readonly answer: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}
const exchanges = kept<readonly Exchange[]>('http-1.json');

/** Where `now` is not what `then` was, as a reader of `then` sees it: more keys may be there, none may be gone or of another type. */
function shapeLost(then: unknown, now: unknown, at = ''): readonly string[] {
  // Nothing yet when it was kept, or nothing any more: both may be.
  if (then === null || now === null) return [];
  if (Array.isArray(then)) {
    if (!Array.isArray(now)) return [`${at} is no list`];
    return then.length === 0 || now.length === 0 ? [] : shapeLost(then[0], now[0], `${at}[]`);
  }
  if (typeof then !== typeof now) return [`${at} is ${typeof now}, was ${typeof then}`];
  if (typeof then !== 'object') return [];
  return Object.entries(then).flatMap(([key, value]) => {
    const found = (now as Readonly<Record<string, unknown>>)[key];
    return found === undefined ? [`${at}.${key} is gone`] : shapeLost(value, found, `${at}.${key}`);
  });
}

/** Of answers about data: what they say is as fixed as how they say it. */
const isData = (where: string): boolean => /^\/v1\/(kv|multiop|batch)/.test(where);
/** Numbers of the log, which other traffic moves. */
const withoutInstances = (text: string): string => text.replace(/"instance":\d+/g, '"instance":0');

describe('HTTP, version 1', () => {
  it('is taken and answered as it was, request by request', { timeout: 30_000 }, async () => {
    await withCell({ replicas: 1 }, async (cell) => {
      const { url } = await cell.master();
      let session = '';
      const fill = (text: string): string => text.replace('{session}', session);
      for (const { answer, request } of exchanges) {
        const what = `${request.method} ${request.path}`;
        const headers = Object.entries(request.headers ?? {}).map(([name, value]) => [name, fill(value)] as const);
        const { method, body = null } = request;
        const now = await fetch(url + fill(request.path), { method, headers: Object.fromEntries(headers), body });
        const text = await now.text();
        expect(now.status, `${what}: ${text}`).toBe(answer.status);
        for (const [name, value] of Object.entries(answer.headers)) expect(now.headers.get(name), what).toBe(value);
        if (!answer.headers['content-type']?.includes('json')) {
          expect(text, what).toBe(answer.body);
          continue;
        }
        expect(shapeLost(JSON.parse(answer.body), JSON.parse(text)), what).toEqual([]);
        if (isData(request.path) && answer.status === 200) {
          expect(JSON.parse(withoutInstances(text)), what).toMatchObject(JSON.parse(withoutInstances(answer.body)));
        }
        if (answer.status >= 400) expect(JSON.parse(text).code, what).toBe(JSON.parse(answer.body).code);
        if (request.path === '/v1/sessions') session = JSON.parse(text).session;
      }
    });
  });

  it('is read by a client of now as what it says', async () => {
    const server = await answering(exchanges);
    const { port } = server.address() as AddressInfo;
    const endpoint = `http://127.0.0.1:${port}`;
    const client = connect({ endpoints: [endpoint], timeoutMs: 5_000 });
    try {
      expect(await client.get('a')).toMatchObject({ key: 'a', revision: 3 });
      expect(Buffer.from((await client.get('a'))?.value ?? []).toString()).toBe('three');
      expect(await client.get('absent')).toBeNull();
      expect(await client.listPage({ prefix: '' }, null, null)).toMatchObject({ next: 'a', revision: 3 });
      // biome-ignore lint/suspicious/noThenProperty: the name of the contract.
      expect(await client.multiOp({ then: [] })).toMatchObject({ succeeded: true, guard: [true, true, true, true] });
      expect(await client.status(endpoint)).toMatchObject({ name: 'n1', role: 'master', voting: true, level: 1 });
      expect(await client.cellStatus()).toMatchObject({ cell: { level: 1, tolerates: 0 } });
      expect(await client.upgradeState()).toMatchObject({ level: 1, entries: [] });
    } finally {
      await client.close();
      server.close();
    }
  });
});

/** Gives to each method and path the first answer that was kept of it. */
async function answering(all: readonly Exchange[]): Promise<Server> {
  const server = createServer((request, response) => {
    const where = request.url ?? '';
    const of = all.filter(({ request: it }) => it.method === request.method);
    const found =
      of.find(({ request: it }) => it.path === where) ??
      of.find(({ request: it }) => it.path.split('?')[0] === where.split('?')[0]);
    response.writeHead(found?.answer.status ?? 500, found?.answer.headers).end(found?.answer.body);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return server;
}

describe('what replicas ask each other, version 1', () => {
  const readers: Readonly<Record<string, (value: unknown) => boolean>> = {
    formation: isFormationView,
    generation: isGenerationView,
    identity: documents.isIdentity,
    joinQuestion: documents.isJoinQuestion,
    joinAnswer: documents.isJoinAnswer,
    condition: documents.isCondition,
    probeQuestion: documents.isProbeQuestion,
    probeAnswer: documents.isProbeAnswer,
    acquaintance: documents.isAcquaintance,
  };
  const all = kept<Readonly<Record<string, readonly object[]>>>('peer-questions-1.json');

  it('is of every kind', () => {
    expect(Object.keys(all)).toEqual(Object.keys(readers));
  });

  it.each(Object.entries(all))('%s is taken as it was', (kind, said) => {
    for (const document of said) {
      expect(readers[kind]?.(document), JSON.stringify(document)).toBe(true);
      // And not whatever comes.
      expect(readers[kind]?.({})).toBe(false);
    }
  });
});

describe('what commands of version 1 leave', () => {
  it('in a folder of "recover collect" is read as the copy of that member', async () => {
    fs.copyFileSync(path.join(fixtures, 'collected-1.json'), path.join(folder, 'n1-30-38049b5a.collected.json'));
    fs.writeFileSync(path.join(folder, 'n1.snapshot'), 'state');
    const [copy, ...more] = await readCollected(folder, 'cell-1');
    expect(more).toEqual([]);
    expect(copy).toMatchObject({
      ...{ file: path.join(folder, 'n1.snapshot'), directory: '/var/lib/paxosctl/n1', startable: true },
      state: { sha256: 'cd'.repeat(32), bytes: 5 },
      report: { member: 'n1', applied: { instance: 30, epoch: 2, revision: 30 }, entries: [{ instance: 31 }] },
    });
  });

  const journals = kept<{ readonly file: object; readonly etcd: object }>('import-journals-1.json');
  const env = (): { XDG_STATE_HOME: string } => ({ XDG_STATE_HOME: folder });

  it('of an import of a file that ended at a bad line is gone on with once that is mended', async () => {
    const file = path.join(folder, 'entries.ndjson');
    const lines = Array.from({ length: 601 }, (_, at) => entryLine(`k${at}`, Buffer.from(`v${at}`)));
    fs.writeFileSync(file, lines.join(''));
    writeImportJournal(importJournalFile('cell-1', file, env()), journals.file);
    const target = new FakeImportTarget();
    await target.openSession();
    const options = { file, cell: 'cell-1', resume: true, onProgress: () => undefined, env: env() };
    expect(await importFile(target, options)).toMatchObject({ entries: 601, resumedFrom: 600 });
    expect(target.applied).toEqual(['k600']);
    expect(target.sessions).toBe(1);
  });

  it('of an import from etcd is gone on with after the last key that was copied', async () => {
    const etcd = await EtcdStandIn.start();
    try {
      const name = (at: number): string => `k${String(at).padStart(6, '0')}`;
      etcd.put(Object.fromEntries(Array.from({ length: 600 }, (_, at) => [name(at), `v${at}`])));
      const journal = importJournalFile('cell-1', `etcd ${etcd.url} `, env());
      writeImportJournal(journal, journals.etcd);
      const target = new FakeImportTarget();
      await target.openSession();
      for (let at = 0; at < 500; at++) target.values.set(name(at), Buffer.from(`v${at}`));
      const list = async () => ({
        entries: [...target.values].map(([key, value]) => ({
          ...{ key, valueBase64: value.toString('base64'), revision: 1, createRevision: 1, version: 1 },
        })),
        next: null,
        revision: 1,
      });
      const source = new EtcdGateway({ urls: [etcd.url], timeoutMs: 2_000, user: null });
      const options = { urls: [etcd.url], prefix: '', cell: 'cell-1', resume: true, onProgress: () => undefined };
      const copied = await importFromEtcd(source, { target, list: { list } }, { ...options, env: env() });
      expect(copied).toMatchObject({ entries: 600, verified: { entries: 600, different: 0 } });
      expect(target.applied).toEqual(Array.from({ length: 100 }, (_, at) => name(500 + at)));
      expect(readImportJournal(journal)).toBeNull();
    } finally {
      await etcd.close();
    }
  });

  it('under attempts/ is told as the manifest of that attempt', async () => {
    const manifest = kept<{ attempt: string }>('attempt-manifest-1.json');
    const its = path.join(folder, 'attempts', manifest.attempt);
    fs.mkdirSync(its, { recursive: true });
    fs.copyFileSync(path.join(fixtures, 'attempt-manifest-1.json'), path.join(its, 'manifest.json'));
    const files = [{ name: 'manifest.json', bytes: expect.any(Number), modifiedAt: expect.any(String) }];
    expect(await attemptsFolder(folder).list()).toEqual([{ attempt: manifest.attempt, manifest, files }]);
    // And it is written so.
    fs.rmSync(its, { recursive: true });
    await attemptsFolder(folder).begin(manifest as never);
    const written = fs.readFileSync(path.join(its, 'manifest.json'), 'utf8');
    expect(written).toBe(fs.readFileSync(path.join(fixtures, 'attempt-manifest-1.json'), 'utf8'));
  });
});
