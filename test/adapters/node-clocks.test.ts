import { describe, expect, it } from 'vitest';
import { NodeClocks } from '../../src/adapters/clocks-node/node-clocks.ts';
import { NodeRandomness } from '../../src/adapters/randomness-node/node-randomness.ts';
import type { MonotonicMs } from '../../src/core/consensus/identity.ts';

const at = (ms: number): MonotonicMs => ms as MonotonicMs;
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('the clocks of this machine', () => {
  it('the boot-time clock is read once a turn, and again in the next', async () => {
    let reads = 0;
    const clocks = new NodeClocks({ monotonicMs: () => 1, wallMs: () => 2, bootMs: () => ++reads });
    expect(clocks.now()).toEqual({ monotonicMs: 1, wallMs: 2, bootMs: 1 });
    for (let i = 0; i < 100; i++) clocks.now();
    expect(reads).toBe(1);
    await turn();
    await turn();
    clocks.now();
    expect(reads).toBe(2);
  });

  it('the real ones go on and agree about how long', async () => {
    const clocks = new NodeClocks();
    const before = clocks.now();
    await new Promise<void>((resolve) => clocks.schedule(at(before.monotonicMs + 30), resolve));
    const after = clocks.now();
    expect(after.monotonicMs - before.monotonicMs).toBeGreaterThanOrEqual(30);
    expect(after.bootMs).toBeGreaterThanOrEqual(before.bootMs);
  });

  it('a timer never fires before its time', async () => {
    const clocks = new NodeClocks();
    const early: number[] = [];
    await Promise.all(
      Array.from({ length: 200 }, (_, i) => {
        const due = clocks.now().monotonicMs + (i % 40) * 0.37;
        return new Promise<void>((resolve) =>
          clocks.schedule(at(due), () => {
            const lateMs = clocks.now().monotonicMs - due;
            if (lateMs < 0) early.push(lateMs);
            resolve();
          }),
        );
      }),
    );
    expect(early).toEqual([]);
  });

  it('a timer whose time is past fires later, never at once', async () => {
    const clocks = new NodeClocks();
    let fired = false;
    const done = new Promise<void>((resolve) =>
      clocks.schedule(at(0), () => {
        fired = true;
        resolve();
      }),
    );
    expect(fired).toBe(false);
    await done;
  });

  it('a cancelled timer does not fire, though it was armed anew', async () => {
    let nowMs = 0;
    const clocks = new NodeClocks({ monotonicMs: () => nowMs, wallMs: () => 0, bootMs: () => 0 });
    let fired = 0;
    // This clock stands still, so the timer comes too early and is armed anew until it is cancelled.
    const timer = clocks.schedule(at(1), () => fired++);
    await new Promise((resolve) => setTimeout(resolve, 5));
    timer.cancel();
    nowMs = 10;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(fired).toBe(0);
  });

  it('a wait of months is no wait of nothing', async () => {
    // setTimeout takes 31 bits of milliseconds and fires at once for more.
    const clocks = new NodeClocks();
    let fired = false;
    const timer = clocks.schedule(at(clocks.now().monotonicMs + 2 ** 40), () => {
      fired = true;
    });
    await new Promise<void>((resolve) => clocks.schedule(at(clocks.now().monotonicMs + 3), resolve));
    timer.cancel();
    expect(fired).toBe(false);
  });

  it('the next turn comes after what this one has promised', async () => {
    const clocks = new NodeClocks();
    const order: string[] = [];
    const done = new Promise<void>((resolve) =>
      clocks.nextTurn(() => {
        order.push('next turn');
        resolve();
      }),
    );
    queueMicrotask(() => order.push('microtask'));
    order.push('now');
    await done;
    expect(order).toEqual(['now', 'microtask', 'next turn']);
  });
});

describe('the randomness of this machine', () => {
  it('gives as many bytes as asked, and never the same', () => {
    const randomness = new NodeRandomness();
    expect(randomness.bytes(0).length).toBe(0);
    const drawn = new Set(Array.from({ length: 100 }, () => Buffer.from(randomness.bytes(16)).toString('hex')));
    expect(drawn.size).toBe(100);
  });
});
