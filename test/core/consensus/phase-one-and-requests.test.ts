/** What a new coordinator must take over, and what becomes of requests meanwhile: pitfalls P09-P12. */
import { describe, expect, test } from 'vitest';
import { ballotText, valueText } from '../../support/core-text.ts';
import { fiveReplicaCell, type LogCell, threeReplicaCell } from '../../support/log-cell.ts';
import { LoneReplica } from '../../support/lone-replica.ts';
import {
  accept,
  acceptedOf,
  entry,
  id,
  mastership,
  prepare,
  promiseTo,
  rejectOf,
  value,
} from '../../support/messages.ts';

/** Accepts for single instances, by who they go to. */
const isAccept =
  (instance: number, to?: string) =>
  ({ message, to: receiver }: Parameters<Parameters<LogCell['drop']>[0]>[0]): boolean =>
    message.kind === 'accept' && message.instance === instance && (to === undefined || receiver === id(to));

describe('P09: gaps', () => {
  test('phase 1 begins at the first instance not known as chosen, though later ones are accepted here', () => {
    const b = new LoneReplica({ self: 'b', names: ['a', 'b', 'c', 'd', 'e'] });
    for (const instance of [6, 7])
      b.deliver('a', accept({ ballot: '1.a', instance, value: `v${instance}`, chosen: 0 }));
    b.persist();
    expect(b.becomeCandidate(['c', 'd']).from).toBe(1);
  });

  test('a no-op fills a gap only where a whole majority reported nothing', () => {
    const b = new LoneReplica({ self: 'b', names: ['a', 'b', 'c', 'd', 'e'], alpha: 64 });
    const now = b.becomeCandidate(['c', 'd']);
    b.deliver('c', promiseTo(now, ['3@1.a=three']));
    b.deliver('d', promiseTo(now, ['1@1.a=one']));
    const proposed = b.sent('accept').filter(({ to }) => to === id('c'));
    expect(proposed.map(({ message }) => `${message.instance} ${valueText(message.value)}`)).toEqual([
      '1 [one]e0',
      '2 noop',
      '3 [three]e0',
      expect.stringMatching(/^4 mastership\(b/),
    ]);
  });

  test('an accept that is still on its way to somebody who was not asked cannot choose a second value', () => {
    // 1. a proposes x at 5; d gets it, e's copy is on its way. 2. a dies. 3. b prepares with c and d. 4. e gets the copy.
    const cell = fiveReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const at = a.core.chosenUpTo + 1;
    const late = cell.hold(isAccept(at, 'e'));
    const lost = cell.drop((envelope) => isAccept(at, 'b')(envelope) || isAccept(at, 'c')(envelope));
    a.submit('x');
    cell.run(5);
    a.crash();
    lost();
    cell.cut(['b', 'c', 'd'], ['e']);
    cell.elect('b');
    expect(cell.checker.chosenLabel(at)).toBe('[x]e1');
    cell.mend();
    late.release();
    cell.run(100);
    cell.write('y');
    cell.runUntilEqual();
    expect(cell.checker.appliedItems).toEqual(new Set(['x', 'y']));
  });

  test('instances that nobody reports are filled, so that what was chosen behind them is applied', () => {
    const cell = threeReplicaCell({ alpha: 8, limits: { eagerWindowInstances: 8 } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const gap = a.core.chosenUpTo + 1;
    const mend = [cell.drop(isAccept(gap)), cell.drop(isAccept(gap + 1, 'c'))];
    const [lost] = a.submit('lost');
    a.submit('kept');
    cell.run(5);
    // Of the first only a itself has a copy.
    cell.isolate('a');
    for (const stop of mend) stop();
    const b = cell.elect('b');
    expect(cell.checker.chosenLabel(gap)).toBe('noop');
    expect(cell.checker.appliedItems).toEqual(new Set(['kept']));
    cell.heal();
    cell.runUntil('a has both', () => a.core.appliedUpTo > gap);
    expect(a.outcome(lost as never)).toEqual({ kind: 'settled', reason: 'replaced' });
    expect(b.isServing).toBe(true);
  });
});

describe('P10: a long promise comes in pages', () => {
  const many = Array.from({ length: 40 }, (_, i) => `${i + 1}@1.a=v${i + 1}`);

  test('every page carries the ballot, the nonce and its number, and only the last one ends it', () => {
    const entries = many.map(entry);
    const b = new LoneReplica({ self: 'b', promised: '1.a', entries, limits: { pageBytesMax: 700 } });
    b.deliver('c', prepare({ ballot: '2.c', nonce: 9 }));
    b.persist();
    const pages = b.sent('promise').map(({ message }) => message);
    expect(pages.length).toBeGreaterThan(3);
    expect(pages.map(({ page }) => page)).toEqual(pages.map((_, i) => i));
    expect(pages.map(({ last }) => last)).toEqual(pages.map((_, i) => i === pages.length - 1));
    expect(new Set(pages.map(({ ballot, nonce }) => `${ballotText(ballot)} ${nonce}`))).toEqual(new Set(['2.c 9']));
    expect(pages.flatMap((page) => page.entries)).toEqual(entries);
  });

  test('a candidate waits for every page, whatever their order, and takes none of another attempt', () => {
    const c = new LoneReplica();
    const now = c.becomeCandidate(['a']);
    const page = (number: number, text: string, last: boolean) => ({ ...promiseTo(now, [text]), page: number, last });
    c.deliver('b', page(2, '3@1.a=three', true));
    c.deliver('b', page(0, '1@1.a=one', false));
    c.deliver('b', { ...page(1, '2@1.a=two', false), nonce: now.nonce - 1 });
    expect(c.core.state).toBe('preparing');
    c.deliver('b', page(0, '1@1.a=one', false));
    expect(c.core.state).toBe('preparing');
    c.deliver('b', page(1, '2@1.a=two', false));
    expect(c.core.state).toBe('opening');
    expect(c.sent('accept')[2]?.message).toMatchObject({ instance: 2, value: value('two') });
  });

  test('pages of two members do not make one promise', () => {
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    const now = c.becomeCandidate(['a', 'b']);
    c.deliver('a', { ...promiseTo(now), page: 0, last: false });
    c.deliver('b', { ...promiseTo(now), page: 1, last: true });
    c.deliver('d', promiseTo(now));
    expect(c.core.state).toBe('preparing');
  });

  test('a responder that dies between two pages does not count; started again, it sends all of them', () => {
    const windows = { acceptWindowInstances: 64, eagerWindowInstances: 64 };
    const cell = threeReplicaCell({ alpha: 64, limits: { pageBytesMax: 1, ...windows } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const first = a.core.chosenUpTo + 1;
    // c alone holds what a left open; b, which is to lead, has nothing.
    cell.drop(({ message, to }) => message.kind === 'accepted' || (message.kind === 'accept' && to === id('b')));
    for (let i = 0; i < 10; i++) {
      a.submit(`x${i}`, `y${i}`);
      cell.run(1);
    }
    a.crash();
    cell.heal();
    const pages = cell.hold(({ message }) => message.kind === 'promise' && message.page > 0);
    cell.drop(({ from, message }) => message.kind === 'pre-vote' && from === id('c'));
    cell.run(600);
    cell.member('c').crash();
    pages.discard();
    cell.run(50);
    expect(cell.serving?.id).toBeUndefined();
    cell.member('c').start();
    const b = cell.runUntilServing('b');
    expect(cell.checker.chosenLabel(first)).toMatch(/^\[x0 y0\]/);
    expect(b.core.appliedUpTo).toBeGreaterThan(first);
  });
});

describe('P11, P12: what becomes of requests', () => {
  test('what one submitter sends in two inputs is applied in that order, also when the first value is delayed', () => {
    const cell = threeReplicaCell({ limits: { eagerWindowInstances: 8 } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    const at = a.core.chosenUpTo + 1;
    const late = cell.hold(isAccept(at));
    const [one] = a.submit('s=1');
    const [two] = a.submit('s=2');
    cell.run(20);
    expect(a.outcome(two as never)).toBeUndefined();
    late.release();
    cell.run(20);
    expect(a.outcome(one as never)).toMatchObject({ kind: 'applied', instance: at });
    expect(a.outcome(two as never)).toMatchObject({ kind: 'applied', instance: at + 1 });
  });

  test('a value that its proposer gave up, and a successor recovered, answers its request once', () => {
    // 1. a's value reaches c only. 2. a is cut off and loses its lease: unknown for now. 3. b leads with c's report.
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    const at = a.core.chosenUpTo + 1;
    cell.drop(isAccept(at, 'b'));
    const [request] = a.submit('x');
    cell.run(0.45);
    cell.isolate('a');
    cell.run(480);
    expect(a.isServing).toBe(false);
    expect(a.outcome(request as never)).toBeUndefined();
    cell.elect('b');
    cell.heal();
    cell.runUntil('a knows', () => a.outcome(request as never) !== undefined);
    expect(a.outcome(request as never)).toEqual({ kind: 'applied', instance: at, current: true });
  });

  test('a value that lost its instance to another answers "replaced", and never takes effect', () => {
    const cell = threeReplicaCell();
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.isolate('a');
    const [request] = a.submit('x');
    const b = cell.elect('b');
    for (let i = 0; i < 4; i++) cell.write(`y${i}`);
    cell.heal();
    cell.runUntil('a knows', () => a.outcome(request as never) !== undefined);
    expect(a.outcome(request as never)).toEqual({ kind: 'settled', reason: 'replaced' });
    cell.write('z');
    expect(cell.checker.appliedItems.has('x')).toBe(false);
    expect(b.isServing).toBe(true);
  });

  test('a request whose instance is recovered with another value by the same replica is told so', () => {
    // The replica proposes x at 3, loses, hears of w at 3 in a higher ballot, and leads again: x waits on no one's vote.
    const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'] });
    c.becomeMaster(['a', 'b']);
    const at = c.core.chosenUpTo + 1;
    const [request] = c.submit('x');
    c.persist();
    c.wait(600);
    expect(c.core.state).toBe('following');
    const now = c.becomeCandidate(['a', 'b']);
    c.deliver('a', promiseTo(now, [`${at}@${now.ballot.round - 1}.d=w`]));
    c.deliver('b', promiseTo(now));
    c.settle(['a', 'b']);
    expect(c.of('apply').find(({ instance }) => instance === at)).toMatchObject({ value: value('w'), requests: null });
    expect(c.of('settle')).toMatchObject([{ requests: [request], reason: 'replaced' }]);
  });

  test('what was never proposed is refused as not done when the mastership ends', () => {
    const c = new LoneReplica({ limits: { acceptWindowInstances: 1, eagerWindowInstances: 1 } });
    c.becomeMaster(['a']);
    const [inFlight] = c.submit('x');
    const [waiting] = c.submit('y');
    c.wait(600);
    expect(c.of('settle')).toMatchObject([{ requests: [waiting], reason: 'not-master' }]);
    expect(inFlight).not.toBe(waiting);
  });

  test('requests beyond the limits of the queue are refused as overloaded, the others are not', () => {
    const c = new LoneReplica({ limits: { pendingItemsMax: 2, acceptWindowInstances: 1, eagerWindowInstances: 1 } });
    c.becomeMaster(['a']);
    c.submit('0');
    const requests = c.submit('1', '2', '3');
    expect(c.of('settle')).toMatchObject([{ requests: [requests[2]], reason: 'overloaded' }]);
  });

  test('requests of instances that a snapshot skipped are unknown', () => {
    const cell = threeReplicaCell({ limits: { retainBehindSnapshotInstances: 0 } });
    const a = cell.elect('a');
    cell.runUntilEqual();
    cell.isolate('a');
    const [request] = a.submit('x');
    cell.elect('b');
    for (let i = 0; i < 4; i++) cell.write(`y${i}`);
    for (const name of ['b', 'c']) cell.member(name).takeSnapshot();
    cell.mend();
    cell.runUntil('a knows', () => a.outcome(request as never) !== undefined);
    expect(a.outcome(request as never)).toEqual({ kind: 'settled', reason: 'unknown' });
  });
});

test('another master’s mastership value that nobody finished is finished below the own one', () => {
  const c = new LoneReplica();
  const now = c.becomeCandidate(['a']);
  const reported = { ...entry('1@1.b=noop'), value: mastership('b') };
  c.deliver('a', { ...promiseTo(now), entries: [reported] });
  c.settle(['a']);
  expect(c.of('apply').map(({ value, epoch }) => `${value.kind} ${epoch}`)).toEqual(['mastership 1', 'mastership 2']);
  expect(c.core.isServing(c.clocks)).toBe(true);
});

test('a window that waits for the own disk goes on as soon as that is done', () => {
  const c = new LoneReplica({ limits: { acceptWindowInstances: 1, eagerWindowInstances: 1 } });
  c.becomeMaster(['a', 'b']);
  c.submit('x');
  const { message } = c.sent('accept').at(-1) as { message: ReturnType<typeof accept> };
  for (const voter of ['a', 'b']) c.deliver(voter, { ...acceptedOf(message) });
  c.submit('y');
  expect(c.appliedTexts).toEqual(['x']);
  c.forget();
  c.persist();
  expect(c.sent('accept').map(({ message }) => valueText(message.value))).toContain('[y]e1');
});

test('recovered values are proposed one window after the other, and no no-op takes the place of one', () => {
  const c = new LoneReplica({ limits: { acceptWindowInstances: 1, eagerWindowInstances: 1 } });
  const now = c.becomeCandidate(['a']);
  const values = Array.from({ length: 6 }, (_, i) => `${i + 1}@1.a=v${i + 1}`);
  c.deliver('a', promiseTo(now, values));
  for (let i = 0; i < 12; i++) {
    const { message } = c.sent('accept').at(-1) as { message: ReturnType<typeof accept> };
    for (const voter of ['a', 'b']) c.deliver(voter, acceptedOf(message));
    c.wait(130);
    c.persist();
  }
  expect(c.appliedTexts).toEqual(['v1', 'v2', 'v3', 'v4', 'v5', 'v6']);
  expect(c.core.isServing(c.clocks)).toBe(true);
});

test('a log longer than one step applies is applied in several, before this replica asks to lead', () => {
  const entries = Array.from({ length: 2000 }, (_, i) => entry(`${i + 1}@1.a=v${i + 1}`));
  const c = new LoneReplica({ entries, chosenUpTo: 2000, promised: '1.a' });
  let steps = 0;
  while (c.core.appliedUpTo < 2000) {
    c.wait(50);
    steps++;
    expect(c.core.appliedUpTo === 2000 || c.core.state === 'following').toBe(true);
  }
  expect(steps).toBeGreaterThan(2);
  expect(c.appliedTexts).toHaveLength(2000);
});

test('what a new coordinator learns as chosen while it recovers is neither proposed again nor waited for', () => {
  // 1. a reports 1 and 2. 2. c proposes them. 3. d, which was not asked, knows 1 to 4 as chosen and refuses.
  const c = new LoneReplica({ names: ['a', 'b', 'c', 'd', 'e'], limits: { acceptWindowInstances: 2 } });
  const now = c.becomeCandidate(['a', 'b']);
  const chosen = ['1@1.a=one', '2@1.a=two', '3@1.a=three', '4@1.a=four'];
  c.deliver('a', promiseTo(now, chosen));
  c.deliver('b', promiseTo(now, chosen));
  c.persist();
  c.deliver('d', rejectOf({ ballot: c.core.ballot }, 'behind', '0', 4));
  const { nonce } = c.lastSent('catch-up');
  const entries = chosen.map(entry);
  const [chosenUpTo, firstRetained] = [4 as never, 1 as never];
  c.deliver('d', { kind: 'catch-up-reply', nonce, entries, chosenUpTo, firstRetained });
  expect(c.appliedTexts).toEqual(['one', 'two', 'three', 'four']);
  c.settle(['a', 'b']);
  expect(c.core.isServing(c.clocks)).toBe(true);
  expect(c.core.appliedUpTo).toBe(5);
});
