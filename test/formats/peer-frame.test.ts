import { createHmac, timingSafeEqual } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/formats/bytes.ts';
import { encodeMessage, writeMessage } from '../../src/formats/message.ts';
import {
  FrameError,
  type FrameMac,
  FrameOpener,
  FrameSealer,
  frameTagBytes,
  messageFrameBytesMax,
  readMessageFrame,
  startFrame,
  startMessageFrame,
} from '../../src/formats/peer-frame.ts';
import { anyMessage } from './message-arbitrary.ts';
import { goldenMessages } from './message-golden.ts';

const anyMark = fc.record({ boot: fc.maxSafeNat(), flush: fc.maxSafeNat(), promiseFlush: fc.maxSafeNat() });
const mac = (key: string): FrameMac => {
  const tag = (parts: readonly Uint8Array[]) => {
    const digest = createHmac('sha256', key);
    for (const part of parts) digest.update(part);
    return digest.digest().subarray(0, frameTagBytes);
  };
  return { sign: tag, verify: (given, parts) => timingSafeEqual(given, tag(parts)) };
};

const rawFrame = (body: Uint8Array) => {
  const frame = startFrame();
  frame.raw(body);
  return frame;
};

const openAll = (opener: FrameOpener, chunks: readonly Buffer[]): Buffer[] => {
  const bodies: Buffer[] = [];
  for (const chunk of chunks) {
    opener.push(chunk);
    for (let body = opener.next(); body !== null; body = opener.next()) bodies.push(Buffer.from(body));
  }
  return bodies;
};

describe('frames', () => {
  it('come out as they went in, however the connection cuts them', () => {
    const body = fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.uint8Array({ minLength: 4090, maxLength: 9000 }));
    fc.assert(
      fc.property(fc.array(body, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 5000 })), (bodies, cuts) => {
        const sealer = new FrameSealer(mac('k'));
        const bytes = Buffer.concat(bodies.flatMap((it) => sealer.seal(rawFrame(it))));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at = Math.min(at + cut, bytes.length);
        }
        chunks.push(bytes.subarray(at));
        const opened = openAll(new FrameOpener(mac('k'), messageFrameBytesMax), chunks);
        expect(opened.map((it) => it.toString('hex'))).toEqual(bodies.map((it) => Buffer.from(it).toString('hex')));
      }),
      { numRuns: 100 },
    );
  });

  it('with any one bit changed never come out', () => {
    const sealer = new FrameSealer(mac('k'));
    const bytes = Buffer.concat(sealer.seal(rawFrame(Buffer.from('some body'))));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const opener = new FrameOpener(mac('k'), messageFrameBytesMax);
      let bodies: Buffer[] = [];
      try {
        bodies = openAll(opener, [changed]);
      } catch (error) {
        expect(error).toBeInstanceOf(FrameError);
      }
      // A longer length only waits for the rest; it is the connection that gives such a frame up.
      expect(bodies, `bit ${bit}`).toEqual([]);
    }
  });

  it('out of their order, repeated, left out, or under another key never come out', () => {
    const sealer = new FrameSealer(mac('k'));
    const [one, two, three] = ['one', 'two', 'three'].map((it) =>
      Buffer.concat(sealer.seal(rawFrame(Buffer.from(it)))),
    );
    const refused = (key: string, ...frames: (Buffer | undefined)[]) =>
      expect(() => openAll(new FrameOpener(mac(key), 1000), frames as Buffer[])).toThrow(FrameError);
    refused('k', two);
    refused('k', one, one);
    refused('k', one, three);
    refused('k', two, one);
    refused('other', one);
  });

  it('longer than agreed are refused at their length, before they arrive', () => {
    const opener = new FrameOpener(mac('k'), 1000);
    opener.push(Buffer.from([0, 0, 0x03, 0xe9]));
    expect(() => opener.next()).toThrow(/1001 bytes/);
    expect(opener.next()).toBe(null);
  });

  it('shorter than their tag are refused', () => {
    const opener = new FrameOpener(mac('k'), 1000);
    opener.push(Buffer.from([0, 0, 0, frameTagBytes - 1, 0, 0, 0]));
    expect(() => opener.next()).toThrow(FrameError);
  });

  it('of messages carry how far their sender is, and all or nothing', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 5 }), anyMark, (messages, mark) => {
        const frame = startMessageFrame(mark);
        for (const message of messages) writeMessage(frame, message);
        const [body] = openAll(new FrameOpener(mac('k'), messageFrameBytesMax), [
          Buffer.concat(new FrameSealer(mac('k')).seal(frame)),
        ]);
        const read = readMessageFrame(body as Buffer);
        expect(read.mark).toEqual(mark);
        expect(read.messages.map((it) => encodeMessage(it).toString('hex'))).toEqual(
          messages.map((it) => encodeMessage(it).toString('hex')),
        );
        expect(() => readMessageFrame((body as Buffer).subarray(0, 23))).toThrow(FormatError);
        expect(() => readMessageFrame(Buffer.concat([body as Buffer, Buffer.of(99)]))).toThrow(FormatError);
      }),
      { numRuns: 60 },
    );
  });

  it('of format 1 stay as they were first released', () => {
    const frame = startMessageFrame({ boot: 3, flush: 258, promiseFlush: 257 });
    const commit = goldenMessages.find(([message]) => message.kind === 'commit');
    writeMessage(frame, commit![0]);
    const bytes = Buffer.concat(new FrameSealer(mac('golden')).seal(frame)).toString('hex');
    expect(bytes).toBe(
      `00000045b9e48354f831c1b0962cb5962bfb271700000000000000030000000000000102000000000000010108000000000000000300026e310000000000000001000000000000002f`,
    );
  });
});
