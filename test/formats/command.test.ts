import { describe, expect, it } from 'vitest';
import type { Command, CommandResult } from '../../src/core/database/command.ts';
import { FormatError } from '../../src/formats/bytes.ts';
import { decodeCommand, encodeCommand, UnknownCommandError, validateCommand } from '../../src/formats/command.ts';
import { decodeCommandResult, encodeCommandResult } from '../../src/formats/command-result.ts';
import { CommandSource } from '../core/database/random-commands.ts';
import { bytes, get, multiOp, put, remove } from '../core/database/support.ts';

const hex = (data: Uint8Array) => Buffer.from(data).toString('hex');

describe('a command in bytes', () => {
  it('comes back as it was, in one encoding', () => {
    const source = new CommandSource(7);
    for (let i = 0; i < 3_000; i++) {
      const command = source.next();
      const encoded = encodeCommand(command);
      const decoded = decodeCommand(encoded);
      expect(hex(encodeCommand(decoded))).toBe(hex(encoded));
      expect(plain(decoded)).toEqual(plain(command));
    }
  });

  it('has the bytes that every version of this level reads', () => {
    const all: Command[] = [
      multiOp({ do: [put('key', 'value')] }),
      multiOp({
        guard: [
          { test: 'absent', key: 'é' },
          { test: 'equals', key: 'a', value: bytes('b') },
          { test: 'revision', key: 'a', revision: 2 ** 40 },
        ],
        do: [get('a')],
        otherwise: [remove('a')],
        number: ['s12-3', 2 ** 53 - 1],
        ifEpoch: 5,
      }),
      { kind: 'open-session', ttlMs: 10_000 },
      { kind: 'close-session', session: 's12-3' },
      { kind: 'keep-session', session: 's12-3' },
      { kind: 'expire-sessions', sessions: ['s12-3', 's12-4'] },
      { kind: 'checksum', deep: false },
      { kind: 'checksum', deep: true },
    ];
    expect(all.map((command) => hex(encodeCommand(command)))).toMatchInlineSnapshot(`
      [
        "0100000000010000036b65790000000576616c75650000",
        "010300057331322d33001fffffffffffff00000000000000050003000002c3a9020001610000000162050001610000010000000000000102000161000101000161",
        "0200002710",
        "0300057331322d33",
        "0400057331322d33",
        "05000200057331322d3300057331322d34",
        "0600",
        "0601",
      ]
    `);
  });

  it('of a lock has the bytes that every version of level 2 reads', () => {
    const session = { session: 's12-3', sequence: 9 };
    const all: Command[] = [
      { kind: 'acquire-lock', lock: 'é', mode: 'exclusive', lockDelayMs: 15_000, session },
      { kind: 'acquire-lock', lock: 'a', mode: 'shared', lockDelayMs: 0, session },
      { kind: 'release-lock', lock: 'a', generation: 2 ** 40, session },
      { ...multiOp({ do: [put('k', 'v')] }), sequencer: { lock: 'a', mode: 'shared', generation: 7 } },
    ];
    expect(all.map((command) => hex(encodeCommand(command)))).toMatchInlineSnapshot(`
      [
        "0800057331322d3300000000000000090002c3a90100003a98",
        "0800057331322d3300000000000000090001610200000000",
        "0900057331322d3300000000000000090001610000010000000000",
        "0104000161020000000000000007000000010000016b00000001760000",
      ]
    `);
    const results: CommandResult[] = [
      { kind: 'lock', outcome: 'acquired', generation: 7, instance: 8 as never, epoch: 2 as never },
      { kind: 'lock', outcome: 'not-held', generation: 0, instance: 8 as never, epoch: 2 as never },
      { kind: 'sequencer-invalid' },
    ];
    expect(results.map((result) => decodeCommandResult(encodeCommandResult(result)))).toEqual(results);
    expect(results.map((result) => hex(encodeCommandResult(result)))).toMatchInlineSnapshot(`
      [
        "0900000000000000000700000000000000080000000000000002",
        "0905000000000000000000000000000000080000000000000002",
        "0a",
      ]
    `);
  });

  it('is refused with any bytes missing, too many or changed to what nobody writes', () => {
    const source = new CommandSource(8);
    for (let i = 0; i < 300; i++) {
      const encoded = encodeCommand(source.next());
      const tries = [
        encoded.subarray(0, source.below(encoded.length)),
        Buffer.concat([encoded, Buffer.alloc(1)]),
        Buffer.from(encoded).fill(0xff, source.below(encoded.length)),
      ];
      for (let n = 0; n < 20; n++) {
        const flipped = Buffer.from(encoded);
        flipped[source.below(encoded.length)] = source.below(256);
        tries.push(flipped);
      }
      for (const data of tries) {
        let decoded: Command;
        try {
          decoded = decodeCommand(data);
        } catch (error) {
          expect(error instanceof FormatError || error instanceof UnknownCommandError).toBe(true);
          continue;
        }
        // What can be read is what would have been written.
        expect(hex(encodeCommand(decoded))).toBe(hex(data));
      }
    }
  });

  it('of a kind that this version does not know is told apart from damage', () => {
    expect(() => decodeCommand(new Uint8Array([200]))).toThrow(UnknownCommandError);
    expect(() => decodeCommand(new Uint8Array([]))).toThrow(FormatError);
    expect(() => decodeCommand(new Uint8Array([1, 8]))).toThrow(FormatError);
  });

  it('keeps the bytes of keys as they are: forms of one name, byte order marks, line separators', () => {
    for (const key of ['\ufeffa', '\u2028', 'Å', 'A\u030a', '../../etc/passwd', '.', '%2e', 'a\u0000b']) {
      const decoded = decodeCommand(encodeCommand(multiOp({ do: [get(key)] }))) as Command & { kind: 'multiop' };
      expect(decoded.multiOp.then[0]?.key).toBe(key);
    }
  });

  it('is not written when no replica could read it', () => {
    const large = new Uint8Array(256 * 1024);
    const bad: Command[] = [
      multiOp({ do: [put('')] }),
      multiOp({ do: [put('\ud800')] }),
      multiOp({ do: [put('é'.repeat(513))] }),
      multiOp({ do: [{ op: 'put', key: 'a', value: new Uint8Array(256 * 1024 + 1) }] }),
      multiOp({ do: Array.from({ length: 4 }, () => ({ op: 'put', key: 'a', value: large }) as const) }),
      multiOp({
        do: Array.from({ length: 5_001 }, () => get('a')),
        otherwise: Array.from({ length: 5_000 }, () => get('a')),
      }),
      multiOp({ number: ['s1-0', 0] }),
      multiOp({ number: ['s1-0', 2 ** 53] }),
      multiOp({ number: ['nothing', 1] }),
      multiOp({ ifEpoch: -1 }),
      multiOp({ guard: [{ test: 'revision', key: 'a', revision: 0.5 }] }),
      { kind: 'open-session', ttlMs: Number.NaN },
      { kind: 'keep-session', session: '' },
      { kind: 'expire-sessions', sessions: Array.from({ length: 1_001 }, () => 's1-0') },
    ];
    for (const command of bad) {
      expect(() => encodeCommand(command)).toThrow(FormatError);
      expect(validateCommand(command).length).toBeGreaterThan(0);
    }
  });
});

describe('validation', () => {
  const codes = (command: Command) => validateCommand(command).map(({ code, at }) => `${at} ${code}`);

  it('passes what may be proposed, up to the limits', () => {
    const value = new Uint8Array(256 * 1024);
    const largest = [0, 1, 2].map((i) => ({ op: 'put', key: `k${i}`, value }) as const);
    const good = [
      multiOp({}),
      multiOp({ do: [put('😀'.repeat(256)), put('__proto__'), put('.'), put('../../etc/passwd')] }),
      multiOp({ do: [...largest, { op: 'put', key: 'rest', value: value.subarray(10) }] }),
      multiOp({ do: Array.from({ length: 10_000 }, () => get('a')) }),
      multiOp({ number: ['s1-0', 2 ** 53 - 1], ifEpoch: 0 }),
    ];
    for (const command of good) {
      expect(validateCommand(command)).toEqual([]);
      expect(hex(encodeCommand(decodeCommand(encodeCommand(command))))).toBe(hex(encodeCommand(command)));
    }
  });

  it('names each problem by a stable code and where it is', () => {
    expect(codes(multiOp({ do: [put('')] }))).toEqual(['then[0].key PAXOS_KEY_EMPTY']);
    expect(codes(multiOp({ otherwise: [get('a\udc00')] }))).toEqual(['else[0].key PAXOS_KEY_NOT_UTF8']);
    expect(codes(multiOp({ do: [put('x'.repeat(1_025))] }))).toEqual(['then[0].key PAXOS_KEY_TOO_LONG']);
    expect(codes(multiOp({ do: [put('😀'.repeat(257))] }))).toEqual(['then[0].key PAXOS_KEY_TOO_LONG']);
    expect(codes(multiOp({ guard: [{ test: 'present', key: '\u0000epoch' }] }))).toEqual([
      'guard[0].key PAXOS_KEY_RESERVED',
    ]);
    expect(codes(multiOp({ guard: [{ test: 'revision', key: 'a', revision: -0 }] }))).toEqual([
      'guard[0] PAXOS_REVISION_INVALID',
    ]);
    expect(codes(multiOp({ guard: [{ test: 'equals', key: 'a', value: new Uint8Array(262_145) }] }))).toEqual([
      'guard[0].value PAXOS_VALUE_TOO_LARGE',
    ]);
    expect(codes(multiOp({ number: ['s01-0', 1.5], ifEpoch: Number.POSITIVE_INFINITY }))).toEqual([
      'session PAXOS_SESSION_INVALID',
      'sequence PAXOS_SESSION_NUMBER_INVALID',
      'ifEpoch PAXOS_EPOCH_INVALID',
    ]);
    expect(codes({ kind: 'open-session', ttlMs: 999 })).toEqual(['ttlMs PAXOS_SESSION_TTL_INVALID']);
  });

  it('counts keys and values of one MultiOp together', () => {
    const value = new Uint8Array(256 * 1024);
    const guard = [0, 1].map((i) => ({ test: 'equals', key: `k${i}`, value }) as const);
    const puts = [0, 1].map((i) => ({ op: 'put', key: `k${i}`, value }) as const);
    expect(codes(multiOp({ guard, do: puts }))).toEqual(['multiop PAXOS_MULTIOP_TOO_LARGE']);
    expect(codes(multiOp({ do: Array.from({ length: 10_001 }, () => get('')) }))).toEqual([
      'multiop PAXOS_MULTIOP_TOO_MANY_PARTS',
    ]);
  });

  it('shows the first ten problems, whatever their number', () => {
    expect(codes(multiOp({ do: Array.from({ length: 10_000 }, () => get('')) }))).toHaveLength(10);
  });
});

describe('a result in bytes', () => {
  const entry = { value: bytes('v'), createRevision: 1, revision: 2, version: 2 };
  const all: CommandResult[] = [
    {
      kind: 'multiop',
      succeeded: true,
      guard: [true, false],
      results: [
        { op: 'put', revision: 2 ** 53 - 1, created: true },
        { op: 'delete', deleted: false },
        { op: 'get', entry: null },
        { op: 'get', entry },
      ],
      revision: 1,
      instance: 2 as never,
      epoch: 3 as never,
    },
    {
      kind: 'multiop',
      succeeded: false,
      guard: [],
      results: [],
      revision: 1,
      instance: 2 as never,
      epoch: 3 as never,
      resultsForgotten: true,
    },
    { kind: 'session', session: 's1-0', expiresCellTimeMs: 10 },
    { kind: 'done' },
    { kind: 'epoch-changed', epoch: 4 as never },
    { kind: 'skipped', epoch: 4 as never },
    { kind: 'session-expired' },
    { kind: 'sessions-full' },
  ];

  it('comes back as it was', () => {
    for (const result of all) expect(plain(decodeCommandResult(encodeCommandResult(result)))).toEqual(plain(result));
  });

  it('has the bytes that every version of this level reads', () => {
    expect(all.map((result) => hex(encodeCommandResult(result)))).toMatchInlineSnapshot(`
      [
        "01010002010000040001001fffffffffffff0100020002010000000000000001000000000000000200000000000000020000000176000000000000000100000000000000020000000000000003",
        "010200000000000000000000000100000000000000020000000000000003",
        "02000473312d30000000000000000a",
        "03",
        "040000000000000004",
        "050000000000000004",
        "06",
        "07",
      ]
    `);
  });

  it('is refused when it is not what would be written', () => {
    for (const result of all) {
      const encoded = encodeCommandResult(result);
      expect(() => decodeCommandResult(Buffer.concat([encoded, Buffer.alloc(1)]))).toThrow(FormatError);
      expect(() => decodeCommandResult(encoded.subarray(0, -1))).toThrow(FormatError);
    }
    for (const first of [0, 8, 255]) expect(() => decodeCommandResult(new Uint8Array([first]))).toThrow(FormatError);
    expect(() => decodeCommandResult(new Uint8Array([1, 4]))).toThrow(FormatError);
  });
});

/** Without the kind of byte array, which is a view after reading. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_, it) => (it?.type === 'Buffer' ? it.data : it instanceof Uint8Array ? [...it] : it)),
  );
