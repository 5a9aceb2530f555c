import { describe, expect, it } from 'vitest';
import { cellStatus, UnreachableError } from '../../src/client/index.ts';
import type { ReplicaStatusDocument } from '../../src/formats/http-body.ts';
import { FakeReplicaService } from '../support/fake-replica-service.ts';

const names = ['n1', 'n2', 'n3'];
const urlOf = (name: string): string => `http://${name}`;

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
