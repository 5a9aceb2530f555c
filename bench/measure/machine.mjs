/** What the figures were measured on. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { quantile } from './statistics.mjs';

const tmpfsType = 0x01021994;
const ramfsType = 0x858458f6;

/** A flush costs nothing there, so every figure would be wrong. */
export const isInMemory = (directory) => [tmpfsType, ramfsType].includes(fs.statfsSync(directory).type);

export function describeMachine(directory) {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    memoryGigabytes: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release()}`,
    node: process.version,
    flushMs: measureFlush(directory),
  };
}

/** p50 and p99 of 200 times 4 KiB into a preallocated file with fdatasync, in milliseconds. */
function measureFlush(directory) {
  const file = path.join(directory, 'flush-probe');
  const block = Buffer.alloc(4096, 1);
  const blocks = 64;
  const times = [];
  const fd = fs.openSync(file, 'w');
  try {
    for (let i = 0; i < blocks; i += 1) fs.writeSync(fd, block, 0, block.length, i * block.length);
    fs.fsyncSync(fd);
    for (let i = 0; i < 200; i += 1) {
      const start = performance.now();
      fs.writeSync(fd, block, 0, block.length, (i % blocks) * block.length);
      fs.fdatasyncSync(fd);
      times.push(performance.now() - start);
    }
  } finally {
    fs.closeSync(fd);
    fs.rmSync(file, { force: true });
  }
  times.sort((a, b) => a - b);
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
}
