/**
 * The files of whoever operates a simulated cell: backups, and what `cell restore` has saved. A machine of their own, of which nothing is
 * lost; a command that is killed leaves there what it had written.
 */
import type { Random } from '../../core/random.ts';
import type { GenerationWorld } from '../../operator/recovery/world.ts';
import type { OfflineWorld } from '../../ports/world.ts';
import { type BackupFile, extendedSnapshot, inspectSnapshotFile, readBackup } from '../../runtime/snapshot-file.ts';
import { simulatedDigest } from '../digest.ts';
import { SimulatedDisk } from '../disk.ts';
import type { Scheduler } from '../virtual-clock.ts';

export class OperatorFiles {
  readonly #disk: SimulatedDisk;
  readonly #world: OfflineWorld;

  constructor(scheduler: Scheduler, random: Random) {
    this.#disk = new SimulatedDisk({
      schedule: (delayMs, callback) => void scheduler.after(delayMs, callback, true),
      random,
      now: () => scheduler.nowMs,
    });
    this.#world = {
      digest: simulatedDigest,
      wallMs: () => scheduler.nowMs,
      openReadOnly: () => Promise.resolve(this.#disk),
      inUse: () => Promise.resolve(false),
    };
  }

  /** Whole ones, by their names. */
  get names(): readonly string[] {
    return [...this.#disk.image.names.keys()].filter((name) => /\.snapshot$/.test(name)).sort();
  }

  backup(file: string): Promise<BackupFile> {
    return readBackup(file, this.#world);
  }

  readonly verify = (file: string) => inspectSnapshotFile(file, this.#world);

  readonly extend = (file: string, tail: Parameters<typeof extendedSnapshot>[1]) =>
    extendedSnapshot(file, tail, this.#world);

  /** Under its name only when whole. */
  async write(file: string, parts: Iterable<Uint8Array>): Promise<void> {
    const part = `${file}.part`;
    await this.remove(part);
    const handle = await this.#disk.open(part, { create: 'exclusive' });
    let at = 0;
    for (const bytes of parts) {
      await handle.write(at, bytes);
      at += bytes.length;
    }
    await handle.flush();
    await handle.close();
    await this.#disk.rename(part, file);
  }

  remove(file: string): Promise<void> {
    return this.#disk.remove(file).catch(() => undefined);
  }

  /** Those of a {@link GenerationWorld}. */
  get port(): Pick<GenerationWorld, 'identity' | 'openFile' | 'removeFile' | 'writeFile'> {
    return {
      identity: async (file) => {
        const node = this.#disk.image.names.get(file);
        return node === undefined || node === 'folder' ? null : { dev: 1, ino: node.number };
      },
      openFile: async (file) => {
        const handle = await this.#disk.open(file, { create: false });
        return {
          read: async (buffer, offset, length, position) => {
            const bytes = await handle.read(position, Math.min(length, (await handle.size()) - position));
            buffer.set(bytes, offset);
            return { bytesRead: bytes.length };
          },
          close: () => handle.close(),
        };
      },
      removeFile: (file) => this.remove(file),
      writeFile: (file, parts) => this.write(file, parts),
    };
  }
}
