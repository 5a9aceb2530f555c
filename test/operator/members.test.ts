/** The commands on members, killed at every call to the cell and run again (pitfalls O9, O11), and what they refuse. */
import { describe, expect, it } from 'vitest';
import { RefusedError, UnreachableError } from '../../src/errors/index.ts';
import type { MemberProgress, StepOptions } from '../../src/operator/members/steps.ts';
import {
  addMember,
  promoteMember,
  rebuildMember,
  removeMember,
  replaceMember,
} from '../../src/operator/members/workflows.ts';
import { Killed, MembershipModel, urlOf } from '../support/membership-model.ts';

const plain = { dryRun: false, allowNoSpare: false };
const options = (port: MembershipModel, seen: MemberProgress[] = []): StepOptions => ({
  port,
  timeoutMs: 5_000,
  onProgress: (progress) => void seen.push(progress),
});

const threeAnd = (...more: readonly string[]): MembershipModel => {
  const cell = new MembershipModel(['n1', 'n2', 'n3']);
  for (const name of more) cell.start(name);
  return cell;
};

interface Workflow {
  readonly what: string;
  readonly cell: () => MembershipModel;
  readonly run: (port: MembershipModel) => Promise<unknown>;
  readonly ends: string;
}

const workflows: readonly Workflow[] = [
  {
    what: 'add',
    cell: () => threeAnd('n4'),
    run: (port) => addMember(options(port), { name: 'n4', url: urlOf('n4'), promote: true, ...plain }),
    ends: 'n1 voter, n2 voter, n3 voter, n4 voter',
  },
  {
    what: 'add --no-promote',
    cell: () => threeAnd('n4'),
    run: (port) => addMember(options(port), { name: 'n4', url: urlOf('n4'), promote: false, ...plain }),
    ends: 'n1 voter, n2 voter, n3 voter, n4 learner',
  },
  {
    what: 'remove',
    cell: () => new MembershipModel(['n1', 'n2', 'n3', 'n4']),
    run: (port) => removeMember(options(port), 'n4', plain),
    ends: 'n1 voter, n2 voter, n3 voter',
  },
  {
    what: 'replace of a live member',
    cell: () => threeAnd('n4'),
    run: (port) => replaceMember(options(port), { old: 'n2', name: 'n4', url: urlOf('n4'), ...plain }),
    ends: 'n1 voter, n3 voter, n4 voter',
  },
  {
    what: 'replace of a dead member',
    cell: () => {
      const cell = threeAnd('n4');
      cell.down('n2');
      return cell;
    },
    run: (port) => replaceMember(options(port), { old: 'n2', name: 'n4', url: urlOf('n4'), ...plain }),
    ends: 'n1 voter, n3 voter, n4 voter',
  },
  {
    what: 'rebuild',
    cell: () => {
      const cell = threeAnd();
      cell.down('n3');
      return cell;
    },
    run: (port) => {
      // Its owner starts it with an empty disk.
      const begun = rebuildMember(options(port), 'n3', plain);
      if (port.replicas.get('n3')?.alive !== true) port.start('n3');
      return begun;
    },
    ends: 'n1 voter, n2 voter, n3 voter',
  },
];

describe.each(workflows)('$what', ({ cell, run, ends }) => {
  it('comes to its end', async () => {
    const model = cell();
    await run(model);
    expect(model.describe()).toBe(ends);
  });

  it('killed at any call and run again comes to the same end, in as many changes', async () => {
    const whole = cell();
    await run(whole);
    expect(whole.calls).toBeGreaterThan(0);
    for (let call = 0; call < whole.calls; call++) {
      for (const after of [false, true]) {
        const model = cell();
        model.killAt = { call, after };
        const place = `call ${call}, ${after ? 'after' : 'before'} its effect`;
        await expect(run(model), place).rejects.toBeInstanceOf(Killed);
        model.killAt = null;
        await run(model);
        expect(model.describe(), place).toBe(ends);
        expect(model.changes, place).toHaveLength(whole.changes.length);
        // Once more, and nothing is left to do.
        await run(model);
        expect(model.describe(), place).toBe(ends);
        expect(model.changes, place).toHaveLength(whole.changes.length);
      }
    }
  });
});

describe('a member that does not come', () => {
  it('is not proposed before its replica waits, and is not there afterwards', async () => {
    const model = threeAnd();
    const seen: MemberProgress[] = [];
    const adding = addMember(options(model, seen), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
    await expect(adding).rejects.toMatchObject({ code: 'PAXOS_MEMBER_NOT_READY', exitCode: 5 });
    expect(model.changes).toEqual([]);
    expect(seen.at(-1)?.waitingFor).toContain('no replica answers');
  });

  it('that dies while it catches up is taken back, and the message says so', async () => {
    const model = threeAnd('n4');
    const adding = addMember(options(model), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
    model.down('n4');
    await expect(adding).rejects.toMatchObject({ code: 'PAXOS_MEMBER_BEHIND', exitCode: 5 });
    expect(model.describe()).toBe('n1 voter, n2 voter, n3 voter');
  });

  it('that was a spare before stays one', async () => {
    const model = threeAnd('n4');
    await addMember(options(model), { name: 'n4', url: urlOf('n4'), promote: false, ...plain });
    model.down('n4');
    await expect(promoteMember(options(model), 'n4', plain)).rejects.toMatchObject({ code: 'PAXOS_MEMBER_BEHIND' });
    expect(model.describe()).toBe('n1 voter, n2 voter, n3 voter, n4 learner');
  });

  it('shows how far it is, at what pace, and whom it waits for', async () => {
    const model = threeAnd('n4');
    const seen: MemberProgress[] = [];
    await addMember(options(model, seen), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
    expect(seen.filter(({ total }) => total !== undefined)).toContainEqual(
      expect.objectContaining({ done: 60, total: 110, waitingFor: expect.stringContaining('behind') }),
    );
  });
});

describe('a member out of reach of the operator', () => {
  const replacing = (model: MembershipModel, dryRun = false) =>
    replaceMember(options(model), { old: 'n3', name: 'n6', url: urlOf('n6'), dryRun, allowNoSpare: false });
  const five = (): MembershipModel => {
    const model = new MembershipModel(['n1', 'n2', 'n3', 'n4', 'n5']);
    model.start('n6');
    model.outOfReach.add('n3');
    return model;
  };

  it('and well for the cell is replaced like one that is alive: never fewer votes than before', async () => {
    const model = five();
    expect(await replacing(model, true)).toMatchObject({ after: { voters: 5 } });
    await replacing(model);
    expect(model.changes.map((change) => change.split(':')[0])).toEqual(['add n6', 'promote n6', 'remove n3']);
  });

  it('is not given up for dead because the master does not mention it: the cell judges', async () => {
    const model = five();
    model.master = async () =>
      ({ ...((await MembershipModel.prototype.master.call(model)) as object), peers: [] }) as never;
    await replacing(model).catch(() => undefined);
    expect(model.changes[0]).toBe('add n6: n1 voter, n2 voter, n3 voter, n4 voter, n5 voter, n6 learner');
  });
});

describe('a snapshot on its way', () => {
  const slow = {
    from: 'n2',
    instance: 100,
    bytes: 0,
    totalBytes: 100 * 2 ** 20,
    ratePerSecond: 5 * 2 ** 20,
    resumedFrom: 0,
  };

  it('is progress: nothing is applied for longer than --timeout, and the member is not taken back', async () => {
    const model = threeAnd('n4');
    model.catchUps.set('n4', slow);
    const seen: MemberProgress[] = [];
    await addMember(options(model, seen), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
    expect(model.nowMs()).toBeGreaterThan(10_000);
    expect(model.describe()).toBe('n1 voter, n2 voter, n3 voter, n4 voter');
    expect(seen.map(({ waitingFor }) => waitingFor)).toContain(
      'the snapshot of instance 100 from n2 (50 of 100 MiB, 5 a second, about 10 s left)',
    );
  });

  it('that stands still is none', async () => {
    const model = threeAnd('n4');
    model.catchUps.set('n4', { ...slow, totalBytes: Number.POSITIVE_INFINITY });
    model.standsStill = true;
    const adding = addMember(options(model), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
    await expect(adding).rejects.toMatchObject({
      code: 'PAXOS_MEMBER_BEHIND',
      suggestions: ['paxosctl members add n4 --url http://n4:7401 --timeout 10m', 'paxosctl members list'],
    });
  });
});

describe('a command that ends half-way', () => {
  const again = 'paxosctl members add n4 --url http://n4:7401';
  const adding = (model: MembershipModel) =>
    addMember(options(model), { name: 'n4', url: urlOf('n4'), promote: true, ...plain });
  /** What the cell answers when a vote is asked for. */
  const atVote = (model: MembershipModel, error: Error): MembershipModel => {
    const change = model.change.bind(model);
    model.change = (body) => (body.url === undefined ? Promise.reject(error) : change(body));
    return model;
  };

  it('without a cell that answers says what was done, and never that nothing was', async () => {
    const model = atVote(threeAnd('n4'), new UnreachableError('No replica answers.'));
    await expect(adding(model)).rejects.toMatchObject({
      exitCode: 7,
      outcome: 'unknown',
      message: 'n4 is a member without a vote. No replica answers.',
      suggestions: expect.arrayContaining([again]),
    });
  });

  it('waits for its vote while the others are slow for a moment only', async () => {
    const model = threeAnd('n4');
    const change = model.change.bind(model);
    let refusals = 3;
    model.change = (body) =>
      body.url === undefined && refusals-- > 0
        ? Promise.reject(new RefusedError('Too few.', { code: 'PAXOS_QUORUM_AT_RISK' }))
        : change(body);
    expect(await adding(model)).toMatchObject({ changed: true, member: { name: 'n4', voting: true } });
    expect(refusals).toBeLessThan(0);
  });

  it('refused its vote says that it is a member, why, and the same command', async () => {
    const model = atVote(
      threeAnd('n4'),
      new RefusedError('Too few.', { code: 'PAXOS_QUORUM_AT_RISK', suggestions: ['x'] }),
    );
    await expect(adding(model)).rejects.toMatchObject({
      ...{ exitCode: 5, code: 'PAXOS_QUORUM_AT_RISK', message: 'n4 is a member without a vote. Too few.' },
      suggestions: [again, 'x', 'paxosctl members list'],
    });
  });

  it('and cannot be taken back tells of both', async () => {
    const model = threeAnd('n4');
    model.remove = () => Promise.reject(new UnreachableError('No replica answers.'));
    const ended = adding(model);
    model.down('n4');
    await expect(ended).rejects.toMatchObject({
      code: 'PAXOS_MEMBER_BEHIND',
      message: expect.stringMatching(
        /could not be removed again \(No replica answers\.\)\. n4 has no vote: no progress/,
      ),
    });
  });

  it('is not undone when somebody else gave the member its vote', async () => {
    const model = threeAnd('n4');
    const master = model.master.bind(model);
    const ended = adding(model);
    model.down('n4');
    model.master = async () => {
      if (model.nowMs() < 5_000) return master();
      const members = model.configuration.members.map((it) =>
        it.name === 'n4' ? { ...it, role: 'voter' as const } : it,
      );
      model.configuration = { ...model.configuration, members };
      return master();
    };
    await expect(ended).rejects.toMatchObject({ message: expect.stringContaining('from somebody else') });
    expect(model.describe()).toContain('n4 voter');
  });

  it('a rebuild or a replacement names itself as the way on', async () => {
    const rebuilt = threeAnd();
    rebuilt.down('n3');
    await expect(rebuildMember(options(rebuilt), 'n3', plain)).rejects.toMatchObject({
      message: expect.stringContaining('has no vote yet; it asks for it by itself'),
      suggestions: expect.arrayContaining(['paxosctl members rebuild n3 --timeout 10m']),
    });
    const replaced = threeAnd('n4');
    replaced.catchUps.set('n4', {
      from: 'n2',
      instance: 1,
      bytes: 0,
      totalBytes: 2 ** 40,
      ratePerSecond: 0,
      resumedFrom: 0,
    });
    replaced.standsStill = true;
    const replacing = replaceMember(options(replaced), { old: 'n2', name: 'n4', url: urlOf('n4'), ...plain });
    await expect(replacing).rejects.toMatchObject({
      suggestions: expect.arrayContaining(['paxosctl members replace n2 n4 --url http://n4:7401 --timeout 10m']),
    });
  });

  it('waits for a master before it replaces anybody, and says that nothing was done when none comes', async () => {
    const late = threeAnd('n4');
    const master = late.master.bind(late);
    late.master = () => (late.nowMs() < 2_000 ? Promise.resolve(null) : master());
    await replaceMember(options(late), { old: 'n2', name: 'n4', url: urlOf('n4'), ...plain });
    expect(late.describe()).toBe('n1 voter, n3 voter, n4 voter');
    const never = threeAnd('n4');
    never.master = () => Promise.resolve(null);
    const replacing = replaceMember(options(never), { old: 'n2', name: 'n4', url: urlOf('n4'), ...plain });
    await expect(replacing).rejects.toMatchObject({ code: 'PAXOS_NO_MASTER', exitCode: 3 });
    expect(never.changes).toEqual([]);
  });
});

describe('a wrong name', () => {
  it.each<[string, string, string, string, object]>([
    ['of OLD again, with a new address', 'n3', 'n3', 'new', { code: 'PAXOS_USAGE', exitCode: 2 }],
    ['of OLD again, with its own address', 'n3', 'n3', 'n3', { code: 'PAXOS_USAGE', exitCode: 2 }],
    ['of another voter, with a new address', 'n3', 'n2', 'new', { code: 'PAXOS_MEMBER_EXISTS', exitCode: 5 }],
    ['of another voter, with its address', 'n3', 'n2', 'n2', { code: 'PAXOS_MEMBER_EXISTS', exitCode: 5 }],
    ['of a spare, with another address', 'n3', 'n6', 'new', { code: 'PAXOS_MEMBER_EXISTS', exitCode: 5 }],
    ['of a spare, with another address, for nobody', 'n9', 'n6', 'new', { code: 'PAXOS_MEMBER_EXISTS', exitCode: 5 }],
  ])('of the one that comes, %s, costs nobody a place', async (_what, old, name, at, refusal) => {
    const model = new MembershipModel(['n1', 'n2', 'n3', 'n4', 'n5']);
    for (const waiting of ['n6', 'new']) model.start(waiting);
    await addMember(options(model), { name: 'n6', url: urlOf('n6'), promote: false, ...plain });
    const before = model.describe();
    for (const dryRun of [true, false]) {
      const replacing = replaceMember(options(model), { old, name, url: urlOf(at), dryRun, allowNoSpare: false });
      await expect(replacing).rejects.toMatchObject(refusal);
    }
    expect(model.describe()).toBe(before);
  });

  it('is none when a spare takes the place that it was kept for', async () => {
    const model = threeAnd('n4');
    await addMember(options(model), { name: 'n4', url: urlOf('n4'), promote: false, ...plain });
    await replaceMember(options(model), { old: 'n2', name: 'n4', url: `${urlOf('n4')}/`, ...plain });
    expect(model.describe()).toBe('n1 voter, n3 voter, n4 voter');
  });

  it('replaces nobody', async () => {
    const model = threeAnd('n4');
    const replacing = replaceMember(options(model), { old: 'n9', name: 'n4', url: urlOf('n4'), ...plain });
    await expect(replacing).rejects.toMatchObject({ code: 'PAXOS_MEMBER_UNKNOWN', exitCode: 5 });
    expect(model.changes).toEqual([]);
  });

  it('removes nobody, and that is no failure: the command may have been run before', async () => {
    const model = threeAnd();
    expect(await removeMember(options(model), 'n9', plain)).toMatchObject({ changed: false, member: null });
    expect(model.changes).toEqual([]);
  });
});
