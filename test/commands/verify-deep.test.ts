/** What `verify checksums --deep` says of files, whatever the replicas found (contract §1). */
import { describe, expect, it } from 'vitest';
import { type FakeCell, fakeCell, json } from './fake-cell.ts';
import { cli } from './run-cli.ts';

interface File {
  readonly file: string;
  readonly problem: string;
}

/** The databases agree; `found` is what each member's files were. */
async function verify(found: readonly { files: readonly File[]; repaired: readonly File[] }[]) {
  const cell: FakeCell = await fakeCell(found.length);
  cell.replicas.forEach((replica, at) => {
    const hash = 'ab'.repeat(16);
    const check = { instance: 7, deep: true, log: hash, database: hash, kept: hash, entries: 1 };
    const rotten = { count: 0, keys: [] };
    replica.handle = (request, response) => {
      if (request.method === 'POST') json(response, 200, { instance: 7, epoch: 1, deep: true });
      else {
        const status = { member: replica.name, incarnation: 1, version: '0.1.0', role: 'replica', cell: 'cell-1' };
        const done = { ...check, ...found[at], rotten, tookMs: 1, at: '2026-01-02T03:04:05.000Z' };
        json(response, 200, {
          ...status,
          instance: 9,
          entries: 1,
          log: hash,
          database: hash,
          state: 'done',
          check: done,
        });
      }
      return true;
    };
  });
  try {
    const args = ['verify', 'checksums', '--deep', '--endpoints', cell.endpoints];
    const [plain, asJson] = await Promise.all([cli(args), cli([...args, '--json'])]);
    return { plain, code: asJson.code, document: JSON.parse(asJson.stdout) };
  } finally {
    await cell.close();
  }
}

const bad = { file: 'wal-00000003', problem: 'damaged at offset 512' };
const well = { files: [], repaired: [] };

describe('verify checksums --deep', () => {
  it('ends with 0 and lists what was repaired', async () => {
    const { plain, code, document } = await verify([well, { files: [], repaired: [bad] }, well]);
    expect([plain.code, code]).toEqual([0, 0]);
    expect(document).toMatchObject({ ok: true, verdict: 'agree', repaired: [{ member: 'n2', ...bad }] });
    expect(plain.stdout).toContain('n2: wal-00000003: damaged at offset 512');
  });

  it('ends with 4 for a file that stays bad, although all databases agree', async () => {
    const { plain, code, document } = await verify([well, well, { files: [bad], repaired: [] }]);
    expect([plain.code, code]).toEqual([4, 4]);
    expect(document).toMatchObject({ ok: false, verdict: 'differ', repaired: [] });
    expect(document.members[2]).toMatchObject({ name: 'n3', verdict: 'agrees', files: [bad] });
    expect(plain.stdout).toContain('wal-00000003 is damaged');
  });
});
