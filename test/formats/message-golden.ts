/** One message of every kind with its bytes in format 1, kept for ever: reading them is the upgrade test. */
import type { CellTimeMs, Epoch, Instance } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';

const ballot = { round: 3, name: 'n1', incarnation: 1 };
const promised = { round: 2 ** 40, name: 'n-2', incarnation: 7 };
const at = (n: number): Instance => n as Instance;
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const submitted: Value = {
  kind: 'submitted',
  epoch: 4 as Epoch,
  cellTimeMs: 1234567 as CellTimeMs,
  items: [text('first'), text(''), text('third')],
};
const mastership: Value = { kind: 'mastership', owner: replicaId('n1', 1), id: '00112233445566778899aabbccddeeff' };
const configuration: Value = {
  kind: 'configuration',
  configuration: {
    members: [
      { name: 'n1', incarnation: 1, role: 'voter', url: 'http://127.0.0.1:7401' },
      { name: 'n2', incarnation: 9, role: 'learner', url: 'http://127.0.0.1:7402' },
    ],
    alpha: 64,
    leaseMs: 500,
    driftPpm: 2000,
  },
};

export const goldenMessages: readonly (readonly [message: Message, hex: string])[] = [
  [
    { kind: 'pre-vote', ballot, nonce: 17, chosenUpTo: at(41) },
    '01000000000000000300026e31000000000000000100000000000000110000000000000029',
  ],
  [
    { kind: 'pre-vote-reply', ballot, nonce: 17, granted: true, promised, chosenUpTo: at(42) },
    '02000000000000000300026e310000000000000001000000000000001101000001000000000000036e2d320000000000000007000000000000002a',
  ],
  [
    { kind: 'prepare', ballot, nonce: 18, from: at(43), release: null },
    '03000000000000000300026e3100000000000000010000000000000012000000000000002b00',
  ],
  [
    { kind: 'prepare', ballot, nonce: 18, from: at(43), release: { ballot: promised, successor: replicaId('n1', 1) } },
    '03000000000000000300026e3100000000000000010000000000000012000000000000002b01000001000000000000036e2d32000000000000000700026e310000000000000001',
  ],
  [
    {
      kind: 'promise',
      ballot,
      nonce: 18,
      from: at(43),
      page: 2,
      last: true,
      chosenUpTo: at(42),
      entries: [
        { instance: at(43), ballot: promised, value: { kind: 'noop' } },
        { instance: at(45), ballot, value: mastership },
        { instance: at(46), ballot, value: configuration },
      ],
      bad: [
        { instance: at(44), upTo: at(44), identity: { ballot: promised, digest: [1, 2, 3, 0xffff_ffff] } },
        { instance: at(47), upTo: at(60), identity: null },
      ],
    },
    '04000000000000000300026e3100000000000000010000000000000012000000000000002b0000000201000000000000002a0003000000000000002b000001000000000000036e2d3200000000000000070000000100000000000000002d000000000000000300026e310000000000000001000000290100046e31233100203030313132323333343435353636373738383939616162626363646465656666000000000000002e000000000000000300026e310000000000000001000000560200000040000001f4000007d00200026e310000000000000001010015687474703a2f2f3132372e302e302e313a3734303100026e320000000000000009000015687474703a2f2f3132372e302e302e313a373430320002000000000000002c000000000000002c01000001000000000000036e2d320000000000000007000000010000000200000003ffffffff000000000000002f000000000000003c00',
  ],
  [
    { kind: 'reject', ballot, nonce: 18, reason: 'lease', promised, chosenUpTo: at(42) },
    '05000000000000000300026e310000000000000001000000000000001201000001000000000000036e2d320000000000000007000000000000002a',
  ],
  [
    { kind: 'accept', ballot, instance: at(2 ** 40 + 5), value: submitted, chosenUpTo: at(2 ** 40 + 4), leaseMs: 500 },
    '06000000000000000300026e31000000000000000100000100000000050000010000000004000001f400000029030000000000000004000000000012d687000300000005666972737400000000000000057468697264',
  ],
  [
    { kind: 'accepted', ballot, instance: at(47), chosenUpTo: at(46), appliedUpTo: at(45) },
    '07000000000000000300026e310000000000000001000000000000002f000000000000002e000000000000002d',
  ],
  [{ kind: 'commit', ballot, chosenUpTo: at(47) }, '08000000000000000300026e310000000000000001000000000000002f'],
  [{ kind: 'catch-up', nonce: 19, from: at(1), to: at(42) }, '0900000000000000130000000000000001000000000000002a'],
  [
    {
      kind: 'catch-up-reply',
      nonce: 19,
      entries: [{ instance: at(1), ballot, value: submitted }],
      chosenUpTo: at(47),
      firstRetained: at(1),
    },
    '0a0000000000000013000000000000002f000000000000000100010000000000000001000000000000000300026e31000000000000000100000029030000000000000004000000000012d687000300000005666972737400000000000000057468697264',
  ],
  [
    {
      kind: 'item-request',
      nonce: 19,
      instance: at(44),
      identity: { ballot: promised, digest: [1, 2, 3, 0xffff_ffff] },
    },
    '0c0000000000000013000000000000002c01000001000000000000036e2d320000000000000007000000010000000200000003ffffffff',
  ],
  [{ kind: 'item-request', nonce: 19, instance: at(44), identity: null }, '0c0000000000000013000000000000002c00'],
  [
    {
      kind: 'item',
      nonce: 19,
      instance: at(44),
      entry: { instance: at(44), ballot, value: { kind: 'noop' } },
      chosen: true,
      chosenUpTo: at(42),
    },
    '0d0000000000000013000000000000002c000000000000002a010001000000000000002c000000000000000300026e3100000000000000010000000100',
  ],
  [
    { kind: 'item', nonce: 19, instance: at(44), entry: null, chosen: false, chosenUpTo: at(42) },
    '0d0000000000000013000000000000002c000000000000002a000000',
  ],
  [{ kind: 'unsettled', ballot }, '0f000000000000000300026e310000000000000001'],
  [{ kind: 'settled', ballot, above: at(60) }, '0e000000000000000300026e310000000000000001000000000000003c'],
  [
    { kind: 'release', release: { ballot, successor: replicaId('n-2', 7) } },
    '0b000000000000000300026e31000000000000000100036e2d320000000000000007',
  ],
  [
    {
      kind: 'frozen',
      evidence: {
        cause: 'mark-outside-history',
        generation: 1,
        seenBy: replicaId('n1', 1),
        seenAtMs: 1_700_000_000_000,
        text: 'a mark of epoch 9',
        facts: { markEpoch: 9, markId: 'ab' },
      },
    },
    '1400000000000000000100026e3100000000000000010000018bcfe56800001161206d61726b206f662065706f636820390200096d61726b45706f636800000000000000000900066d61726b49640100026162',
  ],
  [
    {
      kind: 'digests',
      digests: { instance: at(44), full: true, logChain: '0a'.repeat(32), database: '0b'.repeat(16), version: '1.2.3' },
      answer: true,
    },
    `18000000000000002c030040${'3061'.repeat(32)}0020${'3062'.repeat(16)}0005312e322e33`,
  ],
  [{ kind: 'check-wanted' }, '19'],
];
