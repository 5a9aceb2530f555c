/** What a start under another version does first: it shows that it makes the same of the data, or leaves it alone. */
import { describe, expect, it } from 'vitest';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { encodeCommand } from '../../src/formats/command.ts';
import { LevelRefusedError } from '../../src/formats/levels.ts';
import { chainBefore, chained } from '../../src/formats/log-chain.ts';
import type { RecordedPoint } from '../../src/formats/manifest.ts';
import { decodeValue, encodeValue } from '../../src/formats/value.ts';
import type { LogApplication } from '../../src/runtime/application.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import { toOperatorError } from '../../src/runtime/directory-errors.ts';
import { rehearse } from '../../src/runtime/rehearsal.ts';
import type { SimulatedDisk } from '../../src/simulator/disk.ts';
import { ReplicaStorage } from '../../src/storage/replica-storage.ts';
import { ballot, digest, formedDisk, handle, open, takeOptions, writeEach } from '../storage/support.ts';

const submitted = (...items: Uint8Array[]): Value => ({
  kind: 'submitted',
  epoch: 1 as Epoch,
  cellTimeMs: 5 as CellTimeMs,
  items,
});

const put = (n: number): Value =>
  submitted(
    encodeCommand({
      kind: 'multiop',
      // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6.
      multiOp: { guard: [], then: [{ op: 'put', key: `k${n % 7}`, value: Buffer.from(`value ${n}`) }], else: [] },
      session: null,
      ifEpoch: null,
    }),
  );

const announced = (n: string): Value =>
  submitted(
    encodeCommand({
      kind: 'system',
      guard: [],
      writes: [{ key: 'upgrade/raise', value: Buffer.from(n) }],
      ifEpoch: null,
    }),
  );

const level = (n: string, announcedAt: number): Value =>
  submitted(
    encodeCommand({
      kind: 'system',
      guard: [
        { key: 'level', instance: 0 },
        { key: 'upgrade/raise', instance: announcedAt },
      ],
      writes: [{ key: 'level', value: Buffer.from(n) }],
      ifEpoch: null,
    }),
  );

const mastership: Value = { kind: 'mastership', owner: 'n1#1' as ReplicaId, id: '07'.repeat(16) };

function database(): DatabaseApplication {
  const application = new DatabaseApplication({ digest, levels: { min: 1, max: 1 } });
  application.initialize({
    cellId: 'cell-1',
    generation: 1,
    generationId: '01'.repeat(16),
    generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
    rootSecret: Buffer.alloc(32, 3),
  });
  return application;
}

interface History {
  readonly disk: SimulatedDisk;
  readonly storage: ReplicaStorage;
  readonly application: DatabaseApplication;
  write(values: readonly Value[]): Promise<void>;
  point(): RecordedPoint;
  snapshot(): Promise<void>;
}

/** One replica's log and the database that the version before made of it. */
async function history(): Promise<History> {
  const disk = await formedDisk();
  const storage = await open(disk);
  const application = database();
  let instance = 0;
  let chain = chainBefore;
  const point = (): RecordedPoint => ({
    instance,
    logChain: Buffer.from(chain).toString('hex'),
    checksum: application.checksumHex(),
  });
  return {
    disk,
    storage,
    application,
    point,
    async write(values) {
      const first = instance + 1;
      const entries = values.map((value, i) => ({ instance: (first + i) as Instance, ballot: ballot(1), value }));
      await writeEach(storage, entries, first);
      for (const { value, instance: at } of entries) {
        instance = at;
        chain = chained(digest, chain, { instance: at, value });
        application.apply({ instance: at, epoch: 1 as Epoch, value, current: true, logChain: chain });
      }
    },
    async snapshot() {
      const at = { ...handle(instance), epoch: 1 as Epoch };
      await storage.takeSnapshot(at, application.view(), { ...takeOptions, logChain: chain });
    },
  };
}

const range = (from: number, to: number): Value[] => Array.from({ length: to - from + 1 }, (_, i) => put(from + i));

/** Every file as it is. */
async function contents(disk: SimulatedDisk): Promise<string> {
  const names = (await disk.list('')).filter(({ kind }) => kind === 'file');
  const parts = await Promise.all(
    names.map(async ({ name }) => {
      const file = await disk.open(name, { create: false });
      const bytes = await file.read(0, await file.size());
      await file.close();
      return `${name} ${Buffer.from(digest.sha256(bytes)).toString('hex')}`;
    }),
  );
  return parts.join('\n');
}

const run = async (disk: SimulatedDisk, makeApplication: () => LogApplication<unknown> = database) => {
  const { manifest } = await ReplicaStorage.inspect(disk);
  if (manifest === null) throw new Error('no manifest');
  return rehearse(disk, manifest, { directory: '/data', version: '0.2.0', digest, makeApplication });
};

/** A version that makes something else of one of the writes. */
function wrongAt(instance: number): () => LogApplication<unknown> {
  return () => {
    const right = database();
    return {
      apply: (delivery) => right.apply(delivery.instance === instance ? { ...delivery, value: put(1_000) } : delivery),
      view: () => right.view(),
      restore: (records) => right.restore(records),
      checksumHex: () => right.checksumHex(),
    };
  };
}

describe('a log with a value of a newer kind', () => {
  it('is no damage: the start is refused as of another version, and nothing is changed', async () => {
    const { disk, storage, write } = await history();
    await write([mastership, ...range(2, 4)]);
    // Bytes and value share memory: what is written is what a newer version would have written.
    const bytes = Buffer.from(encodeValue(put(5)));
    const value = decodeValue(bytes);
    bytes[0] = 99;
    await writeEach(storage, [{ instance: 5 as Instance, ballot: ballot(1), value }], 5);
    await storage.close();
    const before = await contents(disk);
    const error = await open(disk).then(
      () => null,
      (reason: unknown) => toOperatorError(reason, '/data', 0),
    );
    expect(error).toMatchObject({ exitCode: 22, code: 'PAXOS_VERSION_REFUSED' });
    expect(await contents(disk)).toBe(before);
  });
});

describe('a rehearsal', () => {
  it('replays everything and finds the recorded point again', async () => {
    const { disk, point, storage, write } = await history();
    await write([mastership, ...range(2, 20)]);
    await storage.record(point());
    await storage.close();
    const before = await contents(disk);
    expect(await run(disk)).toMatchObject({ from: 0, points: 1, ...point() });
    expect(await contents(disk)).toBe(before);
  });

  it('begins with the older snapshot and is held against the newer one too', async () => {
    const { disk, point, snapshot, storage, write } = await history();
    await write([mastership, ...range(2, 10)]);
    await snapshot();
    await write(range(11, 20));
    await snapshot();
    await write(range(21, 30));
    await storage.record(point());
    await storage.cut();
    await storage.close();
    // Both snapshots' own digests and the recorded point, from the first instance on as long as the log still has it.
    expect(await run(disk)).toMatchObject({ instance: 30, points: 3 });
  });

  it.each([5, 15, 25])(
    'refuses a version that applies instance %i otherwise, and leaves the data as it was',
    async (n) => {
      const { disk, point, snapshot, storage, write } = await history();
      await write([mastership, ...range(2, 10)]);
      await snapshot();
      await write(range(11, 20));
      await snapshot();
      await write(range(21, 30));
      await storage.record(point());
      await storage.close();
      const before = await contents(disk);
      await expect(run(disk, wrongAt(n))).rejects.toMatchObject({
        code: 'PAXOS_VERSION_REFUSED',
        exitCode: 22,
        facts: { lastVersion: '0.1.0', version: '0.2.0', problem: expect.stringContaining('checksum') },
      });
      expect(await contents(disk)).toBe(before);
    },
  );

  it('stops in front of a level that the version does not speak', async () => {
    const { disk, storage, write } = await history();
    await write([mastership, ...range(2, 4), announced('2')]);
    // As the version before would have written it, which knows the level.
    const value = level('2', 5);
    await writeEach(
      storage,
      [
        { instance: 6 as Instance, ballot: ballot(1), value },
        { instance: 7 as Instance, ballot: ballot(1), value: put(7) },
      ],
      6,
    );
    await storage.close();
    await expect(run(disk)).rejects.toThrow(LevelRefusedError);
  });

  it('goes on where a level that it does not speak is not put into force', async () => {
    const { disk, point, storage, write } = await history();
    await write([mastership, ...range(2, 4), announced('2')]);
    // Written on an announcement that is not the present one: every version makes nothing of it.
    await write([level('2', 3), put(7)]);
    await storage.record(point());
    await storage.close();
    await expect(run(disk)).resolves.toMatchObject({ points: 1 });
  });

  it('leaves a damaged snapshot to the version before, which repairs it', async () => {
    const { disk, snapshot, storage, write } = await history();
    await write([mastership, ...range(2, 5)]);
    await snapshot();
    await storage.close();
    const damaged = (await disk.list('')).find(({ name }) => name.startsWith('snapshot-'));
    const file = await disk.open(damaged?.name ?? '', { create: false });
    await file.write(0, new Uint8Array(64));
    await file.close();
    const message = expect.stringMatching(/snapshot-.*: .* Start version 0\.1\.0 on it/);
    await expect(run(disk)).rejects.toMatchObject({ exitCode: 22, message, facts: { lastVersion: '0.1.0' } });
  });

  it('says which instance is missing when the log does not lead to the recorded point', async () => {
    const { disk, point, storage, write } = await history();
    await write([mastership, ...range(2, 5)]);
    await storage.record({ ...point(), instance: 9 });
    await storage.close();
    // Not the version's doing: the one before goes on from it, and repairs it.
    const message = expect.stringMatching(/instance 6 is not in the log.* Start version 0\.1\.0 on it/);
    await expect(run(disk)).rejects.toMatchObject({ exitCode: 22, message, facts: { instance: 6 } });
  });
});
