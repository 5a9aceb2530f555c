import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { FormatError } from '../../src/formats/bytes.ts';
import { commonProtocol, decodeHello, encodeHello, type Hello, transcript } from '../../src/formats/handshake.ts';

const hello: Hello = {
  protocols: { min: 1, max: 3 },
  purpose: 'snapshot',
  cell: '0f1e2d3c',
  generation: 2,
  from: replicaId('n1', 1),
  to: replicaId('n-2', 7),
  boot: { number: 12, id: 'aabbccdd' },
  flush: 2 ** 40,
  programVersion: '0.1.0-rc.1',
  nonce: Uint8Array.from({ length: 32 }, (_, i) => i),
  testimony: null,
};

describe('a hello', () => {
  it('reads back as it was written', () => {
    expect(decodeHello(encodeHello(hello))).toEqual({ ...hello, nonce: Buffer.from(hello.nonce) });
  });

  it('stays as it was first released: it must be understood before any version is agreed', () => {
    expect(encodeHello(hello).toString('hex')).toBe(
      '01000100030200083066316532643363000000000000000200026e31000000000000000100036e2d320000000000000007000000000000000c000861616262636364640000010000000000000a302e312e302d72632e31000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0000',
    );
  });

  it('cut short, or with bytes behind it, is refused', () => {
    const bytes = encodeHello(hello);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeHello(bytes.subarray(0, length)), String(length)).toThrow(FormatError);
    }
    expect(() => decodeHello(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(FormatError);
  });

  it('with additions of a later version is understood without them', () => {
    const bytes = encodeHello(hello);
    const added = Buffer.concat([bytes.subarray(0, -2), Buffer.from([0, 1, 0, 77, 0, 0, 0, 3, 1, 2, 3])]);
    expect(decodeHello(added)).toEqual(decodeHello(bytes));
  });

  it('says what its sender knows of disks, where it says it', () => {
    const testimony = Buffer.of(1, 2, 3);
    expect(decodeHello(encodeHello({ ...hello, testimony }))).toMatchObject({ testimony });
    const other = Buffer.concat([encodeHello(hello).subarray(0, -2), Buffer.from([0, 1, 0, 77, 0, 0, 0, 1, 9])]);
    expect(decodeHello(other).testimony).toBeNull();
  });

  it('with texts that would not print as they are is refused', () => {
    for (const bad of ['', 'two words', '\u001b[2J', 'ü', 'x'.repeat(65)]) {
      expect(() => decodeHello(encodeHello({ ...hello, programVersion: bad })), JSON.stringify(bad)).toThrow(
        FormatError,
      );
      expect(() => decodeHello(encodeHello({ ...hello, cell: bad }))).toThrow(FormatError);
    }
    expect(() => decodeHello(encodeHello({ ...hello, from: replicaId('a\nb', 1) }))).toThrow(FormatError);
  });

  it('of arbitrary bytes is refused, and never crashes the reader', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodeHello(Buffer.from([1, ...bytes]))).toThrow(FormatError);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the version of a connection', () => {
  it('is the highest that both speak', () => {
    expect(commonProtocol({ min: 1, max: 3 }, { min: 2, max: 9 })).toBe(3);
    expect(commonProtocol({ min: 1, max: 1 }, { min: 1, max: 1 })).toBe(1);
    expect(commonProtocol({ min: 1, max: 2 }, { min: 3, max: 4 })).toBe(null);
    expect(commonProtocol({ min: 3, max: 4 }, { min: 1, max: 2 })).toBe(null);
  });
});

describe('a transcript', () => {
  it('differs in every use and with every part, wherever the parts are split', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const said = { dialer: bytes('ab'), acceptor: bytes('c'), target: 'GET /' };
    const all = [
      transcript('dialer-proof', said),
      transcript('acceptor-proof', said),
      transcript('dialer-frames', said),
      transcript('acceptor-frames', said),
      transcript('refusal', said),
      transcript('refusal', { ...said, more: 'x' }),
      transcript('dialer-proof', { ...said, dialer: bytes('a'), acceptor: bytes('bc') }),
      transcript('dialer-proof', { ...said, dialer: said.acceptor, acceptor: said.dialer }),
      transcript('dialer-proof', { ...said, target: 'GET /x' }),
    ].map((it) => it.toString('hex'));
    expect(new Set(all).size).toBe(all.length);
  });
});
