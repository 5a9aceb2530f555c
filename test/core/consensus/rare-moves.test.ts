/**
 * Moves of the state machines that random schedules meet seldom or never, each by its schedule. The others are counted in
 * `random-schedules.test.ts`: together that is every move there is.
 */
import { expect, test } from 'vitest';
import type { Configuration, Member } from '../../../src/core/consensus/configuration.ts';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import type { AcceptedEntry } from '../../../src/core/consensus/message.ts';
import { configurationOf, memberNamed } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { ballot, entry, id, promiseTo, rejectOf } from '../../support/messages.ts';

const movesOf = (replica: LoneReplica): readonly string[] =>
  replica.of('transition').map(({ transition }) => transition.id);

test('a candidate that is named as successor asks no further: it prepares', () => {
  const c = new LoneReplica();
  c.waitUntil(() => c.core.state === 'asking');
  c.deliver('a', { kind: 'release', release: { ballot: ballot('1.a'), successor: id('c') } });
  expect(movesOf(c).at(-1)).toBe('coordinator.asking.release-received.preparing');
});

test('who cannot propose again what phase 1 reported gives up after some leases', () => {
  const c = new LoneReplica({ limits: { acceptWindowInstances: 1 } });
  const now = c.becomeCandidate(['a']);
  c.deliver('a', promiseTo(now, ['1@1.a=x', '2@1.a=y']));
  expect(c.core.state).toBe('recovering');
  c.waitUntil(() => c.core.state === 'following');
  expect(movesOf(c).at(-1)).toBe('coordinator.recovering.gave-up.following');
});

/** `master` is told that b knows more, asks, and gets a value chosen at a higher ballot than its own. */
function learnsOfAnother(master: LoneReplica): void {
  const { ballot: own, core } = { ballot: master.core.ballot, core: master.core };
  const next = core.chosenUpTo + 1;
  master.deliver('b', rejectOf({ ballot: own }, 'behind', '0', next));
  const { nonce } = master.lastSent('catch-up');
  const entries = [entry(`${next}@99.b=z`)];
  const [chosenUpTo, firstRetained] = [next as Instance, 1 as Instance];
  master.deliver('b', { kind: 'catch-up-reply', nonce, entries, chosenUpTo, firstRetained });
}

test('a master that learns in the middle of a boost that another leads lays down everything', () => {
  const c = new LoneReplica({ limits: { boostEveryMs: 50 } });
  c.becomeMaster(['a']);
  c.waitUntil(() => c.core.state === 'boosting');
  learnsOfAnother(c);
  expect(movesOf(c).at(-1)).toBe('coordinator.boosting.outvoted.following');
});

test('so does one that is about to hand over', () => {
  const c = new LoneReplica();
  c.becomeMaster(['a']);
  c.step({ kind: 'hand-over', at: c.clocks, to: id('a') });
  expect(c.core.state).toBe('handing-over');
  learnsOfAnother(c);
  expect(movesOf(c).at(-1)).toBe('coordinator.handing-over.outvoted.following');
});

/** What c, in this incarnation, becomes when these configurations are chosen one after the other; each governs at once. */
function comesTo(self: string, ...memberships: readonly (readonly Member[])[]): readonly string[] {
  const [formation, ...changes] = memberships.map((members) => configurationOf(members, { alpha: 1 }));
  const entries = changes.map(
    (configuration: Configuration, i): AcceptedEntry => ({
      instance: (i + 1) as Instance,
      ballot: ballot('1.a'),
      value: { kind: 'configuration', configuration },
    }),
  );
  const names = (formation as Configuration).members;
  const replica = new LoneReplica({ self, names, alpha: 1, entries, chosenUpTo: entries.length });
  replica.wake();
  return movesOf(replica)
    .filter((move) => move.startsWith('participation'))
    .map((move) => move.slice('participation.'.length));
}

const others = [memberNamed('a'), memberNamed('b')];
const learning = (): readonly Member[] => [...others, memberNamed('c', 'learner')];
const rebuilding: readonly Member[] = [...others, memberNamed('c', 'rebuilding', 2)];
const voting = (incarnation = 1): readonly Member[] => [...others, memberNamed('c', 'voter', incarnation)];

test('the next incarnation of a member rebuilds before it votes', () => {
  expect(comesTo('c#2', rebuilding, voting(2))).toEqual([
    'waiting.admitted-as-learner[new-incarnation].rebuilding',
    'rebuilding.admitted-as-voter.voting',
  ]);
});

test('a first incarnation learns, votes, and may lose its vote again', () => {
  expect(comesTo('c', learning(), voting(), learning())).toEqual([
    'waiting.admitted-as-learner[otherwise].learner',
    'learner.admitted-as-voter.voting',
    'voting.admitted-as-learner.learner',
  ]);
});

test.each([
  ['a learner', 'c', learning(), 'learner.left.removed'],
  ['one that rebuilds', 'c#2', rebuilding, 'rebuilding.left.removed'],
  ['a voter', 'c', voting(), 'voting.left.removed'],
])(
  '%s that no configuration has any more is removed, and nothing brings this incarnation back',
  (_who, self, members, move) => {
    expect(comesTo(self, members, others, members).slice(1)).toEqual([move]);
  },
);
