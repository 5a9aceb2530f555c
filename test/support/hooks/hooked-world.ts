/**
 * The ports of one replica with hooks in between, and the orders that set them. Lives in the test tree only: the product is
 * built from `src` and `commands`, so there is nothing in it that could be switched on.
 */
import type { MonotonicMs } from '../../../src/core/consensus/identity.ts';
import type { Clocks } from '../../../src/core/consensus/input.ts';
import type { EntryStore } from '../../../src/core/database/entry-store.ts';
import { PackedEntryStore } from '../../../src/core/database/packed-entry-store.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';
import type { ClockPort, Timer } from '../../../src/ports/clocks.ts';
import type { World } from '../../../src/ports/world.ts';
import { flipValue } from '../flip-value.ts';
import { HookedDisk } from './hooked-disk.ts';
import { Cuts, HookedNetwork } from './hooked-network.ts';
import { HookPoints, type Trap } from './points.ts';

export type Order =
  | { readonly do: 'trap'; readonly trap: Trap }
  /** Traps, cuts and holds end. */
  | { readonly do: 'heal' }
  /** Names of members; `to`: nothing is sent there, `from`: nothing is heard from there. */
  | { readonly do: 'cut'; readonly to: readonly string[]; readonly from: readonly string[] }
  /** The wall clock is set by this many ms, for good. By more than a lease's margin: the lease is given up at once. */
  | { readonly do: 'set-wall-clock'; readonly byMs: number }
  /** The event loop stands still; the threads that write and flush go on. */
  | { readonly do: 'stall'; readonly ms: number }
  /** One bit of one stored value changes in memory (P-11): nothing that the replica keeps count of notices. */
  | { readonly do: 'flip-value'; readonly key: string }
  | { readonly do: 'report' };

/** The answer to every order. */
export interface HookReport {
  readonly passed: Readonly<Record<string, number>>;
  readonly held: number;
  /** Traps that have not sprung. */
  readonly armed: number;
}

class HookedClocks implements ClockPort {
  wallOffsetMs = 0;
  readonly #clocks: ClockPort;

  constructor(clocks: ClockPort) {
    this.#clocks = clocks;
  }

  now(): Clocks {
    const now = this.#clocks.now();
    return { ...now, wallMs: now.wallMs + this.wallOffsetMs };
  }

  schedule(at: MonotonicMs, callback: () => void): Timer {
    return this.#clocks.schedule(at, callback);
  }

  nextTurn(callback: () => void): void {
    this.#clocks.nextTurn(callback);
  }
}

export interface HookedWorld {
  readonly world: World;
  obey(order: Order): HookReport;
}

export function hookedWorld(real: World): HookedWorld {
  const points = new HookPoints();
  const cuts = new Cuts();
  const clocks = new HookedClocks(real.clocks);
  let entries: EntryStore | null = null;
  const world: World = {
    ...real,
    clocks,
    makeEntryStore: () => {
      entries = new PackedEntryStore(databaseRecordCodec);
      return entries;
    },
    openDirectory: async (path) => {
      const { disk, release } = await real.openDirectory(path);
      return { disk: new HookedDisk(disk, points), release };
    },
    createNetwork: (options) => new HookedNetwork(real.createNetwork(options), points, cuts),
  };
  const carryOut = (order: Order): void => {
    switch (order.do) {
      case 'trap':
        return points.arm(order.trap);
      case 'heal':
        points.disarm();
        cuts.heal();
        return points.release();
      case 'cut':
        for (const name of order.to) cuts.to.add(name);
        for (const name of order.from) cuts.from.add(name);
        return;
      case 'set-wall-clock':
        clocks.wallOffsetMs += order.byMs;
        return;
      case 'stall':
        // After the answer has left.
        setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.ms));
        return;
      case 'flip-value': {
        if (entries === null) throw new Error('there is no database yet');
        return flipValue(entries, order.key);
      }
      case 'report':
        return;
    }
  };
  return {
    world,
    obey: (order) => {
      carryOut(order);
      return { passed: points.passed, held: points.held, armed: points.armed };
    },
  };
}
