/** `kv import --from-etcd`: one revision of a live etcd, into the cell and compared, however it is interrupted. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OperatorError } from '../../src/errors/index.ts';
import { EtcdGateway, type EtcdPage, type EtcdQuery, type EtcdSource, endOf } from '../../src/operator/etcd/gateway.ts';
import {
  dryRunFromEtcd,
  type EtcdImportOptions,
  type EtcdImportResult,
  importFromEtcd,
} from '../../src/operator/etcd/import-etcd.ts';
import type { ExportSource } from '../../src/operator/export.ts';
import { EtcdStandIn } from '../support/etcd-gateway.ts';
import { FakeImportTarget } from '../support/fake-import-target.ts';

let folder: string;
let etcd: EtcdStandIn;
beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-etcd-'));
  etcd = await EtcdStandIn.start();
});
afterEach(async () => {
  await etcd.close();
  rmSync(folder, { recursive: true, force: true });
});

class Cell extends FakeImportTarget implements ExportSource {
  async list({ prefix, after, limit }: Parameters<ExportSource['list']>[0]) {
    const keys = [...this.values.keys()]
      .filter((key) => key.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .filter((key) => after === null || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
    const page = keys.slice(0, Math.min(limit, 7));
    return {
      entries: page.map((key) => ({
        key,
        valueBase64: (this.values.get(key) as Buffer).toString('base64'),
        ...{ revision: 1, createRevision: 1, version: 1 },
      })),
      next: keys.length > page.length ? (page.at(-1) as string) : null,
      revision: this.revision,
    };
  }
}

const gatewayWith = (change: (page: EtcdPage, query: EtcdQuery) => EtcdPage): EtcdSource => {
  const gateway = new EtcdGateway({ urls: [etcd.url], timeoutMs: 2_000, user: null });
  return { page: async (query) => change(await gateway.page(query), query) };
};

const copy = (
  cell: Cell,
  change: Partial<EtcdImportOptions> & { user?: string; from?: EtcdSource } = {},
): Promise<EtcdImportResult> => {
  const { user = null, from, ...more } = change;
  const urls = more.urls ?? [etcd.url];
  const source = from ?? new EtcdGateway({ urls, timeoutMs: 2_000, user });
  const options = {
    urls,
    prefix: '',
    cell: 'cell-1',
    resume: false,
    onProgress: () => {},
    env: { XDG_STATE_HOME: folder },
  };
  return importFromEtcd(source, { target: cell, list: cell }, { ...options, ...more });
};

const many = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${String(at).padStart(6, '0')}`, `v${at}`]));

const failure = (work: Promise<unknown>): Promise<OperatorError> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => {
      expect(error).toBeInstanceOf(OperatorError);
      return error as OperatorError;
    },
  );

describe('a copy of etcd', () => {
  it('holds one revision, whatever etcd takes while it is read, and is compared key by key', async () => {
    etcd.put({ b: 'old', a: '', '😀': 'x', ﾮ: 'y' });
    etcd.put(many(3_000));
    const { revision } = etcd;
    etcd.intercept = () => {
      etcd.put({ b: `new ${etcd.ranges}` });
      if (etcd.ranges === 3) etcd.delete('k000500');
      return null;
    };
    const cell = new Cell();
    const phases = new Set<string>();
    const result = await copy(cell, { onProgress: ({ phase }) => phases.add(phase) });
    // The first look itself may see one more.
    expect(result.etcd.revision - revision).toBeLessThanOrEqual(1);
    expect(result).toMatchObject({ entries: 3_004, verified: { entries: 3_004, different: 0, others: 0 }, leased: 0 });
    expect(cell.values.get('k000500')?.toString()).toBe('v500');
    expect(cell.values.get('a')?.length).toBe(0);
    expect([...phases]).toEqual(['copying', 'comparing']);
  });

  it('takes only what begins with a prefix, and says what the cell has beside it', async () => {
    etcd.put({ 'app/a': '1', 'app/b': '2', apq: '3', other: '4' });
    const cell = new Cell();
    cell.values.set('app/old', Buffer.from('x'));
    cell.values.set('elsewhere', Buffer.from('x'));
    const result = await copy(cell, { prefix: 'app/' });
    expect([...cell.values.keys()].sort()).toEqual(['app/a', 'app/b', 'app/old', 'elsewhere']);
    expect(result.verified).toMatchObject({ entries: 2, others: 1 });
    expect(endOf('a\u{10ffff}').toString('hex')).toBe('61f48fbfc0');
    expect(endOf('').toString('hex')).toBe('00');
  });

  it('tells of entries whose lease will not end here', async () => {
    etcd.put({ stays: '1' });
    etcd.put({ goes: '2' }, '7587889346');
    expect((await copy(new Cell())).leased).toBe(1);
  });

  it('writes nothing when some key is none here, and names it', async () => {
    etcd.put([[Buffer.from('good'), Buffer.from('1')]]);
    etcd.put([[Buffer.from([1, 0xff]), Buffer.from('1')]]);
    etcd.put([[Buffer.from(`\u0000system`), Buffer.from('1')]]);
    etcd.put([[Buffer.alloc(1_025, 0x61), Buffer.from('1')]]);
    const cell = new Cell();
    const error = await failure(copy(cell));
    expect(error).toMatchObject({ exitCode: 5, code: 'PAXOS_REFUSED', facts: { unfit: 3 } });
    expect(error.message).toContain('0x01ff: it is not UTF-8');
    expect(cell.values.size).toBe(0);
  });

  it('stops in front of a value that is too large, with everything before it in the cell', async () => {
    etcd.put([
      [Buffer.from('a'), Buffer.from('1')],
      [Buffer.from('b'), Buffer.alloc(256 * 1024 + 1)],
      [Buffer.from('c'), Buffer.from('3')],
    ]);
    const cell = new Cell();
    const error = await failure(copy(cell));
    expect(error.message).toMatch(
      /^The value of "b" has 262145 bytes.* 1 of 3 entries of revision 2 are in the cell\.$/,
    );
    expect([...cell.values.keys()]).toEqual(['a']);
  });

  it('asks for less where an answer would be too large for etcd', async () => {
    etcd.answerBytesMax = 300_000;
    etcd.put(Array.from({ length: 40 }, (_, at) => [Buffer.from(`k${at}`), Buffer.alloc(100_000, at)] as const));
    expect((await copy(new Cell())).verified).toMatchObject({ entries: 40, different: 0 });
  });

  it('writes nothing when etcd gives fewer keys than it says that it has', async () => {
    etcd.put(many(20));
    const cell = new Cell();
    const cut = gatewayWith((page) => ({ ...page, entries: page.entries.slice(0, 15), more: false }));
    const error = await failure(copy(cell, { from: cut }));
    expect(error).toMatchObject({ exitCode: 4, facts: { count: 20, given: 15 } });
    const empty = gatewayWith((page) => ({ ...page, entries: [], more: true }));
    expect(await failure(copy(cell, { from: empty }))).toMatchObject({ exitCode: 4 });
    expect(cell.values.size).toBe(0);
  });

  it('finds what is not in the cell as it is in etcd', async () => {
    etcd.put(many(20));
    const cell = new Cell();
    cell.after = () => {
      cell.values.set('k000003', Buffer.from('somebody else'));
      cell.values.delete('k000007');
    };
    const error = await failure(copy(cell));
    expect(error).toMatchObject({ exitCode: 4, facts: { different: 2 } });
    expect(error.message).toContain('"k000003" differs, "k000007" missing');
  });
});

describe('a copy of etcd that is interrupted', () => {
  it('after any batch goes on where it stood, at its revision, and writes nothing twice', async () => {
    etcd.put(many(1_700));
    for (let killAfter = 1; killAfter <= 4; killAfter++) {
      const { revision } = etcd;
      const entries = 1_700 + killAfter - 1;
      const cell = new Cell();
      let batches = 0;
      cell.after = () => {
        // Its answer is lost with the process: the batch is in the cell, and the place is not written down.
        if (++batches === killAfter) throw new Error('killed');
      };
      await expect(copy(cell, { cell: `cell-${killAfter}` })).rejects.toThrow('killed');
      etcd.put({ k000001: `changed ${killAfter}`, [`new${killAfter}`]: 'x' });
      const result = await copy(cell, { cell: `cell-${killAfter}`, resume: true });
      expect(result).toMatchObject({ entries, etcd: { revision }, verified: { different: 0, others: 0 } });
      expect(cell.applied).toHaveLength(entries);
      const again = await failure(copy(cell, { cell: `cell-${killAfter}`, resume: true }));
      expect([again.code, again.exitCode]).toEqual(['PAXOS_REFUSED', 5]);
    }
  });

  it('for so long that its session is over looks what is there', async () => {
    etcd.put(many(1_200));
    const cell = new Cell();
    let batches = 0;
    cell.after = () => {
      if (++batches === 2) throw new Error('killed');
    };
    await expect(copy(cell)).rejects.toThrow('killed');
    cell.expireAll();
    expect(await copy(cell, { resume: true })).toMatchObject({ entries: 1_200, verified: { different: 0 } });
    expect(cell.applied).toHaveLength(1_200);
  });

  it('until etcd has forgotten its revision is told to begin anew', async () => {
    etcd.put(many(1_200));
    const cell = new Cell();
    cell.after = () => {
      throw new Error('killed');
    };
    await expect(copy(cell)).rejects.toThrow('killed');
    etcd.put({ z: 'z' });
    etcd.compacted = etcd.revision;
    cell.after = () => {};
    const error = await failure(copy(cell, { resume: true }));
    expect([error.code, error.exitCode, error.outcome]).toEqual(['PAXOS_ETCD_COMPACTED', 5, 'none']);
    expect(error.suggestions[0]).not.toContain('--resume');
    expect((await copy(cell)).verified).toMatchObject({ entries: 1_201, different: 0 });
  });

  it('does not go on with another etcd at the same address', async () => {
    etcd.put(many(600));
    const cell = new Cell();
    cell.after = () => {
      throw new Error('killed');
    };
    await expect(copy(cell)).rejects.toThrow('killed');
    etcd.clusterId = '42';
    expect((await failure(copy(cell, { resume: true }))).message).toContain('Another etcd answers there: cluster 42');
  });
});

describe('the gateway of etcd', () => {
  it('is left for the next endpoint when one does not answer, or has no leader', async () => {
    etcd.put(many(300));
    const other = await EtcdStandIn.start();
    try {
      other.intercept = () => ({ status: 503, document: { error: 'etcdserver: no leader', code: 14 } });
      const urls = ['http://127.0.0.1:1', other.url, etcd.url];
      expect((await copy(new Cell(), { urls })).entries).toBe(300);
      const error = await failure(copy(new Cell(), { urls: ['http://127.0.0.1:1', other.url] }));
      expect([error.code, error.exitCode]).toEqual(['PAXOS_UNREACHABLE', 3]);
      expect(error.message).toContain('no leader');
    } finally {
      await other.close();
    }
  });

  it('of another cluster among the endpoints is refused', async () => {
    etcd.put(many(3_000));
    const other = await EtcdStandIn.start();
    try {
      other.clusterId = '42';
      other.put(many(3_000));
      etcd.intercept = () => (etcd.ranges === 1 ? null : { status: 503, document: {} });
      const error = await failure(copy(new Cell(), { urls: [etcd.url, other.url] }));
      expect(error.message).toContain('belongs to etcd cluster 42');
    } finally {
      await other.close();
    }
  });

  it('gets a new token when one has ended, and says when the user is not taken', async () => {
    etcd.user = 'root:secret:with:colons';
    etcd.put(many(200));
    etcd.intercept = () => {
      if (etcd.ranges === 2) etcd.endTokens();
      return null;
    };
    expect((await copy(new Cell(), { user: etcd.user })).entries).toBe(200);
    expect((await failure(copy(new Cell(), { user: 'root:wrong' }))).message).toContain('does not take the user root');
    expect((await failure(copy(new Cell()))).message).toContain('user name is empty');
  });

  it('of something else is told as such', async () => {
    etcd.intercept = () => ({ status: 200, document: { hello: 'world' } });
    expect((await failure(copy(new Cell()))).message).toContain('not as the gateway of an etcd does');
  });
});

it('a dry run reads everything and writes nothing', async () => {
  etcd.put(many(900));
  const cell = new Cell();
  const source = new EtcdGateway({ urls: [etcd.url], timeoutMs: 2_000, user: null });
  const asked = { urls: [etcd.url], prefix: '', onProgress: () => {} };
  expect(await dryRunFromEtcd(source, cell, asked)).toMatchObject({ entries: 900, wouldChange: true });
  expect(cell.values.size).toBe(0);
  await copy(cell);
  expect(await dryRunFromEtcd(source, cell, asked)).toMatchObject({ entries: 900, wouldChange: false });
});
