import { Random } from '../../src/core/random.ts';
import { SimulatedNetwork } from '../../src/simulator/network.ts';
import type { SimulatedPort } from '../../src/simulator/network-port.ts';
import { Scheduler } from '../../src/simulator/virtual-clock.ts';
import { type NetworkBench, networkContract, type Station } from '../contract/network.ts';

const simulatedMsMax = 120_000;

function simulatedBench(codec: boolean): NetworkBench {
  const clock = new Scheduler();
  const network = new SimulatedNetwork({
    scheduler: {
      now: () => clock.nowMs,
      schedule: (delayMs, callback, settles) => void clock.after(delayMs, callback, settles),
    },
    random: new Random(7),
    codec,
  });
  const until = async (condition: () => boolean) => {
    const endMs = clock.nowMs + simulatedMsMax;
    while (!condition()) {
      if (clock.nowMs >= endMs) throw new Error('the condition did not come true');
      await clock.run(clock.nowMs + 1, condition);
    }
  };
  return {
    async start(id, options = {}) {
      const station: { -readonly [Key in keyof Station]: Station[Key] } = {
        id,
        flush: 0,
        url: `http://${id}`,
        port: network.port(id, {
          boot: { number: options.boot ?? 1, id: `${id}-${options.boot ?? 1}` },
          flushNumber: () => station.flush,
          promiseFlush: () => Math.max(0, station.flush - 1),
          ...(options.admit ? { admit: options.admit } : {}),
          ...(options.removed ? { removed: options.removed } : {}),
        }) as SimulatedPort,
      };
      return station;
    },
    async kill(station) {
      network.crash(station.id);
    },
    until,
    async settled(promise) {
      let over = false;
      const ended = promise.finally(() => {
        over = true;
      });
      ended.catch(() => {});
      await until(() => over);
      return ended;
    },
    async end() {},
  };
}

networkContract('the simulated network', async () => simulatedBench(false));
networkContract('the simulated network with bytes', async () => simulatedBench(true));
