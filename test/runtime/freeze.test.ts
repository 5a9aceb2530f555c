/** The runtime of a frozen member: durable before it is said, said to all, answered to nobody. */
import { describe, expect, it } from 'vitest';
import type { FreezeEvidence } from '../../src/core/consensus/freeze.ts';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
import { handledLog } from './log-replica-ports.ts';

const evidence: FreezeEvidence = {
  cause: 'mark-outside-history',
  generation: 1,
  seenBy: 'a#1' as ReplicaId,
  seenAtMs: 1_700_000_000_000,
  text: 'The cell does not have what it acknowledged in epoch 9 at instance 70.',
  facts: { markEpoch: 9, markInstance: 70 },
};

describe('freezing', () => {
  it('tells the others only once it is durable, and nothing else any more', async () => {
    const at = await handledLog(['a', 'b', 'c']);
    let durable: () => void = () => undefined;
    at.onFreeze((_, done) => {
      durable = done;
    });
    const before = at.sent.length;
    const freezing = at.log.freeze(evidence);
    expect(at.log.isServing()).toBe(false);
    expect(at.log.silent).toBe(true);
    expect(at.log.frozen).toBeNull();
    at.flush();
    expect(at.sent.slice(before)).toEqual([]);
    durable();
    await freezing;
    expect(at.log.frozen).toEqual(evidence);
    expect(at.sent.slice(before)).toEqual([
      { kind: 'frozen', evidence },
      { kind: 'frozen', evidence },
    ]);
  });

  it('follows from another member saying so, with its evidence', async () => {
    const at = await handledLog(['a', 'b', 'c']);
    const stored: FreezeEvidence[] = [];
    at.onFreeze((it, done) => {
      stored.push(it);
      done();
    });
    at.deliver('b', { kind: 'frozen', evidence });
    at.deliver('c', { kind: 'frozen', evidence: { ...evidence, text: 'later' } });
    await new Promise((resolve) => setImmediate(resolve));
    expect(at.log.frozen).toEqual(evidence);
    expect(at.log.core.participation).toBe('frozen');
    // The first evidence stays.
    expect(stored).toEqual([evidence]);
  });

  it('answers writes that were under way as unknown, and never as done', async () => {
    const at = await handledLog(['a']);
    at.flush();
    at.runUntil(() => {
      at.flush();
      return at.log.isServing();
    });
    const told = at.submit('x');
    at.turn();
    expect(told.outcome).toBeNull();
    at.onFreeze((_, done) => done());
    await at.log.freeze(evidence);
    at.flush();
    expect(told.outcome).toEqual({ kind: 'unknown', reason: 'mastership-lost' });
  });
});
