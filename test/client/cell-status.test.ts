import { describe, expect, it } from 'vitest';
import { cellStatus, UnreachableError } from '../../src/client/index.ts';
import type { LinkDocument, ReplicaStatusDocument } from '../../src/formats/http-body.ts';
import { FakeReplicaService } from '../support/fake-replica-service.ts';

const names = ['n1', 'n2', 'n3'];
const urlOf = (name: string): string => `http://${name}`;

const link = (name: string): LinkDocument => ({
  name,
  incarnation: 1,
  url: urlOf(name),
  reached: true,
  reaches: true,
  brokenMs: 0,
  met: true,
  trouble: null,
});

/** Three healthy members with n1 as master; `changes` makes it another story, null a member that is down. */
function cell(changes: Record<string, Partial<ReplicaStatusDocument> | null> = {}) {
  const base = new FakeReplicaService().status();
  const statuses = new Map(
    names.map((name) => {
      const change = changes[name];
      const status: ReplicaStatusDocument = {
        ...base,
        name,
        role: name === 'n1' ? 'master' : 'replica',
        lease: { held: name === 'n1', remainingMs: 300 },
        instances: { chosen: 1000, applied: 1000, firstRetained: 1, snapshot: 0 },
        checksum: { instance: 1000, log: '00', database: 'aa' },
        members: names.map((it) => ({ name: it, url: urlOf(it), role: 'voter', voting: true, incarnation: 1 })),
        peers: names.filter((it) => it !== name),
        ...change,
      };
      return [urlOf(name), change === null ? null : status] as const;
    }),
  );
  return cellStatus(
    ['http://n1', 'http://n2'],
    async (url) => {
      const status = statuses.get(url);
      if (status == null) throw new Error('connection refused');
      return status;
    },
    1000,
  );
}

describe('the status of a cell', () => {
  it('does not count on a voter that the master has not heard for long, though it answers', async () => {
    const unheard = { unheard: ['n3'] } as Partial<ReplicaStatusDocument>;
    const { cell: seen } = await cell({ n1: unheard });
    expect(seen).toMatchObject({ health: 'degraded', tolerates: 0, intended: 1 });
    expect(seen.why).toEqual(['n3 was not heard by the master n1 for more than two leases']);
  });

  it('is healthy when every voter is', async () => {
    const { cell: it, members } = await cell();
    expect(it).toMatchObject({ health: 'healthy', tolerates: 1, intended: 1, why: [], master: 'n1', epoch: 1 });
    expect(members.map(({ name, answered, checksum, lag }) => [name, answered, checksum, lag])).toEqual(
      names.map((name) => [name, true, 'agrees', 0]),
    );
  });

  it('says that nobody has the state where the snapshots of all who answer are bad, and who may have it', async () => {
    const missing = (missingUpTo: number): Partial<ReplicaStatusDocument> => ({
      role: 'candidate',
      lease: { held: false, remainingMs: 0 },
      instances: { chosen: 0, applied: 0, firstRetained: 1, snapshot: missingUpTo, missingUpTo },
    });
    const first = async (third: Partial<ReplicaStatusDocument> | null): Promise<string | undefined> =>
      (await cell({ n1: missing(200), n2: missing(222), n3: third })).cell.why[0];
    expect(await first(missing(180))).toMatch(
      /^no member that answers has the state of the cell up to instance 222 \(n1, n2, n3:/,
    );
    expect(await first(null)).toMatch(/\(n1, n2: .*\): start n3, which may have it; or put good copies/);
    expect(await first({ instances: { chosen: 9, applied: 9, firstRetained: 1, snapshot: 9, missingUpTo: 0 } })).toBe(
      'no master: nobody holds the lease',
    );
  });

  it('says that nobody has the data where all of them wait to be rebuilt', async () => {
    const lost = {
      ...{ role: 'rebuilding', voting: false, warnings: ['n2 is not up yet'], members: [] },
      ...{ cell: { id: null, name: 'default', generation: 0 }, lease: { held: false, remainingMs: 0 } },
    } as unknown as Partial<ReplicaStatusDocument>;
    const { cell: it } = await cell({ n1: lost, n2: lost, n3: lost });
    expect(it).toMatchObject({ health: 'unavailable' });
    expect(it.why).toEqual([
      expect.stringMatching(/^n1.* wait to be rebuilt from the others, and no replica .* has the data/),
    ]);
  });

  it('intends what it was made for while a member is rebuilt', async () => {
    const members = names.map((name) => {
      const role = name === 'n3' ? 'rebuilding' : 'voter';
      return { name, url: urlOf(name), role, voting: role === 'voter', incarnation: name === 'n3' ? 70 : 1 };
    });
    const of = (change: object) => ({ members, ...change });
    const rebuilding = of({ role: 'rebuilding', voting: false, incarnation: 70 });
    const { cell: it } = await cell({ n1: of({}), n2: of({}), n3: rebuilding });
    expect(it).toMatchObject({ health: 'degraded', tolerates: 0, intended: 1, why: ['n3 is rebuilding'] });
  });

  it('is degraded when a member is down, and asks those that no endpoint names', async () => {
    const { cell: it, members } = await cell({ n3: null });
    expect(it).toMatchObject({ health: 'degraded', tolerates: 0, intended: 1 });
    expect(it.why).toEqual(['n3 does not answer at http://n3 (connection refused)']);
    expect(members[2]).toMatchObject({ role: 'unreachable', answered: false, applied: null });
  });

  it('tells which member warns of what', async () => {
    const { cell: it } = await cell({ n2: { warnings: ['The disk is nearly full.'] }, n3: { warnings: ['Copied.'] } });
    expect(it.warnings).toEqual(['n2: The disk is nearly full.', 'n3: Copied.']);
  });

  it('is unavailable without a quorum, and without a master', async () => {
    const alone = await cell({ n2: null, n3: null });
    expect(alone.cell).toMatchObject({ health: 'unavailable', tolerates: 0 });
    expect(alone.cell.why[0]).toBe('no quorum: 1 of 3 voters answer, 2 are needed');
    // It would not hold the lease if nobody else were there.
    expect(alone.cell.why[1]).toBe('n1 holds the lease of the master: the others may be out of reach from here alone');
    const headless = await cell({ n1: { role: 'candidate', lease: { held: false, remainingMs: 0 } } });
    expect(headless.cell).toMatchObject({ health: 'unavailable', master: null });
  });

  it.each<[string, Partial<ReplicaStatusDocument>]>([
    ['is rebuilding', { role: 'rebuilding', voting: false }],
    ['does not vote yet', { voting: false }],
    ['is read-only: its disk is nearly full', { readOnly: true }],
    ['is 500 instances behind', { instances: { chosen: 500, applied: 500, firstRetained: 1, snapshot: 0 } }],
    ['runs as incarnation 2, the cell counts on 1', { incarnation: 2 }],
    [
      'holds another database than the majority at instance 1000',
      { checksum: { instance: 1000, log: '00', database: 'bb' } },
    ],
  ])('a member that %s lowers what the cell tolerates', async (what, change) => {
    const { cell: it } = await cell({ n2: change });
    expect(it).toMatchObject({ health: 'degraded', tolerates: 0, why: [`n2 ${what}`] });
  });

  it('a member that the master has no connection to is named, although it answers', async () => {
    const { cell: it } = await cell({ n1: { peers: ['n2'] } });
    expect(it.why).toEqual(['n3 has no connection from the master n1']);
  });

  it('a pair of which one does not reach the other costs a spare failure, once that has lasted', async () => {
    const blind = (brokenMs: number) => ({
      n1: { links: [link('n2'), link('n3')] },
      n2: { links: [link('n1'), { ...link('n3'), reached: false, brokenMs, trouble: 'connection refused' }] },
      n3: { links: [link('n1'), { ...link('n2'), reaches: false, brokenMs }] },
    });
    const { cell: it } = await cell(blind(60_000));
    expect(it).toMatchObject({ health: 'degraded', tolerates: 0, intended: 1 });
    expect(it.why).toEqual(['n2 does not reach n3 at http://n3 (connection refused), though n3 reaches n2']);
    expect((await cell(blind(500))).cell).toMatchObject({ health: 'healthy', tolerates: 1 });
  });

  it('a member that does not answer is said to be silent for as long as the others have not met it', async () => {
    const gone = { ...link('n3'), reached: false, reaches: false, brokenMs: 372_000 };
    const whyOf = async (met: boolean): Promise<string | undefined> => {
      const links = [{ ...gone, met }];
      return (await cell({ n1: { links }, n2: { links }, n3: null })).cell.why[0];
    };
    const sentence = 'n3 does not answer at http://n3 (connection refused)';
    expect(await whyOf(true)).toBe(`${sentence}; not heard by the others for 6m`);
    expect(await whyOf(false)).toBe(`${sentence}; no replica has met it since they started`);
  });

  it('a cell that is being formed is unavailable, and says what each replica waits for', async () => {
    const waiting = (warning: string): Partial<ReplicaStatusDocument> => ({
      role: 'waiting',
      voting: false,
      cell: { id: null, name: 'default', generation: 0 },
      lease: { held: false, remainingMs: 0 },
      members: names.map((it) => ({ name: it, url: urlOf(it), role: 'waiting', voting: false, incarnation: 0 })),
      warnings: [warning],
    });
    const { cell: it } = await cell({
      n1: waiting('http://n3 answers as n4, not as n3'),
      n2: waiting('http://n3 answers as n4, not as n3'),
      n3: { ...waiting('the cell is being formed'), name: 'n4' },
    });
    expect(it).toMatchObject({ id: null, health: 'unavailable', tolerates: 0, intended: 1 });
    expect(it.why).toContain('n3 is not at http://n3: n4 of cell none answers there');
    expect(it.why).toContain('n1 waits: http://n3 answers as n4, not as n3');
  });

  it('tells the newest full check of all, its age, and whether every member was part of it', async () => {
    const at = new Date(Date.now() - 60_000).toISOString();
    const lastCheck = { instance: 900, at, log: 'aa', database: 'bb' };
    const all = await cell({ n1: { lastCheck }, n2: { lastCheck }, n3: { lastCheck } });
    expect(all.cell.checksum).toMatchObject({ verdict: 'agree', instance: 900, agreeing: names });
    expect(all.cell.checksum?.ageMs).toBeGreaterThanOrEqual(60_000);
    const some = await cell({ n1: { lastCheck }, n2: { lastCheck } });
    expect(some.cell.checksum).toMatchObject({ verdict: 'incomplete', agreeing: ['n1', 'n2'] });
    const odd = await cell({
      n1: { lastCheck },
      n2: { lastCheck },
      n3: { lastCheck: { ...lastCheck, database: 'x' } },
    });
    expect(odd.cell.checksum).toMatchObject({ verdict: 'differ', agreeing: [] });
    expect((await cell()).cell.checksum).toBeNull();
  });

  it('a replica of another cell among the endpoints does not speak for this one', async () => {
    const { cell: it } = await cell({
      n1: {
        cell: { id: 'other', name: 'x', generation: 1 },
        instances: { chosen: 9e9, applied: 9e9, firstRetained: 1, snapshot: 0 },
      },
    });
    expect(it).toMatchObject({ id: 'cell-1', health: 'unavailable' });
    expect(it.why).toContain('n1 is not at http://n1: n1 of cell other answers there');
  });

  it('a replica that answers under another name is not the member', async () => {
    const { cell: it } = await cell({ n3: { name: 'n4' } });
    expect(it.why).toEqual(['n3 is not at http://n3: n4 of cell cell-1 answers there']);
  });

  it('a master that was paused does not hide the later one', async () => {
    const { cell: it } = await cell({ n2: { role: 'master', lease: { held: true, remainingMs: 1 }, epoch: 2 } });
    expect(it).toMatchObject({ master: 'n2', epoch: 2 });
  });

  it('nobody at all is an error with exit code 3', async () => {
    await expect(cell({ n1: null, n2: null, n3: null })).rejects.toBeInstanceOf(UnreachableError);
  });
});
