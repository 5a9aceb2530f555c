/**
 * Loaded into a member (`--import`): how late its event loop runs. On SIGUSR2 it writes what was measured since the last one to
 * the file named by PAXOSCTL_BENCH_LOOP_DELAY, and begins anew.
 */
import fs from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 1;
const file = process.env.PAXOSCTL_BENCH_LOOP_DELAY;

if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  process.on('SIGUSR2', () => {
    const lateMs = (share) => Math.max(0, histogram.percentile(share) / 1e6 - resolutionMs);
    const figures = { p50: lateMs(50), p99: lateMs(99), p999: lateMs(99.9), max: histogram.max / 1e6 - resolutionMs };
    histogram.reset();
    fs.writeFileSync(`${file}.part`, JSON.stringify(figures));
    fs.renameSync(`${file}.part`, file);
  });
}
