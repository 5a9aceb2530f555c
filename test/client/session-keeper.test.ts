/** When a client may still think that its session lives (CHB §2.8). */
import { performance } from 'node:perf_hooks';
import { describe, expect, it, vi } from 'vitest';
import { SessionKeeper } from '../../src/client/session-keeper.ts';

/** Of a session of a cell that answers each proof of life with `error`. */
function keeperOf(error: Error): { keeper: SessionKeeper; asked: () => number } {
  let asked = 0;
  const keep = (): Promise<never> => {
    asked++;
    return Promise.reject(error);
  };
  return { keeper: new SessionKeeper({ ttlMs: 150, aliveMs: performance.now(), keep }), asked: () => asked };
}

describe('the keeper of a session', () => {
  it('says that it may be lost when its client was unheard for as long as it lives, and keeps on asking', async () => {
    const { keeper, asked } = keeperOf(new Error('nobody answers'));
    expect(keeper.isLost).toBe(false);
    await keeper.lost;
    expect(keeper.isLost).toBe(true);
    // A new master gives every session its full time: what is written in it stays safe to send again.
    const before = asked();
    await vi.waitFor(() => expect(asked()).toBeGreaterThan(before));
    keeper.stop();
  });

  it('takes the word of the cell that does not know it', async () => {
    const { keeper, asked } = keeperOf(Object.assign(new Error('gone'), { code: 'PAXOS_SESSION_EXPIRED' }));
    await keeper.lost;
    expect([asked(), keeper.isLost]).toEqual([1, true]);
  });
});
