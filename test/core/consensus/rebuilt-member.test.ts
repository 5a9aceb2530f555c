/**
 * P21: the paper's own rule for a lost disk, by which a member votes again after a while, in the exact order in which it loses a write.
 *
 * 1. a is master at 1.a. e prepares 2.e, which reaches b and not d. 2. b loses its disk; a has three changes chosen by c and d (9 to 11):
 * b#1 goes, b#9 comes, b#9 votes. 3. e's prepare reaches d. 4. a has v chosen at 12 by b#9 and c. e holds promises of itself, b#1 and d.
 */
import { describe, expect, test } from 'vitest';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import type { AcceptedEntry } from '../../../src/core/consensus/message.ts';
import { noop } from '../../../src/core/consensus/value.ts';
import { ballotText } from '../../support/core-text.ts';
import { configurationOf, memberNamed } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import { accept, acceptedOf, ballot, entry, prepare, promiseTo, voteFor } from '../../support/messages.ts';

const alpha = 1;
const others = ['a', 'c', 'd', 'e'];
const names = [...others, 'b'];
const rebuilt = [...others, memberNamed('b', 'voter', 9)];
const changes: readonly AcceptedEntry[] = [others, [...others, memberNamed('b', 'rebuilding', 9)], rebuilt].map(
  (members, i) => ({
    instance: (9 + i) as Instance,
    ballot: ballot('1.a'),
    value: { kind: 'configuration', configuration: configurationOf(members, { alpha }) },
  }),
);
const before = Array.from({ length: 8 }, (_, i) => ({
  instance: (i + 1) as Instance,
  ballot: ballot('1.a'),
  value: noop,
}));
const v = entry('12@1.a=v');

/** e, with the promise that b#1 gave before its disk was lost. */
function preparing() {
  const e = new LoneReplica({ self: 'e', names, alpha, entries: before, chosenUpTo: 8 });
  const message = e.becomeCandidate(['b', 'd']);
  e.deliver('b', promiseTo(message));
  e.forget();
  return { e, message };
}
const proposed = (e: LoneReplica): number[] => [
  ...new Set(e.sent('accept').map(({ message }) => message.instance as number)),
];

describe('P21: a member that was rebuilt', () => {
  test('is no majority with what its life before had promised, where the changes come with a promise', () => {
    const { e, message } = preparing();
    // d has accepted the changes, and does not know that they are chosen.
    e.deliver('d', { ...promiseTo(message), entries: changes });
    e.persist();
    expect(proposed(e)).toEqual([9]);
    for (const name of ['c', 'd']) e.deliver(name, acceptedOf(e.lastSent('accept')));
    e.persist();
    // From 10 on b#1 is no member: e and d are two of four, later of five.
    expect([e.core.appliedUpTo, proposed(e)]).toEqual([9, [9]]);
    // It steps back and asks all of them, whatever comes late.
    e.deliver('c', { ...promiseTo(message), entries: [...changes, v] });
    e.persist();
    expect(proposed(e)).toEqual([9]);
    e.forget();
    e.waitUntil(() => e.core.state === 'asking');
    expect(new Set(e.sent('pre-vote').map(({ to }) => to))).toEqual(new Set(['a#1', 'c#1', 'd#1']));
  });

  test('is not counted either where the changes are caught up with: all are asked anew', () => {
    const { e, message } = preparing();
    e.deliver('d', {
      ...{ kind: 'reject', ballot: message.ballot, nonce: message.nonce, reason: 'behind' },
      ...{ promised: message.ballot, chosenUpTo: 11 as Instance },
    });
    e.waitUntil(() => e.sent('catch-up').length > 0);
    const { nonce } = e.lastSent('catch-up');
    e.deliver('d', {
      ...{ kind: 'catch-up-reply', nonce, entries: changes, chosenUpTo: 11 as Instance },
      ...{ firstRetained: 1 as Instance },
    } as never);
    e.persist();
    expect(e.core.appliedUpTo).toBe(11);
    e.forget();
    e.waitUntil(() => e.core.state === 'asking');
    for (const name of ['c', 'd']) e.deliver(name, voteFor(e.lastSent('pre-vote')));
    e.persist();
    const anew = e.lastSent('prepare');
    expect(anew.from).toBe(12);
    // Both of before: b#1 answers what it was asked then, and once more what is asked now.
    e.deliver('b', promiseTo(message));
    e.deliver('b', promiseTo(anew));
    e.deliver('d', promiseTo(anew));
    e.persist();
    expect(proposed(e)).toEqual([]);
    e.deliver('b#9', { ...promiseTo(anew), entries: [v] });
    expect(e.lastSent('accept')).toMatchObject({ instance: 12, value: v.value });
  });

  test('knows of no promise that it gave before, and tells whoever prepares anew what it accepted since', () => {
    const b = new LoneReplica({ self: 'b#9', names: rebuilt, alpha: 64 });
    b.deliver('a', accept({ ballot: '1.a', instance: 1, value: 'v' }));
    b.persist();
    expect(b.lastSent('accepted').ballot).toEqual(ballot('1.a'));
    b.pass(5_000);
    b.deliver('e', prepare({ ballot: '2.e' }));
    b.persist();
    expect(b.lastSent('promise').entries.map((it) => ballotText(it.ballot))).toEqual(['1.a']);
  });
});
