/**
 * What the machine and the process around a replica are like: for `status`, `doctor` and metrics, never for a decision of
 * the protocol. Sampled now and then, because each look is a system call and status is asked for often.
 */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { hostname, totalmem } from 'node:os';
import type { MachineDocument } from '../formats/operating-body.ts';

const sampleMs = 5_000;

export class MachineFacts {
  readonly #dataDir: string;
  readonly #timer: NodeJS.Timeout;
  #kernelId: string | null = null;
  #descriptorsMax: number | null = null;
  #descriptors: number | null = null;
  #disk: { readonly freeBytes: number; readonly bytes: number } | null = null;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.#timer = setInterval(() => void this.#sample(), sampleMs);
    this.#timer.unref();
    void this.#once();
    void this.#sample();
  }

  document(): MachineDocument {
    return {
      hostname: hostname(),
      kernelId: this.#kernelId,
      pid: process.pid,
      residentBytes: process.memoryUsage.rss(),
      memoryBytesMax: memoryBytesMax(),
      descriptors: this.#descriptors,
      descriptorsMax: this.#descriptorsMax,
      diskFreeBytes: this.#disk?.freeBytes ?? null,
      diskBytes: this.#disk?.bytes ?? null,
    };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #once(): Promise<void> {
    this.#kernelId = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((it) => it.trim(), nothing);
    const limits = await readFile('/proc/self/limits', 'utf8').catch(nothing);
    const soft = /^Max open files\s+(\d+)/m.exec(limits ?? '')?.[1];
    this.#descriptorsMax = soft === undefined ? null : Number(soft);
  }

  async #sample(): Promise<void> {
    const open = await readdir('/proc/self/fd').catch(nothing);
    this.#descriptors = open === null ? null : open.length;
    const found = await statfs(this.#dataDir).catch(nothing);
    this.#disk = found === null ? null : { freeBytes: found.bavail * found.bsize, bytes: found.blocks * found.bsize };
  }
}

const nothing = (): null => null;

/** A container may be allowed less than the machine has; what says "no limit" is a number larger than any machine. */
function memoryBytesMax(): number {
  const constrained = process.constrainedMemory() ?? 0;
  const total = totalmem();
  return constrained > 0 && constrained < total ? constrained : total;
}
