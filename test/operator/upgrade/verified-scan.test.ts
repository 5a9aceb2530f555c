/** The word of a member that nothing of an attempt is left counts once another member has confirmed that it gave it, just now. */
import { describe, expect, it } from 'vitest';
import { CheckIncompleteError, OperatorError, UnreachableError } from '../../../src/errors/index.ts';
import type { AttemptScanDocument } from '../../../src/formats/upgrade-body.ts';
import { scanAll } from '../../../src/operator/upgrade/scan-all.ts';
import { type ScanAsker, verifiedScan } from '../../../src/operator/upgrade/verified-scan.ts';
import type { UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { isSigned, signed } from '../../../src/runtime/signed-scan.ts';
import { FakeCell } from './fake-cell.ts';

const secret = Buffer.from('secret of the members');
const members = [
  { name: 'n1', url: 'http://n1/' },
  { name: 'n2', url: 'http://n2/' },
  { name: 'n3', url: 'http://n3' },
];

const left = [
  {
    attempt: 'u-1',
    manifest: {
      ...{ attempt: 'u-1', from: '1.0.0', to: '1.1.0', startedBy: 'alice', at: '2030-01-01T00:00:00.000Z' },
      ...{ generation: 1, instance: 7, checksum: 'aa' },
    },
    files: [{ name: 'state', bytes: 10, modifiedAt: '2030-01-01T00:00:00.000Z' }],
  },
];

const scanOf = (nonce: string, folders: AttemptScanDocument['folders'] = left): AttemptScanDocument =>
  signed(
    {
      ...{ member: 'n1', incarnation: 1, boot: 'b1', version: '1.0.0', instance: 9, at: '2030-01-02T00:00:00.000Z' },
      ...{ folders, nonce },
    },
    secret,
  );

function cell(change: Partial<ScanAsker> = {}): ScanAsker & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    scan: async (_url, nonce) => scanOf(nonce),
    verdict: async (url, scan) => {
      asked.push(url);
      return { valid: isSigned(scan, secret), by: new URL(url).hostname };
    },
    ...change,
  };
}

describe('a signed scan', () => {
  it('is good in whatever order its fields come back', () => {
    const { signature, folders, ...rest } = scanOf('aa');
    expect(isSigned({ signature, ...rest, folders }, secret)).toBe(true);
  });

  it.each<[string, (scan: AttemptScanDocument) => AttemptScanDocument]>([
    ['a folder less', (scan) => ({ ...scan, folders: [] })],
    ['another member', (scan) => ({ ...scan, member: 'n2' })],
    ['another question', (scan) => ({ ...scan, nonce: 'bb' })],
    ['another time', (scan) => ({ ...scan, at: '2031-01-02T00:00:00.000Z' })],
    ['another boot', (scan) => ({ ...scan, boot: 'b2' })],
    ['a file of another size', (scan) => JSON.parse(JSON.stringify(scan).replace('"bytes":10', '"bytes":11'))],
    ['another manifest', (scan) => JSON.parse(JSON.stringify(scan).replace('"to":"1.1.0"', '"to":"1.2.0"'))],
    ['no signature', (scan) => ({ ...scan, signature: '' })],
  ])('is bad with %s', (_what, change) => {
    expect(isSigned(change(scanOf('aa')), secret)).toBe(false);
  });

  it('is nothing to somebody without the secret, nor with another one', () => {
    expect(isSigned(scanOf('aa'), null)).toBe(false);
    expect(isSigned(scanOf('aa'), Buffer.from('another cell'))).toBe(false);
    expect(signed(scanOf('aa'), null).signature).toBe('');
  });
});

describe('the driver of an upgrade', () => {
  it('takes a scan that another member confirms', async () => {
    const ask = cell();
    expect(await verifiedScan(ask, 'http://n1', members)).toMatchObject({ member: 'n1', verifiedBy: 'n2' });
    expect(ask.asked).toEqual(['http://n2/']);
  });

  it('asks the signer itself where nobody else is left', async () => {
    expect(await verifiedScan(cell(), 'http://n1', members.slice(0, 1))).toMatchObject({ verifiedBy: 'n1' });
  });

  it("does not take the signer's own word while the others are silent", async () => {
    const good = cell();
    const ask = cell({
      verdict: (url, scan) =>
        url.includes('n1') ? good.verdict(url, scan) : Promise.reject(new UnreachableError(`${url}.`)),
    });
    await expect(verifiedScan(ask, 'http://n1', members)).rejects.toMatchObject({
      exitCode: 8,
      message: expect.stringContaining('http://n3'),
    });
  });

  it('does not take for the word of a member what the signer says at its address', async () => {
    const ask = cell({ verdict: async (_url, scan) => ({ valid: isSigned(scan, secret), by: 'n1' }) });
    await expect(verifiedScan(ask, 'http://n1', members)).rejects.toMatchObject({
      exitCode: 8,
      message: expect.stringContaining('answers n1 instead of n2'),
    });
  });

  it('goes on to the next member when one does not answer', async () => {
    const good = cell();
    const ask = cell({
      verdict: (url, scan) =>
        url.includes('n2') ? Promise.reject(new UnreachableError('n2.')) : good.verdict(url, scan),
    });
    expect(await verifiedScan(ask, 'http://n1', members)).toMatchObject({ verifiedBy: 'n3' });
  });

  it('refuses what somebody on the way made of it, and what was signed for an earlier question', async () => {
    const refused = { code: 'PAXOS_SIGNATURE_INVALID', exitCode: 4 };
    const changed = cell({ scan: async (_url, nonce) => ({ ...scanOf(nonce), folders: [] }) });
    await expect(verifiedScan(changed, 'http://n1', members)).rejects.toMatchObject(refused);
    const kept = cell({ scan: async () => scanOf('aa', []) });
    await expect(verifiedScan(kept, 'http://n1', members)).rejects.toMatchObject(refused);
  });

  it('knows that it does not know when nobody can tell', async () => {
    const ask = cell({ verdict: () => Promise.reject(new UnreachableError('nobody.')) });
    const failed = verifiedScan(ask, 'http://n1', members);
    await expect(failed).rejects.toBeInstanceOf(CheckIncompleteError);
    await expect(failed).rejects.toBeInstanceOf(OperatorError);
  });
});

describe('all members', () => {
  it('were not all asked where one answers in the place of another', async () => {
    const fake = new FakeCell();
    const world = fake.world();
    const scan: UpgradeWorld['scan'] = (member) =>
      world.scan(member.url === 'http://n2' ? { url: 'http://n1' } : member);
    const { findings, scans } = await scanAll({ ...world, scan }, fake.members);
    expect(scans.map(({ member }) => member)).toEqual(['n1', 'n3']);
    expect(findings).toMatchObject([
      { member: 'n2', unknown: true, problem: expect.stringContaining('n1 answers at') },
    ]);
  });
});
