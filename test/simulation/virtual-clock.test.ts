import { describe, expect, test } from 'vitest';
import type { MonotonicMs } from '../../src/core/consensus/identity.ts';
import { Random } from '../../src/core/random.ts';
import { HostClock } from '../../src/simulator/host-clock.ts';
import { SimulatedProcess } from '../../src/simulator/process.ts';
import { Trace } from '../../src/simulator/trace.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';

const machine = () => {
  const scheduler = new Scheduler();
  const clock = new HostClock(() => scheduler.nowMs, { upMs: 1000, wallMs: 1_700_000_000_000 });
  const process = new SimulatedProcess({ name: 'a', scheduler, clock });
  return { scheduler, clock, process };
};

const inMs = (clock: HostClock, ms: number) => (clock.read().monotonicMs + ms) as MonotonicMs;

describe('virtual time', () => {
  test('runs events in the order of time, and of scheduling at one time', async () => {
    const scheduler = new Scheduler();
    const random = new Random(1);
    const ran: { time: number; order: number }[] = [];
    for (let order = 0; order < 1000; order++) {
      const time = random.below(50);
      scheduler.at(time, () => ran.push({ time: scheduler.nowMs, order }));
    }
    await scheduler.run(100);
    expect(ran).toEqual([...ran].sort((a, b) => a.time - b.time || a.order - b.order));
    expect(ran).toHaveLength(1000);
    expect(scheduler.nowMs).toBe(100);
  });

  test('jumps over an hour of nothing at once, and stops when asked', async () => {
    const scheduler = new Scheduler();
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      scheduler.after(3_600_000, tick);
    };
    tick();
    await scheduler.run(Number.POSITIVE_INFINITY, () => ticks === 100);
    expect(scheduler.nowMs).toBe(99 * 3_600_000);
  });

  test('runs everything that follows from a resolved promise before the next event', async () => {
    const scheduler = new Scheduler();
    const seen: string[] = [];
    const slowWork = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) await scheduler.promise(10, () => seen.push(`step ${i} at ${scheduler.nowMs}`));
      for (let i = 0; i < 50; i++) await null;
      seen.push(`finished at ${scheduler.nowMs}`);
    };
    void slowWork();
    scheduler.at(50.5, () => seen.push('later'));
    await scheduler.run(100);
    expect(seen.slice(-2)).toEqual(['finished at 50', 'later']);
  });

  test('does not run what was cancelled and passes on what an event throws', async () => {
    const scheduler = new Scheduler();
    scheduler.at(1, () => expect.unreachable()).cancel();
    scheduler.at(2, () => {
      throw new Error('bug');
    });
    await expect(scheduler.run(10)).rejects.toThrow('bug');
  });
});

describe('clocks of a machine', () => {
  test('drift against true time at the rate that was set', async () => {
    const { scheduler, clock } = machine();
    const start = clock.read();
    clock.setDrift(20_000);
    await scheduler.run(10_000);
    expect(clock.read().monotonicMs - start.monotonicMs).toBeCloseTo(10_200);
    clock.setDrift(-20_000);
    await scheduler.run(20_000);
    expect(clock.read().monotonicMs - start.monotonicMs).toBeCloseTo(20_000);
  });

  test('stand still during suspend, the monotonic one alone (P33)', async () => {
    const { scheduler, clock } = machine();
    const start = clock.read();
    clock.suspend();
    await scheduler.run(5000);
    clock.wake();
    const end = clock.read();
    expect(end.monotonicMs).toBe(start.monotonicMs);
    expect(end.wallMs - start.wallMs).toBe(5000);
    expect(end.bootMs - start.bootMs).toBe(5000);
  });

  test('show equal times in between when they are coarse, and wall time jumps alone', async () => {
    const { scheduler, clock } = machine();
    clock.setStep(16);
    const start = clock.read();
    await scheduler.run(5);
    expect(clock.read().monotonicMs).toBe(start.monotonicMs);
    clock.jumpWall(-86_400_000);
    expect(clock.read().wallMs).toBeLessThan(start.wallMs);
    expect(clock.read().monotonicMs).toBe(start.monotonicMs);
  });
});

describe('timers of a process', () => {
  test('are never early, however the clock changes its pace', async () => {
    const { scheduler, clock, process } = machine();
    const random = new Random(5);
    for (let i = 0; i < 200; i++) {
      const at = inMs(clock, random.below(1000));
      process.schedule(at, () => expect(process.now().monotonicMs).toBeGreaterThanOrEqual(at));
    }
    for (let t = 0; t < 1000; t += 37) scheduler.at(t, () => clock.setDrift(random.below(100_000) - 50_000));
    let fired = 0;
    process.schedule(inMs(clock, 1000), () => fired++);
    await scheduler.run(3000);
    expect(fired).toBe(1);
  });

  test('wait for a suspended machine', async () => {
    const { scheduler, clock, process } = machine();
    let firedAt = 0;
    process.schedule(inMs(clock, 100), () => {
      firedAt = scheduler.nowMs;
    });
    scheduler.at(50, () => clock.suspend());
    scheduler.at(5050, () => clock.wake());
    await scheduler.run(10_000);
    expect(firedAt).toBeGreaterThanOrEqual(5100);
    expect(firedAt).toBeLessThan(5150);
  });

  test('are not fired when cancelled, and never synchronously', async () => {
    const { scheduler, clock, process } = machine();
    let fired = 0;
    process.schedule(clock.read().monotonicMs, () => fired++);
    process.schedule(clock.read().monotonicMs, () => fired++).cancel();
    process.nextTurn(() => fired++);
    expect(fired).toBe(0);
    await scheduler.run(1);
    expect(fired).toBe(2);
  });
});

describe('a process', () => {
  test('holds back what comes while it is paused, then sees I/O or timers first as told', async () => {
    for (const first of ['io', 'timer'] as const) {
      const { scheduler, clock, process } = machine();
      const seen: string[] = [];
      process.schedule(inMs(clock, 10), () => seen.push('timer'));
      scheduler.at(5, () => process.pause());
      scheduler.at(20, () => process.enter('io', () => seen.push('io')));
      scheduler.at(30, () => {
        expect(seen).toEqual([]);
        process.resume(first);
      });
      await scheduler.run(40);
      expect(seen).toEqual(first === 'io' ? ['io', 'timer'] : ['timer', 'io']);
    }
  });

  test('never hears of anything again once it is dead, promises included', async () => {
    const { scheduler, clock, process } = machine();
    process.schedule(inMs(clock, 10), () => expect.unreachable());
    process.nextTurn(() => expect.unreachable());
    void process.promise(5, () => 1).then(() => expect.unreachable());
    process.kill();
    process.enter('io', () => expect.unreachable());
    await scheduler.run(100);
    expect(process.alive).toBe(false);
  });

  test('dies between two effects of one step when a crash was armed', () => {
    const { process } = machine();
    let died = 0;
    process.armCrash(2, () => {
      died++;
      process.kill();
    });
    expect([process.effect(), process.effect(), process.effect(), process.effect()]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(died).toBe(1);
  });

  test('keeps the order of what arrives when it is slow', async () => {
    const { scheduler, process } = machine();
    process.slowDown(50);
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) scheduler.at(i, () => process.enter('io', () => seen.push(i)));
    await scheduler.run(1000);
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('the trace', () => {
  test('hashes everything in order, and shows its end', () => {
    const trace = (parts: readonly number[]) => {
      const made = new Trace(2);
      for (const part of parts) made.note(part, 'a', 'applied', part);
      return made;
    };
    expect(trace([1, 2, 3]).hash()).toBe(trace([1, 2, 3]).hash());
    expect(trace([1, 2, 3]).hash()).not.toBe(trace([2, 1, 3]).hash());
    expect(trace([1, 2, 3]).hash()).not.toBe(trace([1, 2, 3, 3]).hash());
    expect(trace([1, 2, 3]).tail(10)).toEqual(['       2.000 ms  a    applied 2', '       3.000 ms  a    applied 3']);
  });
});
