import { describe, expect, it } from 'vitest';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import type { Value } from '../../src/core/consensus/value.ts';
import { InvariantViolation } from '../../src/core/invariant.ts';
import { encodeCommand, UnknownCommandError } from '../../src/formats/command.ts';
import { LevelRefusedError } from '../../src/formats/levels.ts';
import { chainBefore } from '../../src/formats/log-chain.ts';
import { DatabaseApplication } from '../../src/runtime/database-application.ts';
import { digest, identity, multiOp, put, recomputed } from '../core/database/support.ts';

const mastership: Value = { kind: 'mastership', owner: 'n1#1' as ReplicaId, id: '0'.repeat(32) };
const submitted = (epoch: number, ...items: Uint8Array[]): Value => ({
  kind: 'submitted',
  epoch: epoch as Epoch,
  cellTimeMs: 5 as CellTimeMs,
  items,
});
const putItem = (key: string) => encodeCommand(multiOp({ do: [put(key)] }));

function applied(application: DatabaseApplication, from: number, ...values: Value[]) {
  return values.map((value, i) => {
    const { epoch } = application;
    const current = value.kind !== 'submitted' || value.epoch === epoch;
    return application.apply({ instance: (from + i) as Instance, epoch, value, current, logChain: chainBefore });
  });
}

async function* stream(records: Iterable<Uint8Array>) {
  yield* records;
}

describe('the database as the application of the log', () => {
  it('answers each item of a value, skipped ones too', () => {
    const application = new DatabaseApplication({ digest });
    application.initialize(identity);
    const configuration = { kind: 'configuration', configuration: {} as never } as const;
    const results = applied(
      application,
      1,
      mastership,
      { kind: 'noop' },
      configuration,
      submitted(1, putItem('a'), putItem('b')),
      mastership,
      submitted(1, putItem('c'), new Uint8Array([99])),
    );
    expect(results.map((of) => of.map(({ kind }) => kind))).toEqual([
      [],
      [],
      [],
      ['multiop', 'multiop'],
      [],
      ['skipped', 'skipped'],
    ]);
    expect([application.revision, application.epoch, application.entries, application.cellTimeMs]).toEqual([
      2, 2, 2, 5,
    ]);
    expect(application.changesAfter(1)).toMatchObject([{ revision: 2, instance: 4, changes: [{ key: 'b' }] }]);
  });

  it('stops before a value of which it cannot read one item, and applies nothing of it', () => {
    const application = new DatabaseApplication({ digest });
    applied(application, 1, mastership);
    const checksum = application.checksumHex();
    for (const bad of [new Uint8Array([99]), new Uint8Array([1, 0]), new Uint8Array()]) {
      expect(() => applied(application, 2, submitted(1, putItem('a'), bad))).toThrow(UnknownCommandError);
    }
    expect([application.checksumHex(), application.get('a')]).toEqual([checksum, null]);
  });

  it('does not go on when the log thinks another epoch in force', () => {
    const application = new DatabaseApplication({ digest });
    const delivery = {
      instance: 1 as Instance,
      epoch: 4 as Epoch,
      value: submitted(4, putItem('a')),
      current: true,
      logChain: chainBefore,
    };
    expect(() => application.apply(delivery)).toThrow(InvariantViolation);
  });

  it('passes through the levels below the one that its data was raised to, and runs at none of them', async () => {
    const system = (guard: { key: string; instance: number }[], key: string, value: string): Uint8Array =>
      encodeCommand({ kind: 'system', guard, writes: [{ key, value: Buffer.from(value) }], ifEpoch: null });
    const raised = (level: number, before: number, at: number): readonly Value[] => [
      submitted(1, system([], 'upgrade/raise', String(level))),
      submitted(
        1,
        system(
          [
            { key: 'level', instance: before },
            { key: 'upgrade/raise', instance: at },
          ],
          'level',
          String(level),
        ),
      ),
    ];
    const log = [mastership, ...raised(2, 0, 2), ...raised(3, 3, 4)];
    const make = (raisedTo: number): DatabaseApplication => {
      const application = new DatabaseApplication({ digest, levels: { min: 3, max: 4 }, raisedTo });
      application.initialize(identity);
      return application;
    };
    const whole = make(3);
    applied(whole, 1, ...log);
    expect(whole.level).toBe(3);
    // Its newest snapshot is of before, too.
    const older = new DatabaseApplication({ digest, levels: { min: 1, max: 2 } });
    older.initialize(identity);
    applied(older, 1, ...log.slice(0, 3));
    const restored = make(3);
    await restored.restore(stream(older.view().records()));
    expect(restored.level).toBe(2);
    applied(restored, 4, ...log.slice(3));
    expect(restored.checksumHex()).toBe(whole.checksumHex());
    // Raised to no more than 2, it would have to run there.
    await expect(make(2).restore(stream(older.view().records()))).rejects.toThrow(LevelRefusedError);
    expect(() => applied(make(2), 1, ...log)).toThrow(LevelRefusedError);
    expect(() => applied(whole, 6, ...raised(5, 5, 6))).toThrow(LevelRefusedError);
  });

  it('begins at the level that its cell was formed at, is restored at it, and is raised from it', async () => {
    const levels = { min: 2, max: 3 };
    const make = (level: number): DatabaseApplication => {
      const application = new DatabaseApplication({ digest, levels });
      application.initialize(identity, level);
      return application;
    };
    const formed = make(2);
    expect([formed.level, recomputed(formed.view())]).toEqual([2, formed.checksumHex()]);
    const restored = new DatabaseApplication({ digest, levels });
    await restored.restore(stream(formed.view().records()));
    expect([restored.level, restored.checksumHex()]).toEqual([2, formed.checksumHex()]);
    // Unchanged since before the first instance is what the entry says to whoever raises it.
    const raise = (key: string, value: string, guard: { key: string; instance: number }[]): Value =>
      submitted(
        1,
        encodeCommand({ kind: 'system', guard, writes: [{ key, value: Buffer.from(value) }], ifEpoch: null }),
      );
    const tests = [
      { key: 'level', instance: 0 },
      { key: 'upgrade/raise', instance: 2 },
    ];
    for (const it of [formed, restored]) {
      applied(it, 1, mastership, raise('upgrade/raise', '3', []), raise('level', '3', tests));
      expect(it.level).toBe(3);
    }
    expect(restored.checksumHex()).toBe(formed.checksumHex());
    // One that was formed otherwise is another cell.
    expect(make(1).checksumHex()).not.toBe(make(2).checksumHex());
  });

  it('is restored from a view in slices, while the event loop gets its turns', async () => {
    const application = new DatabaseApplication({ digest });
    application.initialize(identity);
    applied(application, 1, mastership);
    const items = Array.from({ length: 3_500 }, (_, i) => putItem(`key ${i}`));
    applied(application, 2, submitted(1, ...items));
    const view = application.view();
    applied(application, 3, submitted(1, putItem('later')));

    let turns = 0;
    const nextTurn = (callback: () => void) => {
      turns++;
      setImmediate(callback);
    };
    const other = new DatabaseApplication({ digest, nextTurn });
    await other.restore(stream(view.records()));
    expect(turns).toBe(3);
    expect(other.checksumHex()).toBe(view.checksum);
    expect(recomputed(other.view())).toBe(view.checksum);
    expect([other.get('later'), other.entries, other.identity?.cellId]).toEqual([null, 3_500, identity.cellId]);

    applied(other, 3, submitted(1, putItem('later')));
    expect(other.checksumHex()).toBe(application.checksumHex());
  });

  it('stays what it was when a restore fails', async () => {
    const application = new DatabaseApplication({ digest });
    applied(application, 1, mastership, submitted(1, putItem('a')));
    const [first, second] = [...application.view().records()] as [Uint8Array, Uint8Array];
    await expect(application.restore(stream([second, first]))).rejects.toThrow();
    await expect(application.restore(stream([]))).rejects.toThrow('no counters');
    expect(application.get('a')).not.toBeNull();
  });
});
