/** Any message that a replica may send, for property tests. */
import fc from 'fast-check';
import type { BadItem, ItemIdentity } from '../../src/core/consensus/bad-item.ts';
import { type Ballot, roundMax } from '../../src/core/consensus/ballot.ts';
import type { CellTimeMs, Epoch, Instance } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry, Message, Release } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';

const safe = fc.maxSafeNat();
const instance = safe.map((n) => n as Instance);
const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const id = fc.tuple(name, safe).map(([text, incarnation]) => replicaId(text, incarnation));
const ballot: fc.Arbitrary<Ballot> = fc.record({
  round: fc.integer({ min: 1, max: roundMax }),
  name,
  incarnation: safe,
});
const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ minLength: 4000, maxLength: 9000 }));

const value: fc.Arbitrary<Value> = fc.oneof(
  fc.constant<Value>({ kind: 'noop' }),
  fc.record({ kind: fc.constant('mastership' as const), owner: id, id: fc.stringMatching(/^[0-9a-f]{32}$/) }),
  fc.record({
    kind: fc.constant('submitted' as const),
    epoch: safe.map((n) => n as Epoch),
    cellTimeMs: safe.map((n) => n as CellTimeMs),
    items: fc.array(bytes, { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('configuration' as const),
    configuration: fc.record({
      members: fc.array(
        fc.record({
          name,
          incarnation: safe,
          role: fc.constantFrom('voter' as const, 'learner' as const, 'rebuilding' as const),
          url: fc.webUrl(),
        }),
        { maxLength: 7 },
      ),
      alpha: fc.integer({ min: 1, max: 1000 }),
      leaseMs: fc.nat(),
      driftPpm: fc.nat(),
    }),
  }),
);

const entries: fc.Arbitrary<AcceptedEntry[]> = fc.array(fc.record({ instance, ballot, value }), { maxLength: 6 });
const release: fc.Arbitrary<Release> = fc.record({ ballot, successor: id });
const word = fc.integer({ min: 0, max: 0xffff_ffff });
const identity: fc.Arbitrary<ItemIdentity> = fc.record({ ballot, digest: fc.tuple(word, word, word, word) });
/** Ascending, none overlapping; those with an identity are single ones. */
const bad: fc.Arbitrary<BadItem[]> = fc
  .array(fc.record({ gap: fc.nat({ max: 1000 }), length: fc.nat({ max: 1000 }), identity: fc.option(identity) }), {
    maxLength: 6,
  })
  .map((items) => {
    let next = 0;
    return items.map((item) => {
      const first = next + item.gap;
      const last = item.identity === null ? first + item.length : first;
      next = last + 1;
      return { instance: first as Instance, upTo: last as Instance, identity: item.identity };
    });
  });
const hexOf = (digits: number) =>
  fc.array(fc.constantFrom(...'0123456789abcdef'), { minLength: digits, maxLength: digits }).map((it) => it.join(''));
const kind = <Kind extends Message['kind']>(text: Kind) => fc.constant(text);

/** One arbitrary for each kind, so that a test can insist on every one of them. */
export const messageOf: { readonly [Kind in Message['kind']]: fc.Arbitrary<Message & { kind: Kind }> } = {
  'pre-vote': fc.record({ kind: kind('pre-vote'), ballot, nonce: safe, chosenUpTo: instance }),
  'pre-vote-reply': fc.record({
    kind: kind('pre-vote-reply'),
    ballot,
    nonce: safe,
    granted: fc.boolean(),
    promised: ballot,
    chosenUpTo: instance,
  }),
  prepare: fc.record({
    kind: kind('prepare'),
    ballot,
    nonce: safe,
    from: instance,
    release: fc.option(release),
  }),
  promise: fc.record({
    kind: kind('promise'),
    ballot,
    nonce: safe,
    from: instance,
    page: fc.nat(),
    last: fc.boolean(),
    chosenUpTo: instance,
    entries,
    bad,
  }),
  reject: fc.record({
    kind: kind('reject'),
    ballot,
    nonce: safe,
    reason: fc.constantFrom('promised' as const, 'lease' as const, 'behind' as const),
    promised: ballot,
    chosenUpTo: instance,
  }),
  accept: fc.record({ kind: kind('accept'), ballot, instance, value, chosenUpTo: instance, leaseMs: fc.nat() }),
  accepted: fc.record({ kind: kind('accepted'), ballot, instance, chosenUpTo: instance, appliedUpTo: instance }),
  commit: fc.record({ kind: kind('commit'), ballot, chosenUpTo: instance }),
  'catch-up': fc.record({ kind: kind('catch-up'), nonce: safe, from: instance, to: instance }),
  'catch-up-reply': fc.record({
    kind: kind('catch-up-reply'),
    nonce: safe,
    entries,
    chosenUpTo: instance,
    firstRetained: instance,
  }),
  digests: fc.record({
    kind: kind('digests'),
    digests: fc.record({
      instance,
      full: fc.boolean(),
      logChain: hexOf(64),
      database: hexOf(32),
      version: fc.string({ maxLength: 20 }),
    }),
    answer: fc.boolean(),
  }),
  'check-wanted': fc.record({ kind: kind('check-wanted') }),
  'item-request': fc.record({ kind: kind('item-request'), nonce: safe, instance, identity: fc.option(identity) }),
  item: fc
    .record({
      nonce: safe,
      entry: fc.option(fc.record({ instance, ballot, value })),
      chosen: fc.boolean(),
      other: instance,
    })
    .map(({ nonce, entry, chosen, other }) => ({
      kind: 'item' as const,
      nonce,
      instance: entry?.instance ?? other,
      entry,
      chosen: chosen && entry !== null,
      chosenUpTo: other,
    })),
  unsettled: fc.record({ kind: kind('unsettled'), ballot }),
  settled: fc.record({ kind: kind('settled'), ballot, above: instance }),
  release: fc.record({ kind: kind('release'), release }),
  frozen: fc.record({
    kind: kind('frozen'),
    evidence: fc.record({
      cause: fc.constantFrom('mark-outside-history' as const, 'majority-rolled-back' as const, 'log-fork' as const),
      generation: safe,
      seenBy: id,
      seenAtMs: safe,
      text: fc.string({ maxLength: 200 }),
      facts: fc.dictionary(
        fc.string({ maxLength: 20 }).filter((it) => it !== '__proto__'),
        fc.oneof(safe, fc.string()),
        {
          maxKeys: 5,
          noNullPrototype: true,
        },
      ),
    }),
  }),
};

export const anyMessage: fc.Arbitrary<Message> = fc.oneof(...Object.values(messageOf));
