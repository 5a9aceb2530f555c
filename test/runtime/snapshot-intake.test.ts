/** A snapshot on its way from peers that die, change their minds, and have other files: never two of them in one (P55). */
import { describe, expect, it } from 'vitest';
import type { Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import { NetworkError, type NetworkPort, type SnapshotTransfer } from '../../src/ports/network.ts';
import type { LogStorage } from '../../src/runtime/log-storage.ts';
import { SnapshotIntake } from '../../src/runtime/snapshot-intake.ts';

/** Files as rows of letters: a part is one letter. */
interface Provider {
  readonly file: string;
  readonly instance: number;
  /** Dies after so many letters. */
  readonly diesAfter?: number;
  readonly error?: Error;
}

const part = 10;

function bench(providers: Readonly<Record<string, Provider>>, left: { file: string; bytes: number } | null = null) {
  const log: string[] = [];
  const installed: string[] = [];
  let open = 0;
  let unfinished = left === null ? null : { instance: 9, digest: `digest of ${left.file}` };
  const storage = {
    receiveSnapshot: async () => {
      log.push('receive');
      return receiver('');
    },
    unfinishedSnapshot: () => unfinished,
    resumeSnapshot: async () => {
      log.push('take up');
      unfinished = null;
      return left === null ? null : receiver(left.file.slice(0, left.bytes));
    },
  } as unknown as LogStorage;
  function receiver(had: string) {
    open++;
    let bytes = had;
    return {
      append: async (chunk: Uint8Array) => {
        bytes += Buffer.from(chunk).toString();
        if (bytes.includes('!')) throw new Error('disk full');
      },
      rewind: async () => {
        bytes = bytes.slice(0, Math.floor(bytes.length / part) * part);
        return bytes.length;
      },
      finish: async (digest: string | null) => {
        open--;
        if (digest !== null && digest !== `digest of ${bytes}`) throw new Error(`spliced: ${bytes}`);
        installed.push(bytes);
        return { handle: { instance: 1 } } as never;
      },
      abort: async () => {
        open--;
        log.push('abort');
      },
    };
  }
  const network = {
    fetchSnapshot: async (
      from: ReplicaId,
      above: number,
      onChunk: (chunk: Uint8Array) => Promise<void>,
      { have, begin }: SnapshotTransfer,
    ) => {
      const provider = providers[from];
      if (provider === undefined || provider.instance <= above) throw new NetworkError('none', 'nothing');
      const { file, instance, diesAfter, error } = provider;
      const digest = `digest of ${file}`;
      const offset = have?.digest === digest ? have.offset : 0;
      log.push(`${from} from ${offset}`);
      await begin({ bytes: file.length, offset, identity: { instance, digest } });
      for (let at = offset; at < file.length; at += 3) {
        if (diesAfter !== undefined && at >= diesAfter) throw error ?? new NetworkError('lost', 'it died');
        await onChunk(Buffer.from(file.slice(at, at + 3)));
      }
      return { bytes: file.length };
    },
  } as unknown as NetworkPort;
  const clocks = { now: () => ({ monotonicMs: 5 }) } as never;
  const logger = { debug() {}, info() {}, warn() {}, error() {} } as never;
  const intake = new SnapshotIntake({ network, storage, clocks, logger });
  const fetch = (from: string, above = 0): Promise<unknown> =>
    intake.fetch(from as ReplicaId, above as Instance, () => undefined).catch((error: Error) => error);
  return { intake, fetch, log, installed, open: () => open };
}

const first = 'a'.repeat(25) + 'b'.repeat(25);
const second = 'c'.repeat(40);

describe('a snapshot on its way', () => {
  it('goes on from another member that has the same file, behind the last whole part', async () => {
    const { fetch, log, installed, open } = bench({
      b: { file: first, instance: 9, diesAfter: 28 },
      d: { file: first, instance: 9, diesAfter: 44 },
      e: { file: first, instance: 9 },
    });
    expect(await fetch('b')).toBeInstanceOf(NetworkError);
    expect(await fetch('d')).toBeInstanceOf(NetworkError);
    expect(await fetch('x')).toMatchObject({ reason: 'none' });
    await fetch('e');
    expect(log).toEqual(['b from 0', 'receive', 'd from 30', 'e from 40']);
    expect([installed, open()]).toEqual([[first], 0]);
  });

  it('begins anew with a member that has a newer one, which is never joined to the first', async () => {
    const { fetch, log, installed, open } = bench({
      b: { file: first, instance: 9, diesAfter: 28 },
      d: { file: second, instance: 12, diesAfter: 20 },
      e: { file: second, instance: 12 },
    });
    await fetch('b');
    await fetch('d');
    await fetch('e');
    expect(log).toEqual(['b from 0', 'receive', 'd from 0', 'abort', 'receive', 'e from 20']);
    expect([installed, open()]).toEqual([[second], 0]);
  });

  it('is given up when the disk fails, when it was tampered with, and when it is no longer wanted', async () => {
    const tampered = new NetworkError('tampered', 'a bad tag');
    const { fetch, intake, open, installed } = bench({
      b: { file: 'aaaaaaaaaaaaa!aaaa', instance: 9 },
      d: { file: first, instance: 9, diesAfter: 30, error: tampered },
      e: { file: first, instance: 9, diesAfter: 30 },
    });
    expect(await fetch('b')).toMatchObject({ message: 'disk full' });
    expect(open()).toBe(0);
    expect(await fetch('d')).toBe(tampered);
    expect(open()).toBe(0);
    await fetch('e');
    expect(open()).toBe(1);
    // Its own log has brought it there by now.
    intake.reached(8);
    expect(open()).toBe(1);
    intake.reached(9);
    await Promise.resolve();
    expect([open(), installed]).toEqual([0, []]);
    await fetch('e');
    await fetch('e', 9);
    expect(open()).toBe(0);
  });

  it('is gone on with by another process, from whoever has the same file', async () => {
    const { fetch, log, installed, open } = bench({ b: { file: first, instance: 9 } }, { file: first, bytes: 28 });
    await fetch('b');
    expect(log).toEqual(['take up', 'b from 20']);
    expect([installed, open()]).toEqual([[first], 0]);
  });

  it('that another process has left is let go where nobody has that file any more, or the log led beyond it', async () => {
    const gone = bench({ b: { file: second, instance: 12 } }, { file: first, bytes: 28 });
    await gone.fetch('b');
    expect(gone.log).toEqual(['take up', 'b from 0', 'abort', 'receive']);
    expect([gone.installed, gone.open()]).toEqual([[second], 0]);
    const reached = bench({}, { file: first, bytes: 28 });
    reached.intake.reached(8);
    expect(reached.log).toEqual([]);
    reached.intake.reached(9);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect([reached.log, reached.open()]).toEqual([['take up', 'abort'], 0]);
  });

  it('says how far it is, and from whom', async () => {
    const { intake, fetch } = bench({ b: { file: first, instance: 9 } });
    expect(intake.progress).toBeNull();
    const seen: unknown[] = [];
    const fetching = fetch('b');
    for (let turn = 0; turn < 200 && intake.progress !== null; turn++) {
      seen.push(intake.progress);
      await Promise.resolve();
    }
    await fetching;
    expect(seen[0]).toMatchObject({ from: 'b', instance: 0, bytes: 0, totalBytes: 0 });
    expect(seen.at(-1)).toMatchObject({ from: 'b', instance: 9, bytes: 50, totalBytes: 50, resumedFrom: 0 });
    expect(intake.progress).toBeNull();
  });
});
