import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry, Message } from '../../src/core/consensus/message.ts';
import { FormatError } from '../../src/formats/bytes.ts';
import { decodeMessage, encodeMessage, messageEntriesMax } from '../../src/formats/message.ts';
import { anyMessage, messageOf } from './message-arbitrary.ts';
import { goldenMessages } from './message-golden.ts';

/** Values of bytes come back as views of another class; compared as plain arrays of bytes. */
const plain = (message: Message): unknown =>
  JSON.parse(
    JSON.stringify(message, (_, part) => (part instanceof Uint8Array ? [...part] : part)),
    (_, part) => (part?.type === 'Buffer' ? part.data : part),
  );

describe('the bytes of messages', () => {
  for (const [kind, arbitrary] of Object.entries(messageOf)) {
    it(`a ${kind} reads back as it was written`, () => {
      fc.assert(
        fc.property(arbitrary as fc.Arbitrary<Message>, (message) => {
          expect(plain(decodeMessage(encodeMessage(message)))).toEqual(plain(message));
        }),
        { numRuns: 60 },
      );
    });
  }

  it('what is read is written as the same bytes', () => {
    fc.assert(
      fc.property(anyMessage, (message) => {
        const bytes = encodeMessage(message);
        expect(encodeMessage(decodeMessage(bytes)).equals(bytes)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('a message cut short at any byte is refused', () => {
    for (const [message] of goldenMessages) {
      const bytes = encodeMessage(message);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeMessage(bytes.subarray(0, length)), `${message.kind} at ${length}`).toThrow(FormatError);
      }
    }
  });

  it('a message with a byte too many is refused', () => {
    for (const [message] of goldenMessages) {
      expect(() => decodeMessage(Buffer.concat([encodeMessage(message), Buffer.of(0)]))).toThrow(FormatError);
    }
  });

  it('a changed bit is refused or read as another message, and never crashes the reader', () => {
    for (const [message] of goldenMessages) {
      const bytes = encodeMessage(message);
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        readOrRefuse(changed);
      }
    }
  });

  it('arbitrary bytes are refused or read as a message, and never crash the reader', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => readOrRefuse(Buffer.from(bytes))),
      { numRuns: 2000 },
    );
  });

  it('a count of entries that the rest cannot hold is refused before anything is made of it', () => {
    // The count of a catch-up-reply without entries is its last two bytes.
    const bytes = Buffer.from(encodeMessage(emptyReply()));
    bytes.writeUInt16BE(messageEntriesMax, bytes.length - 2);
    expect(() => decodeMessage(bytes)).toThrow(/cannot be in what is left/);
  });

  it('a ballot round beyond the limit is refused', () => {
    // One message with such a round would use up the ballots of the cell for ever (bad input 25).
    const bytes = Buffer.from(
      encodeMessage({ kind: 'commit', ballot: { round: 1, name: 'a', incarnation: 1 }, chosenUpTo: 0 as Instance }),
    );
    bytes.set([0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1);
    expect(() => decodeMessage(bytes)).toThrow(FormatError);
  });

  it('a successor whose name is none is refused', () => {
    const bytes = Buffer.from(
      encodeMessage({
        kind: 'release',
        release: { ballot: { round: 1, name: 'a', incarnation: 1 }, successor: replicaId('b', 1) },
      }),
    );
    bytes[bytes.lastIndexOf('b')] = 0x0a;
    expect(() => decodeMessage(bytes)).toThrow(FormatError);
  });

  it('more entries than one message may have are not written', () => {
    const entry: AcceptedEntry = {
      instance: 1 as Instance,
      ballot: { round: 1, name: 'a', incarnation: 1 },
      value: { kind: 'noop' },
    };
    const entries = Array.from({ length: messageEntriesMax + 1 }, () => entry);
    expect(() => encodeMessage({ ...emptyReply(), entries })).toThrow(FormatError);
  });

  it('format 1 stays as it was first released', () => {
    // Replicas of different versions talk to each other during an upgrade: these bytes never change their meaning.
    for (const [message, hex] of goldenMessages) {
      expect(encodeMessage(message).toString('hex'), message.kind).toBe(hex);
      expect(plain(decodeMessage(Buffer.from(hex, 'hex')))).toEqual(plain(message));
    }
    expect(new Set(goldenMessages.map(([message]) => message.kind))).toEqual(new Set(Object.keys(messageOf)));
  });
});

function readOrRefuse(bytes: Buffer): void {
  try {
    decodeMessage(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
  }
}

const emptyReply = (): Message & { kind: 'catch-up-reply' } => ({
  kind: 'catch-up-reply',
  nonce: 1,
  entries: [],
  chosenUpTo: 1 as Instance,
  firstRetained: 1 as Instance,
});
