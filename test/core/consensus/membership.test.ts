/** Membership as a value in the log: pitfalls P44-P47, as far as the core decides them. */
import { describe, expect, test } from 'vitest';
import { incarnationToCome, memberId } from '../../../src/core/consensus/configuration.ts';
import { ConfigurationHistory } from '../../../src/core/consensus/configuration-history.ts';
import type { CellTimeMs, Epoch, Instance, RequestId } from '../../../src/core/consensus/identity.ts';
import type { SnapshotHandle } from '../../../src/core/consensus/input.ts';
import { noop, type Value } from '../../../src/core/consensus/value.ts';
import { ballotText } from '../../support/core-text.ts';
import { configurationOf, LogCell, memberNamed, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept, acceptedOf, commit, id, promiseTo } from '../../support/messages.ts';

const alpha = 3;
const four = configurationOf(['a', 'b', 'c', 'd'], { alpha });

/** Three members and a fourth process that knows the formation only. */
function growing(): LogCell {
  const cell = threeReplicaCell({ alpha });
  cell.addMember('d').start();
  cell.elect('a');
  cell.runUntilEqual();
  return cell;
}

describe('P44: what is chosen at i governs from i + alpha on', () => {
  test('the instances up to i + alpha - 1 belong to the old configuration, i + alpha to the new one', () => {
    const history = new ConfigurationHistory([
      { from: 0 as Instance, configuration: configurationOf(['a', 'b', 'c'], { alpha }) },
    ]);
    expect(history.chosen(20 as Instance, four)).toBe(23);
    expect(history.at(22).members).toHaveLength(3);
    expect(history.at(23).members).toHaveLength(4);
    expect(history.isVoterFrom(20, id('d'))).toBe(true);
    expect(history.from(23)).toHaveLength(1);
  });

  test('the alpha that counts is that of the configuration in force, not that of the one just chosen', () => {
    // With the new one a change to a smaller alpha would reach back to instances that are proposed already.
    const history = new ConfigurationHistory([
      { from: 0 as Instance, configuration: configurationOf(['a', 'b', 'c'], { alpha }) },
    ]);
    expect(history.chosen(20 as Instance, configurationOf(['a', 'b', 'c', 'd'], { alpha: 1 }))).toBe(23);
    expect(history.chosen(23 as Instance, four)).toBe(24);
  });

  test('half of four chooses nothing before i + alpha, though it is a majority of the three that follow', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd'], alpha });
    c.becomeMaster(['a', 'b']);
    const at = c.core.chosenUpTo + 1;
    c.forget();
    const configuration = configurationOf(['a', 'b', 'c'], { alpha });
    c.step({ kind: 'change-configuration', at: c.clocks, request: 90 as RequestId, configuration });
    c.persist();
    const accepts = c.sent('accept').filter(({ to }) => to === id('a'));
    expect(accepts.map(({ message }) => message.instance)).toEqual([at, at + 1, at + 2]);
    const acknowledge = (name: string, instance: number): void => {
      for (const { message } of accepts) if (message.instance === instance) c.deliver(name, acceptedOf(message));
    };
    for (const name of ['a', 'b']) acknowledge(name, at);
    expect(c.core.appliedUpTo).toBe(at);
    acknowledge('a', at + 1);
    expect(c.core.chosenUpTo).toBe(at);
    acknowledge('d', at + 1);
    expect(c.core.chosenUpTo).toBe(at + 1);
  });

  test('nobody proposes at j before everything up to j - alpha is applied', () => {
    const c = new LoneReplica({ alpha, limits: { acceptWindowInstances: 64, eagerWindowInstances: 64 } });
    c.becomeMaster(['a']);
    const { appliedUpTo } = c.core;
    c.forget();
    for (let i = 0; i < 10; i++) c.submit(`x${i}`);
    expect(Math.max(...c.of('send').map(({ message }) => ('instance' in message ? message.instance : 0)))).toBe(
      appliedUpTo + alpha,
    );
  });

  test('the master fills up to i + alpha - 1 with no-ops at once, so that the change governs without any write', () => {
    const cell = growing();
    const a = cell.member('a');
    const request = a.changeConfiguration(four);
    const outcome = cell.runUntilOutcome(a, request);
    cell.run(10);
    expect(a.core.chosenUpTo).toBeGreaterThanOrEqual((outcome as { instance: number }).instance + alpha - 1);
    expect(a.core.configuration.members).toHaveLength(4);
    cell.runUntil('d takes part', () => cell.member('d').core.participation === 'voting');
  });

  test('who has learned that it votes is counted on when that governs, and not before', () => {
    // Whoever takes another one away as soon as this one says that it votes: until then the old majority is wanted.
    const names = ['a', 'b', 'c'];
    const d = new LoneReplica({ self: 'd', names: [...names, memberNamed('d', 'learner')], alpha });
    const give = { kind: 'configuration' as const, configuration: four };
    const choose = (instance: number, value: Value): void => {
      d.deliver('a', accept({ ballot: '1.a', instance, value }));
      d.persist();
      d.deliver('a', commit({ ballot: '1.a', chosen: instance }));
    };
    expect(d.core.isCountedOn).toBe(false);
    choose(1, give);
    choose(2, noop);
    expect([d.core.participation, d.core.isCountedOn]).toEqual(['voting', false]);
    choose(3, noop);
    expect([d.core.chosenUpTo, d.core.isCountedOn]).toEqual([alpha, true]);
  });

  test('the old majority chooses the filling, the new one what follows', () => {
    // With b and c cut off after the change, a and d are no majority of four; with b back they are.
    const cell = growing();
    const a = cell.member('a');
    cell.runUntilOutcome(a, a.changeConfiguration(four));
    cell.run(50);
    cell.cut(['a'], ['b', 'c']);
    const [request] = a.submit('x');
    cell.run(300);
    expect(a.outcome(request as never)).toBeUndefined();
    cell.mend();
    expect(cell.runUntilOutcome(a, request as never)).toMatchObject({ kind: 'applied' });
  });

  // The change, the two no-ops that fill, and the first instance of the new configuration: each may be the last word.
  test.each([0, 1, 2, 3])('a master that dies %i instances after proposing a change leaves one history', (after) => {
    for (const reaches of [[], ['b'], ['b', 'c']]) {
      const cell = growing();
      const a = cell.member('a');
      const at = a.core.chosenUpTo + 1;
      const stop = cell.drop(
        ({ to, message }) =>
          message.kind === 'accept' && message.instance >= at + after && !reaches.some((name) => id(name) === to),
      );
      a.changeConfiguration(four);
      cell.run(20);
      a.crash();
      stop();
      const master = cell.runUntilServing();
      expect(cell.write('x')).toMatchObject({ kind: 'applied' });
      a.start();
      cell.runUntilEqual();
      const known = cell.members.filter(({ id: member }) => member !== id('d')).map(({ core }) => core.configuration);
      expect(new Set(known.map(({ members }) => members.length)).size).toBe(1);
      expect(master.isServing).toBe(true);
    }
  });

  test('a restart from a snapshot between the change and its beginning still knows it', () => {
    const cell = growing();
    const a = cell.member('a');
    // The filling is lost on its way: the change stays chosen and not in force.
    const change = a.core.chosenUpTo + 1;
    const stop = cell.drop(({ message }) => message.kind === 'accept' && message.instance > change);
    cell.runUntilOutcome(a, a.changeConfiguration(four));
    const b = cell.member('b');
    cell.runUntil('b knows', () => b.core.appliedUpTo === change);
    b.takeSnapshot();
    expect(b.snapshot.handle.configurations.map(({ from }) => from)).toEqual([0, change + alpha]);
    b.restart();
    expect(b.core.configurations.map(({ configuration }) => configuration.members.length)).toEqual([3, 4]);
    stop();
    cell.runUntilEqual();
    cell.runUntil('b uses it', () => b.core.configuration.members.length === 4);
  });
});

describe('P45: two masters, two changes', () => {
  test('a change that was only accepted governs nobody', () => {
    const b = new LoneReplica({ self: 'b', names: ['a', 'b', 'c', 'd'], alpha });
    const value = { kind: 'configuration' as const, configuration: configurationOf(['b', 'c', 'd'], { alpha }) };
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value }));
    b.persist();
    expect(b.core.configurations).toHaveLength(1);
    b.deliver('a', commit({ ballot: '1.a', chosen: 1 }));
    expect(b.core.configurations).toHaveLength(2);
  });

  test('one change at a time, of one voter, by a master', () => {
    const cell = growing();
    const a = cell.member('a');
    const refused = [
      configurationOf(['a', 'b', 'c', 'd', 'e'], { alpha }),
      configurationOf(['b', 'c', 'd'], { alpha }),
      configurationOf([], { alpha }),
      configurationOf([memberNamed('a', 'voter', 2), 'b', 'c'], { alpha }),
      configurationOf(['a', 'b', 'c', 'd'], { alpha: 0 }),
    ];
    for (const configuration of refused) {
      const request = a.changeConfiguration(configuration);
      expect(a.outcome(request)).toEqual({ kind: 'settled', reason: 'configuration-refused' });
    }
    const first = a.changeConfiguration(four);
    const second = a.changeConfiguration(four);
    expect(a.outcome(second)).toEqual({ kind: 'settled', reason: 'configuration-refused' });
    expect(cell.runUntilOutcome(a, first)).toMatchObject({ kind: 'applied' });
    const b = cell.member('b');
    expect(b.outcome(b.changeConfiguration(four))).toEqual({ kind: 'settled', reason: 'not-master' });
  });

  test('the schedule of 2015: add at one master, remove at another, the first returns', () => {
    // 1. a proposes "add e", accepted by a and e only. 2. b is elected by c and d and has "remove a" chosen. 3. a returns.
    const names = ['a', 'b', 'c', 'd'];
    const cell = new LogCell({ names, alpha });
    cell.addMember('e').start();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.cut(['a'], ['b', 'c', 'd']);
    const add = a.changeConfiguration(configurationOf([...names, 'e'], { alpha }));
    const b = cell.elect('b');
    cell.run(200);
    const remove = b.changeConfiguration(configurationOf(['b', 'c', 'd'], { alpha }));
    expect(cell.runUntilOutcome(b, remove)).toMatchObject({ kind: 'applied' });
    cell.mend();
    cell.runUntil('a knows that it is out', () => a.core.participation === 'removed');
    expect(a.outcome(add)).toEqual({ kind: 'settled', reason: 'replaced' });
    expect(cell.write('x')).toMatchObject({ kind: 'applied' });
    expect(cell.serving?.id).not.toBe(a.id);
  });

  test('a change learned while leading needs promises of the new configuration before anything is proposed in it', () => {
    // c recovers a configuration value; its promises come from a and itself, no majority of the new four.
    const c = new LoneReplica({ alpha: 1 });
    const now = c.becomeCandidate(['a']);
    const reported = {
      instance: 1 as Instance,
      ballot: { round: 1, name: 'b', incarnation: 1 },
      value: { kind: 'configuration' as const, configuration: configurationOf(['a', 'b', 'c', 'd'], { alpha: 1 }) },
    };
    c.deliver('a', { ...promiseTo(now), entries: [reported] });
    c.persist();
    c.deliver('a', acceptedOf(c.lastSent('accept')));
    expect(c.core.appliedUpTo).toBe(1);
    c.persist();
    expect(c.sent('accept').map(({ message }) => message.instance)).not.toContain(2);
    c.forget();
    c.waitUntil(() => c.core.state === 'asking');
    expect(c.sent('pre-vote').map(({ to }) => to)).toContain(id('d'));
  });
});

describe('a voter of a configuration that is chosen but governs nothing yet', () => {
  // It can win phase 1 and may then propose nothing at the next instance. 1. The master has "add d" chosen and dies. 2. d
  // wins every election, steps back each time, and the others never come to lead the cell up to where d has a vote.
  const added = {
    instance: 1 as Instance,
    ballot: { round: 1, name: 'a', incarnation: 1 },
    value: { kind: 'configuration' as const, configuration: configurationOf(['a', 'b', 'c', 'd'], { alpha: 8 }) },
  };

  test('does not campaign, and does so where it governs', () => {
    const d = new LoneReplica({ self: 'd', alpha: 8, entries: [added], chosenUpTo: 1 });
    for (let i = 0; i < 50; i++) d.wait(100);
    expect(d.core.participation).toBe('voting');
    expect(d.sent('pre-vote')).toEqual([]);
    const filling = Array.from({ length: 7 }, (_, i) => ({
      instance: (2 + i) as Instance,
      ballot: { round: 1, name: 'a', incarnation: 1 },
      value: { kind: 'noop' as const },
    }));
    const later = new LoneReplica({ self: 'd', alpha: 8, entries: [added, ...filling], chosenUpTo: 8 });
    for (let i = 0; i < 50; i++) later.wait(100);
    expect(later.sent('pre-vote').length).toBeGreaterThan(0);
  });

  test('is no successor', () => {
    const c = new LoneReplica({ alpha: 8 });
    c.becomeMaster(['a']);
    const { configuration } = added.value;
    c.step({ kind: 'change-configuration', at: c.clocks, request: 99 as RequestId, configuration });
    c.persist();
    const change = c.sent('accept').find(({ message }) => message.value.kind === 'configuration')?.message;
    c.deliver('a', acceptedOf(change as NonNullable<typeof change>));
    c.deliver('d', { ...acceptedOf(c.lastSent('accept')), appliedUpTo: 99 as Instance });
    expect(c.core.configurations).toHaveLength(2);
    expect(c.core.handOverCandidate(id('d'), c.clocks)).toBeNull();
    expect(c.core.handOverCandidate(id('a'), c.clocks)).toBe(id('a'));
  });
});

describe('P46: snapshot and configuration', () => {
  test('a snapshot stands for the configurations that were chosen at or below it, not for one proposed above', () => {
    const cell = growing();
    const a = cell.member('a');
    cell.cut(['a'], ['b', 'c']);
    a.changeConfiguration(four);
    cell.run(20);
    a.takeSnapshot();
    expect(a.snapshot.handle.configurations).toHaveLength(1);
  });

  test('a phantom change is gone when a snapshot from above it is installed', () => {
    // 1. a accepts "add d" alone. 2. b leads and goes on. 3. b's log is cut. 4. a installs b's snapshot.
    const cell = new LogCell({ names: ['a', 'b', 'c'], alpha, limits: { retainBehindSnapshotInstances: 0 } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.isolate('a');
    const phantom = a.changeConfiguration(four);
    cell.elect('b');
    for (let i = 0; i < 5; i++) cell.write(`x${i}`);
    for (const name of ['b', 'c']) cell.member(name).takeSnapshot();
    cell.mend();
    cell.runUntil('a has the snapshot', () => a.core.firstRetained > 3);
    expect(a.core.configurations).toHaveLength(1);
    expect(a.core.configuration.members.map(memberId)).toEqual([id('a'), id('b'), id('c')]);
    expect(a.outcome(phantom)).toEqual({ kind: 'settled', reason: 'unknown' });
    cell.member('b').crash();
    expect(cell.write('y')).toMatchObject({ kind: 'applied' });
  });

  test('an installed snapshot brings its configurations along, and those known before are gone', () => {
    // While c was away d took b's place; the values that changed it are below the snapshot.
    const c = new LoneReplica({ alpha });
    const configuration = configurationOf(['a', 'c', 'd'], { alpha });
    const handle: SnapshotHandle = {
      instance: 50 as Instance,
      epoch: 2 as Epoch,
      cellTimeMs: 0 as CellTimeMs,
      configurations: [{ from: 40 as Instance, configuration }],
    };
    c.step({ kind: 'snapshot-installed', at: c.clocks, handle });
    expect(c.core.configuration).toEqual(configuration);
    c.waitUntil(() => c.core.state === 'asking');
    expect(c.sent('pre-vote').map(({ to }) => to)).toEqual([id('a'), id('d')]);
  });

  test('a restart takes the configuration from log and snapshot, not from the formation', () => {
    const cell = growing();
    const a = cell.member('a');
    cell.runUntilOutcome(a, a.changeConfiguration(four));
    cell.run(300);
    const b = cell.member('b');
    b.takeSnapshot();
    b.restart();
    expect(b.core.configuration.members).toHaveLength(4);
    const c = cell.member('c');
    c.restart();
    cell.runUntil('c has replayed its log', () => c.core.configuration.members.length === 4);
  });
});

const learning = configurationOf(['a', 'b', 'c', memberNamed('d', 'learner')], { alpha });

/** a is master, and d learns. */
function withLearner() {
  const cell = growing();
  const a = cell.member('a');
  cell.runUntilOutcome(a, a.changeConfiguration(learning));
  const d = cell.member('d');
  cell.runUntil('d learns', () => d.core.participation === 'learner');
  cell.run(400);
  return { cell, a, d };
}

describe('P47: removed members', () => {
  test('one that was cut off while it was removed learns it, and disturbs nobody', () => {
    const cell = threeReplicaCell({ alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.isolate('c');
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b'], { alpha })));
    cell.run(2000);
    cell.mend();
    const c = cell.member('c');
    cell.runUntil('c knows', () => c.core.participation === 'removed');
    cell.sent.clear();
    cell.run(5000);
    expect(cell.sent.get('pre-vote') ?? 0).toBe(0);
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('a master that is removed stops serving where the change governs, and another follows within about a lease', () => {
    const cell = threeReplicaCell({ alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['b', 'c'], { alpha })));
    cell.runUntil('a stops', () => !a.isServing, 20);
    expect(a.core.participation).toBe('removed');
    cell.runUntil('another serves', () => cell.serving !== null && cell.serving !== a, 1000);
    expect(cell.write('x')).toMatchObject({ kind: 'applied' });
    expect(ballotText(cell.runUntilServing().core.ballot)).not.toContain('a');
  });

  test('a learner that was cut off while it was removed asks, and learns it', () => {
    const { cell, a, d } = withLearner();
    cell.isolate('d');
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b', 'c'], { alpha })));
    cell.run(2000);
    expect(a.core.configuration.members).toHaveLength(3);
    expect(d.core.participation).toBe('learner');
    cell.mend();
    cell.runUntil('d knows', () => d.core.participation === 'removed');
    cell.sent.clear();
    cell.run(5000);
    expect(cell.checker.masterChanges).toBe(1);
    // Who is out has nothing to ask any more.
    expect(cell.sent.get('catch-up') ?? 0).toBe(0);
  });

  test('a learner that was cut off between its promotion and the instances from which it counts asks, and learns that it is out', () => {
    const { cell, a, d } = withLearner();
    a.changeConfiguration(four);
    cell.runUntil('d hears of its promotion', () => d.core.participation === 'voting');
    cell.isolate('d');
    expect(d.core.configuration).toEqual(learning);
    cell.run(400);
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b', 'c'], { alpha })));
    cell.run(2000);
    cell.mend();
    cell.runUntil('d knows', () => d.core.participation === 'removed', 2000);
    expect(cell.checker.masterChanges).toBe(1);
  });

  test('who is removed is told with the last word that concerns it, and need not ask', () => {
    const cell = threeReplicaCell({ alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.sent.clear();
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['a', 'b'], { alpha })));
    cell.runUntil('c knows', () => cell.member('c').core.participation === 'removed', 200);
    expect(cell.sent.get('pre-vote') ?? 0).toBe(0);
    expect(cell.sent.get('catch-up') ?? 0).toBe(0);
  });

  test('a master that is removed tells the others what it knows as chosen before it falls silent', () => {
    const cell = threeReplicaCell({ alpha });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const at = a.core.chosenUpTo + 1;
    cell.sent.clear();
    cell.runUntilOutcome(a, a.changeConfiguration(configurationOf(['b', 'c'], { alpha })));
    cell.runUntil('a stops', () => a.core.participation === 'removed', 50);
    for (const name of ['b', 'c']) {
      cell.runUntil(`${name} knows`, () => cell.member(name).core.chosenUpTo === at + alpha - 1, 50);
    }
    expect(cell.sent.get('catch-up') ?? 0).toBe(0);
  });

  test('a learner catches up, accepts and never votes', () => {
    const cell = growing();
    const a = cell.member('a');
    cell.runUntilOutcome(
      a,
      a.changeConfiguration(configurationOf(['a', 'b', 'c', memberNamed('d', 'learner')], { alpha })),
    );
    const d = cell.member('d');
    cell.runUntil('d learns', () => d.core.participation === 'learner');
    cell.run(200);
    cell.member('b').crash();
    cell.member('c').crash();
    cell.run(50);
    const [request] = a.submit('x');
    cell.run(3000);
    expect(a.outcome(request as never)?.kind).not.toBe('applied');
    expect(d.core.state).toBe('following');
  });

  test('of a member’s two lives only the admitted one counts', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c'] });
    c.becomeMaster(['a']);
    c.submit('x');
    c.persist();
    const before = c.core.chosenUpTo;
    c.deliver('a#2', acceptedOf(c.lastSent('accept')));
    c.deliver('b#2', acceptedOf(c.lastSent('accept')));
    expect(c.core.chosenUpTo).toBe(before);
  });
});

describe('a change that makes no sense is refused', () => {
  test.each([
    ['another window', configurationOf(['a', 'b', 'c', 'd'], { alpha: alpha + 1 })],
    ['two lives of one member', configurationOf(['a', 'b', 'c', memberNamed('c', 'rebuilding', 2)], { alpha })],
    ['names out of order', { ...four, members: [...four.members].reverse() }],
    ['nobody who votes', configurationOf([memberNamed('a', 'learner')], { alpha })],
  ])('%s', (_what, configuration) => {
    const cell = growing();
    const a = cell.member('a');
    const request = a.changeConfiguration(configuration);
    cell.run(50);
    expect(a.outcome(request)).toEqual({ kind: 'settled', reason: 'configuration-refused' });
    expect(a.core.configuration.members).toHaveLength(3);
  });
});

describe('P48: incarnations', () => {
  test('a life is numbered by the instance of the change that admits it, so that none comes twice', () => {
    const cell = growing();
    const a = cell.member('a');
    const admitted = (): number => a.core.configuration.members.find(({ name }) => name === 'c')?.incarnation ?? -1;
    for (let life = 0; life < 3; life++) {
      const change = configurationOf(['a', 'b', memberNamed('c', 'rebuilding', incarnationToCome)], { alpha });
      const outcome = cell.runUntilOutcome(a, a.changeConfiguration(change));
      cell.run(400);
      expect(admitted()).toBe((outcome as { instance: number }).instance);
      expect(cell.member('b').core.configuration).toEqual(a.core.configuration);
    }
  });

  test('proposed again by the next master, the change admits the same life', () => {
    const cell = growing();
    const a = cell.member('a');
    const at = a.core.chosenUpTo + 1;
    const stop = cell.drop(({ to, message }) => message.kind === 'accepted' && to === id('a'));
    a.changeConfiguration(configurationOf(['a', 'b', 'c', memberNamed('d', 'learner', incarnationToCome)], { alpha }));
    cell.run(20);
    a.crash();
    stop();
    const master = cell.runUntilServing();
    cell.run(300);
    expect(master.core.configuration.members.map(memberId)).toContain(id(`d#${at}`));
  });
});

describe('P50: voters that are not there', () => {
  test('a voter that never acknowledged anything is named after two leases, one that did is not', () => {
    // d is listed and does not exist: misspelt, perhaps. Four listed stand one failure less than they seem to.
    const cell = new LogCell({ names: ['a', 'b', 'c', 'd'], down: ['d'] });
    const a = cell.elect('a');
    expect(a.core.unheard(a.clocks())).toEqual([]);
    cell.run(2 * cell.formation.leaseMs + 100);
    expect(a.core.unheard(a.clocks())).toEqual([id('d')]);
    cell.member('d').start();
    cell.runUntil('d is heard', () => a.core.unheard(a.clocks()).length === 0);
  });

  test('a copy of an acknowledgement that comes late does not make a silent voter heard', () => {
    const master = new LoneReplica({ names: ['a', 'b', 'c'] });
    master.becomeMaster(['a', 'b']);
    master.submit('x');
    master.persist();
    const early = acceptedOf(master.lastSent('accept'));
    master.deliver('a#1', early);
    master.deliver('b#1', early);
    for (let n = 0; n < 8; n++) {
      master.wait(master.core.configuration.leaseMs / 3);
      master.persist();
      master.deliver('a#1', acceptedOf(master.lastSent('accept')));
      master.deliver('b#1', early);
    }
    expect(master.core.unheard(master.clocks)).toEqual(['b#1']);
  });
});
