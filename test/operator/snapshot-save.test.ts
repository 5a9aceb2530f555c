/** `snapshot save` against members that fail in their own ways: what is saved is whole, and nothing else is left. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PaxosClient } from '../../src/client/client.ts';
import { type SaveOptions, saveSnapshot } from '../../src/operator/snapshot-save.ts';
import { cellWorld } from '../../src/operator/upgrade/cell-world.ts';
import type { Attempt } from '../../src/operator/upgrade/journal.ts';
import { savedText } from '../../src/render/snapshot-view.ts';
import { FakeReplicaService } from '../support/fake-replica-service.ts';

let folder: string;
let servers: Server[];
let state: string | undefined;
/** What each request for a snapshot wanted at least. */
let floors: number[];
beforeEach(() => {
  floors = [];
  folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-save-'));
  servers = [];
  state = process.env.XDG_STATE_HOME;
  process.env.XDG_STATE_HOME = path.join(folder, 'state');
});
afterEach(async () => {
  if (state === undefined) delete process.env.XDG_STATE_HOME;
  else process.env.XDG_STATE_HOME = state;
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => void server.close(resolve));
  }
  rmSync(folder, { recursive: true, force: true });
});

const content = Buffer.alloc(300_000, 7);
const digestOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

type Send = (response: ServerResponse) => void;
const head = {
  'content-length': content.length,
  'paxos-snapshot-instance': 9,
  'paxos-snapshot-digest': digestOf(content),
};
const whole: Send = (response) => response.writeHead(200, head).end(content);
const half: Send = (response) => void response.writeHead(200, head).write(content.subarray(0, 100_000));
const cutShort: Send = (response) => {
  half(response);
  setTimeout(() => response.destroy(), 20);
};
const another: Send = (response) => response.writeHead(200, head).end(Buffer.alloc(content.length, 8));

interface Around {
  /** Where nobody is master: each member's role, and how far it is. */
  readonly without?: () => readonly { readonly role: string; readonly applied: number }[] | null;
  /** Members that the others know and that do not answer. */
  readonly away?: readonly string[];
  readonly told?: unknown[];
}

/** Members n1 (master), n2 and n3, each sending a snapshot in its own way; a cell that is told of nothing. */
async function cellOf(sends: readonly Send[], { away = [], told, without }: Around = {}): Promise<string[]> {
  const names = sends.map((_, at) => `n${at + 1}`);
  const urls: string[] = [];
  for (const [at, send] of sends.entries()) {
    const server = createServer((request, response) => {
      if (request.url?.startsWith('/v1/snapshots/current')) {
        floors.push(Number(new URL(request.url, 'http://x').searchParams.get('atLeast')));
        return send(response);
      }
      if (request.url === '/v1/backups' && told !== undefined) {
        const parts: Buffer[] = [];
        request.on('data', (part: Buffer) => parts.push(part));
        request.on('end', () => {
          told.push(JSON.parse(Buffer.concat(parts).toString()));
          response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
        });
        return;
      }
      if (request.url !== '/v1/status') return void response.writeHead(503).end();
      const listed = [...names, ...away];
      const members = listed.map((name, n) => ({
        ...{ name, url: urls[n] ?? 'http://127.0.0.1:9', role: 'voter', voting: true, incarnation: 1 },
      }));
      const alone = without?.()?.[at];
      const role = alone?.role ?? (at === 0 ? 'master' : 'replica');
      const lease = { held: role === 'master', remainingMs: 300 };
      const own = new FakeReplicaService().status();
      const instances = { ...own.instances, applied: alone?.applied ?? own.instances.applied };
      const status = { ...own, name: names[at], role, lease, members, instances };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  return urls;
}

const save = (urls: readonly string[], more: Partial<SaveOptions> = {}) =>
  saveSnapshot(
    { endpoints: urls, timeout: 400 },
    {
      ...{ file: path.join(folder, 'out'), member: undefined, overwrite: false, onProgress: () => {}, stallMs: 100 },
      verify,
      ...more,
    },
  );

const verify: SaveOptions['verify'] = async (file) => ({
  ...{ instance: 9, epoch: 1, generation: 1, entries: 1, bytes: content.length, checksum: 'aa', verified: true },
  digest: digestOf(readFileSync(file)),
});

const left = (): string[] => readdirSync(folder).filter((name) => name !== 'state');

describe('saving a snapshot', () => {
  it.each<[string, Send, RegExp]>([
    ['stops on its way', half, /nothing came for 0.1 s/],
    ['ends too early', cutShort, /did not send it to the end/],
    ['is not the file that was announced', another, /sent another file than it announced/],
  ])('that %s at one member is had from the next', async (_what, bad, why) => {
    const urls = await cellOf([whole, bad, whole]);
    const saved = await save(urls);
    expect(readFileSync(path.join(folder, 'out')).equals(content)).toBe(true);
    expect(saved.snapshots[0]?.member).toBe('n3');
    expect(saved.failed).toEqual([{ name: 'n2', why: expect.stringMatching(why) }]);
    // It is there, whether the cell hears of it or not.
    expect(saved.told).toMatchObject({ told: false });
    expect(left()).toEqual(['out']);
  });

  it('leaves nothing when no member gives one, and says why of each', async () => {
    const urls = await cellOf([half, half]);
    await expect(save(urls)).rejects.toThrow(
      /No member gave a whole snapshot. n2: .*nothing came.* n1: .*nothing came/,
    );
    expect(left()).toEqual([]);
  });

  describe('while nobody is master', () => {
    const lost = (role = 'candidate') => [
      { role, applied: 7 },
      { role, applied: 9 },
    ];

    it('is refused after a while, with how far those are that answer, and who may have more', async () => {
      const urls = await cellOf([whole, whole], { without: () => lost(), away: ['n3'] });
      await expect(save(urls)).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(/furthest is n2 at instance 9, and n3 may have more/),
        suggestions: expect.arrayContaining(['paxosctl snapshot save FILE --without-master']),
      });
      await expect(save(urls, { member: 'n2' })).rejects.toMatchObject({ exitCode: 3 });
      expect(floors).toEqual([]);
      expect(left()).toEqual([]);
    });

    it('waits for a master', async () => {
      let looks = 0;
      const urls = await cellOf([whole, whole], { without: () => (++looks < 5 ? lost() : null) });
      expect(await save(urls)).toMatchObject({ confirmed: true, mayHaveMore: [] });
    });

    it('is accepted on demand: nothing below the furthest that answers, and it is said that there may be more', async () => {
      const told: unknown[] = [];
      const urls = await cellOf([whole, whole], { without: () => lost(), away: ['n3'], told });
      const saved = await save(urls, { unconfirmed: 'accept' });
      expect(saved).toMatchObject({ confirmed: false, mayHaveMore: ['n3'], told: { told: false } });
      expect(floors).toEqual([9]);
      expect(told).toEqual([]);
      expect(savedText(saved)).toMatch(/Nobody is master: what was acknowledged above instance 9.*n3 did not answer/);
    });

    it('is had from a frozen cell, and says the same', async () => {
      const urls = await cellOf([whole, whole], { without: () => lost('frozen') });
      expect(await save(urls)).toMatchObject({ confirmed: false, mayHaveMore: [] });
    });
  });

  it('from one member only is of no older state than the master has', async () => {
    const urls = await cellOf([whole, whole], {
      without: () => [
        { role: 'master', applied: 8 },
        { role: 'replica', applied: 2 },
      ],
    });
    expect(await save(urls, { member: 'n2' })).toMatchObject({ confirmed: true });
    expect(floors).toEqual([8]);
  });

  it('tells the cell how old the state is by now', async () => {
    const told: { ageMs?: number }[] = [];
    const urls = await cellOf([whole, whole], { told });
    expect(await save(urls)).toMatchObject({ confirmed: true });
    expect(told).toMatchObject([{ op: 'saved', ageMs: expect.any(Number) }]);
    expect(told[0]?.ageMs).toBeLessThan(60_000);
  });
});

describe('the backup of an upgrade', () => {
  it('never takes the place of an earlier one of the same attempt', async () => {
    const urls = await cellOf([whole, whole, whole]);
    const options = { flags: { endpoints: urls, timeout: 400 }, backupDir: folder, verifySnapshot: verify };
    const world = cellWorld({ ...options, client: {} as PaxosClient, local: null, onManual: () => undefined });
    const attempt = { attempt: 'u-1', from: '0.1.0' } as Attempt;
    const first = path.join(folder, 'u-1-from-0.1.0.snapshot');
    expect((await world.backup(attempt)).file).toBe(first);
    writeFileSync(first, 'as it was before the upgrade');
    const later = [await world.backup(attempt), await world.backup(attempt)].map(({ file }) => path.basename(file));
    expect(later).toEqual(['u-1-from-0.1.0-2.snapshot', 'u-1-from-0.1.0-3.snapshot']);
    expect(readFileSync(first, 'utf8')).toBe('as it was before the upgrade');
  });
});
