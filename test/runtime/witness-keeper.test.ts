/**
 * What is at stake: a witness that cannot be used must not be taken for one that remembers nothing, and whoever ends because of it says what
 * is so: the boot of that start has begun, the witness is as it was (contract §1, exit codes of `node start`).
 */
import { describe, expect, it } from 'vitest';
import type { OperatorError } from '../../src/errors/index.ts';
import { DiskError } from '../../src/ports/disk.ts';
import { toOperatorError } from '../../src/runtime/directory-errors.ts';
import { endsIncarnation } from '../../src/runtime/membership/entrance.ts';
import { WitnessKeeper } from '../../src/runtime/witness-keeper.ts';
import type { DiskFault, DiskOperation, SimulatedDisk } from '../../src/simulator/disk.ts';
import { ManifestCorruptError } from '../../src/storage/errors.ts';
import { WitnessFile } from '../../src/storage/witness-file.ts';
import { simulatedDisk } from '../storage/support.ts';

const name = 'n1.witness';
const quiet = { error() {}, warn() {}, info() {}, debug() {} } as never;
/** It never comes to a second look. */
const clocks = { now: () => ({ monotonicMs: 0, wallMs: 0 }), schedule: () => ({ cancel() {} }) } as never;

const firstBoot = { number: 1, id: 'a1', began: 0, promiseFlush: 0 };

const keeper = (disk: SimulatedDisk, { member = 'n1', flush = 9, boots = [firstBoot] } = {}): WitnessKeeper =>
  new WitnessKeeper({
    path: `/elsewhere/${name}`,
    file: new WitnessFile(disk, name),
    owner: { cellId: 'cell-1', member, incarnation: 1 },
    history: () => ({ boots, flush, promiseFlush: 0 }),
    clocks,
    logger: quiet,
  });

async function refused(disk: SimulatedDisk, options?: { member?: string }): Promise<OperatorError> {
  return keeper(disk, options)
    .begin()
    .then(
      () => expect.unreachable('it began'),
      (error: unknown) => error as OperatorError,
    );
}

async function witnessed(fault?: (operation: DiskOperation) => DiskFault | null): Promise<SimulatedDisk> {
  const disk = simulatedDisk(fault === undefined ? {} : { fault });
  expect(await keeper(disk).begin()).toBeNull();
  return disk;
}

describe('a witness that cannot be used ends the start, and is left as it is:', () => {
  it.each([
    ['flipped', (bytes: Buffer) => bytes.writeUInt8(bytes.readUInt8(20) ^ 0x40, 20)],
    ['zeroed', (bytes: Buffer) => bytes.fill(0)],
  ])('%s, it is damage', async (_, act) => {
    const disk = await witnessed();
    const inode = disk.inode(name);
    const bytes = Buffer.from(inode.durable.get(0, inode.durable.size));
    act(bytes);
    inode.overwrite(0, bytes);
    const error = await refused(disk);
    expect([error.code, error.exitCode]).toEqual(['PAXOS_WITNESS_UNUSABLE', 25]);
    expect(error.message).toContain(`/elsewhere/${name} holds`);
    // Its boot has begun: not everything is as it was.
    expect(error.message).toContain('It is left as it is.');
    expect(error.message).not.toContain('Nothing was changed');
    expect(error.suggestions).toContain(`mv /elsewhere/${name} /elsewhere/${name}.bad`);
    // The directory is sound: with `--rebuild` all members of a cell would give theirs up for one bad storage of witnesses.
    expect(endsIncarnation(error)).toBe(false);
    expect(Buffer.from(disk.inode(name).durable.get(0, bytes.length))).toEqual(bytes);
  });

  it('cut short, it is damage', async () => {
    const disk = await witnessed();
    disk.inode(name).truncate(30);
    expect((await refused(disk)).exitCode).toBe(25);
  });

  it("another member's, it is in the wrong place", async () => {
    const error = await refused(await witnessed(), { member: 'n2' });
    expect([error.code, error.exitCode]).toEqual(['PAXOS_WITNESS_FOREIGN', 24]);
    expect(error.message).toContain('n1');
    expect(error.message).toContain('n2');
  });

  it.each([
    ['full', 'PAXOS_DISK_FULL', 26],
    ['error', 'PAXOS_DISK_FAILED', 1],
  ] as const)('where its storage says %s, the next start may do better', async (fault, code, exitCode) => {
    let strikes = false;
    const disk = await witnessed(({ path, kind }) =>
      strikes && kind !== 'read' && path.endsWith('.new') ? fault : null,
    );
    strikes = true;
    const error = await refused(disk);
    expect([error.code, error.exitCode]).toEqual([code, exitCode]);
    expect(error.message).toContain('/elsewhere/');
  });
});

it('a witness that remembers more than the disk has is evidence, and one that remembers less is brought up to date', async () => {
  const disk = await witnessed();
  expect(await keeper(disk, { flush: 12 }).begin()).toBeNull();
  // As if the first boot had ended at flush 10.
  const boots = [firstBoot, { number: 2, id: 'a2', began: 10, promiseFlush: 0 }];
  expect(await keeper(disk, { flush: 11, boots }).begin()).toContain(`witness /elsewhere/${name} remembers`);
});

it('a file of the data directory that may not be opened ends the start, and gives up nothing', () => {
  const error = toOperatorError(new DiskError('denied', 'promise-a', 'EACCES'), '/data', 0) as OperatorError;
  expect([error.code, error.exitCode, endsIncarnation(error)]).toEqual(['PAXOS_DATA_CORRUPT', 25, false]);
  expect(error.suggestions).toEqual(['ls -lan /data']);
  const damaged = toOperatorError(new ManifestCorruptError({ problem: 'it is missing' }), '/data', 0) as OperatorError;
  expect([damaged.exitCode, endsIncarnation(damaged)]).toEqual([25, true]);
});
