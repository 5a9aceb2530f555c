/** What two witnesses know of one disk, and when a disk cannot be the one that was heard from. Design §4; pitfall P22. */
import { describe, expect, it } from 'vitest';
import { type BootHistory, contradiction, joined } from '../../../src/core/consensus/boot-history.ts';
import { WitnessMemory } from '../../../src/core/consensus/witness-memory.ts';
import { id } from '../../support/messages.ts';

/** `1a@0 2b@50`, and the last flush of the last boot. */
function past(text: string, flush: number): BootHistory {
  const boots = text.split(' ').map((boot) => {
    const [, number, name, began] = /^(\d+)(\w+)@(\d+)$/.exec(boot) ?? [];
    return { number: Number(number), id: String(name), began: Number(began) };
  });
  return { boots, flush };
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

  it('forget nothing: a member of two pasts stays one', () => {
    const memory = new WitnessMemory();
    memory.learn(id('a'), past('2b@50', 100));
    memory.learn(id('a'), past('2b@50 3c@70', 71));
    expect(memory.isDivided(id('a'))).toBe(true);
    memory.learn(id('a'), past('3c@70 4d@80', 90));
    expect(memory.of(id('a')).map(({ flush }) => flush)).toEqual([100, 90]);
  });
});
