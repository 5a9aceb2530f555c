/** At which level a cell begins: drawn once, so that no program that forms it is locked out (design §6, contract §1). */
import { describe, expect, it } from 'vitest';
import type { LevelRange } from '../../src/formats/levels.ts';
import type { ClockPort } from '../../src/ports/clocks.ts';
import { Formation, type FormationDocument, type FormationView } from '../../src/runtime/formation.ts';
import type { Logger } from '../../src/runtime/logger.ts';

interface Found {
  /** What lies on its disk. */
  document: FormationDocument | null;
  formed: boolean;
}

/** Three members whose processes are started with whatever program; each keeps its disk. */
class Founders {
  readonly disks = new Map<string, Found>();
  readonly #running = new Map<string, { formation: Formation; ended: Promise<unknown> }>();
  readonly #tell = new Map<string, (view: FormationView) => FormationView>();
  readonly reasons: string[] = [];
  readonly names = ['n1', 'n2', 'n3'];

  /** `tell`: as a program of another version says it. */
  start(name: string, levels: LevelRange, tell = (view: FormationView): FormationView => view): void {
    const disk = this.disks.get(name) ?? { document: null, formed: false };
    this.disks.set(name, disk);
    const formation = new Formation({
      ...{ name, cellName: 'default', directory: name, levels, found: disk.document },
      members: this.names.map((it) => ({ name: it, url: `http://${it}` })),
      storeForming: async (document) => {
        disk.document = document;
      },
      storeFormed: async () => {
        disk.formed = true;
      },
      ask: async ({ name: other }) => {
        const view = this.#running.get(other)?.formation.view();
        return view === undefined ? null : (this.#tell.get(other) ?? ((it) => it))(view);
      },
      clocks: clocks(),
      randomness: { bytes: (length) => Buffer.alloc(length, name) },
      logger: {
        info: ({ waitingFor }: { waitingFor?: string }) => this.reasons.push(waitingFor ?? ''),
      } as never as Logger,
    });
    this.#tell.set(name, tell);
    this.#running.set(name, { formation, ended: formation.run() });
  }

  async stop(name: string): Promise<void> {
    const running = this.#running.get(name);
    this.#running.delete(name);
    running?.formation.stop();
    await running?.ended;
  }

  /** Resolves with the level that each has stored, once all are formed. */
  async formed(): Promise<readonly (number | undefined)[]> {
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
    expect(this.names.map((name) => this.disks.get(name)?.formed)).toEqual([true, true, true]);
    return this.names.map((name) => this.disks.get(name)?.document?.level);
  }

  async says(reason: string): Promise<void> {
    while (!this.reasons.some((it) => it.includes(reason))) await new Promise((resolve) => setImmediate(resolve));
  }

  async stopAll(): Promise<void> {
    for (const name of this.names) await this.stop(name);
  }
}

function clocks(): ClockPort {
  let monotonicMs = 0;
  return {
    now: () => ({ monotonicMs, wallMs: 0, bootMs: null }),
    schedule: (at: number, callback: () => void) => {
      const timer = setImmediate(() => {
        monotonicMs = Math.max(monotonicMs, at);
        callback();
      });
      return { cancel: () => clearImmediate(timer) };
    },
  } as never as ClockPort;
}

const of = (min: number, max: number): LevelRange => ({ min, max });

describe('a cell that is formed', () => {
  it.each([
    ['by one version', [of(1, 1), of(1, 1), of(1, 1)], 1],
    ['by one version that speaks two levels', [of(1, 2), of(1, 2), of(1, 2)], 2],
    ['by one version that has forgotten level 1', [of(3, 4), of(3, 4), of(3, 4)], 4],
    ['by an older version among newer ones', [of(1, 2), of(1, 1), of(1, 2)], 1],
    ['by an older version that draws', [of(1, 2), of(2, 3), of(2, 3)], 2],
    ['by a newer version that draws', [of(2, 3), of(1, 2), of(1, 2)], 2],
  ])('%s begins at the highest level that all speak', async (_, levels, level) => {
    const founders = new Founders();
    for (const [i, name] of founders.names.entries()) founders.start(name, levels[i] as LevelRange);
    expect(await founders.formed()).toEqual([level, level, level]);
  });

  it('with a program of the first version, which says nothing of levels, begins at level 1', async () => {
    const founders = new Founders();
    const asBefore = ({ levels: _, ...view }: FormationView): FormationView => view;
    founders.start('n1', of(1, 2));
    founders.start('n2', of(1, 1), asBefore);
    founders.start('n3', of(1, 2));
    expect(await founders.formed()).toEqual([1, 1, 1]);
  });

  it('with a drawing of the first version, which names no level, begins at level 1', async () => {
    const founders = new Founders();
    founders.disks.set('n1', { document: drawnBefore, formed: false });
    for (const name of founders.names) founders.start(name, of(1, 2));
    expect(await founders.formed()).toEqual([undefined, undefined, undefined]);
  });

  it('keeps the level that was drawn, whoever is started while it is formed', async () => {
    const founders = new Founders();
    // The second one is not there yet: n1 has drawn, and nobody is formed.
    founders.disks.set('n1', { document: { ...drawnBefore, level: 2 }, formed: false });
    founders.start('n1', of(1, 2));
    founders.start('n3', of(1, 3));
    founders.start('n2', of(1, 1));
    await founders.says('being formed at level 2, and the program of n2 speaks level 1');
    expect([...founders.disks.values()].some(({ formed }) => formed)).toBe(false);
    expect(founders.disks.get('n2')?.document).toBeNull();
    await founders.stop('n2');
    founders.start('n2', of(2, 3));
    expect(await founders.formed()).toEqual([2, 2, 2]);
  });

  it('is not formed by programs that have no level in common, which say so', async () => {
    const founders = new Founders();
    founders.start('n1', of(1, 1));
    founders.start('n2', of(2, 3));
    founders.start('n3', of(1, 2));
    await founders.says(
      'no level is spoken by all: n1 speaks level 1, n2 speaks levels 2 to 3, n3 speaks levels 1 to 2',
    );
    expect([...founders.disks.values()].map(({ document }) => document)).toEqual([null, null, null]);
    // Mended by starting that one with the version between them.
    await founders.stop('n2');
    founders.start('n2', of(1, 2));
    expect(await founders.formed()).toEqual([1, 1, 1]);
  });
});

const drawnBefore: FormationDocument = {
  ...{ cellId: '0'.repeat(32), cellName: 'default', secretHex: '1'.repeat(64) },
  members: ['n1', 'n2', 'n3'].map((name) => ({ name, url: `http://${name}` })),
};
