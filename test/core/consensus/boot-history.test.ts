/** What two witnesses know of one disk, and when a disk cannot be the one that was heard from. Design §4; pitfall P22. */
import { describe, expect, it } from 'vitest';
import { type BootHistory, contradiction, joined } from '../../../src/core/consensus/boot-history.ts';
import { WitnessMemory } from '../../../src/core/consensus/witness-memory.ts';
import { id } from '../../support/messages.ts';

/** `1a@0 2b@50/48`: the second boot found a promise of flush 48; and the last flush of the last boot. */
function past(text: string, flush: number, promiseFlush = 0): BootHistory {
  const boots = text.split(' ').map((boot) => {
    const [, number, name, began, promise = 0] = /^(\d+)(\w+)@(\d+)(?:\/(\d+))?$/.exec(boot) ?? [];
    return { number: Number(number), id: String(name), began: Number(began), promiseFlush: Number(promise) };
  });
  return { boots, flush, promiseFlush };
}

describe('a disk', () => {
  it('that was put back to the middle of a boot shows by the flush at which the next one began', () => {
    expect(contradiction(past('2b@50', 100), past('1a@0 2b@50 3c@70', 90))).toMatchObject({ kind: 'flush-missing' });
    expect(contradiction(past('2b@50', 100), past('1a@0 2b@50 3c@70 4d@500', 900))).toMatchObject({
      kind: 'flush-missing',
    });
    expect(contradiction(past('2b@50', 70), past('1a@0 2b@50 3c@70', 71))).toBeNull();
  });

  it('that was put back to before a boot takes its number, under another id', () => {
    expect(contradiction(past('2b@50', 60), past('1a@0 2x@50', 900))).toMatchObject({ kind: 'other-boot' });
    expect(contradiction(past('3c@90', 95), past('1a@0 2x@50', 900))).toMatchObject({ kind: 'boot-missing' });
  });

  it('that has lost the end of its log may go on, and not when a promise is lost as well', () => {
    expect(contradiction(past('2b@50/40', 100, 90), past('2b@50/40 3c@5000/90', 5001, 90))).toBeNull();
    expect(contradiction(past('2b@50/40', 100, 90), past('2b@50/40 3c@5000/40', 5001, 5001))).toMatchObject({
      kind: 'promise-missing',
      remembered: { flush: 90 },
      shown: { flush: 40 },
    });
  });

  it('that goes on in the same boot may have been heard of from later', () => {
    expect(contradiction(past('2b@50', 100), past('1a@0 2b@50', 80))).toBeNull();
  });
});

describe('witnesses', () => {
  it('know together what the later one knows, where it continues the earlier', () => {
    expect(joined(past('1a@0', 40), past('1a@0 2b@50', 60))?.flush).toBe(60);
    expect(joined(past('2b@50', 60), past('2b@50', 80))?.flush).toBe(80);
    expect(joined(past('2b@50', 100), past('2b@50 3c@70', 71))).toBeNull();
  });

  it('remember the newest promise that either has heard of', () => {
    expect(joined(past('2b@50', 60, 55), past('2b@50', 80, 52))).toMatchObject({ flush: 80, promiseFlush: 55 });
    const memory = new WitnessMemory();
    memory.learn(id('a'), past('2b@50', 60, 55));
    memory.advance(id('a'), 2, { flush: 70, promiseFlush: 66 });
    memory.advance(id('a'), 2, { flush: 65, promiseFlush: 55 });
    expect(memory.of(id('a'))).toMatchObject([{ flush: 70, promiseFlush: 66 }]);
    memory.advance(id('a'), 2, { flush: 75, promiseFlush: 0 });
    expect(memory.of(id('a'))).toMatchObject([{ flush: 75, promiseFlush: 66 }]);
  });

  it('forget nothing: a member of two pasts stays one', () => {
    const memory = new WitnessMemory();
    memory.learn(id('a'), past('2b@50', 100));
    memory.learn(id('a'), past('2b@50 3c@70', 71));
    expect(memory.isDivided(id('a'))).toBe(true);
    memory.learn(id('a'), past('3c@70 4d@80', 90));
    expect(memory.of(id('a')).map(({ flush }) => flush)).toEqual([100, 90]);
  });
});
