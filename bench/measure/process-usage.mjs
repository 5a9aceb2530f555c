/** What the kernel says of a process. Linux only; null elsewhere. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

let ticksASecond = null;

/** CPU seconds of all threads since the start, user and system together. */
export function cpuSeconds(pid) {
  const stat = readProcess(pid, 'stat');
  if (stat === null) return null;
  // The name in parentheses may hold spaces and parentheses itself; user and system time are the 12th and 13th field after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  ticksASecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  return (Number(fields[11]) + Number(fields[12])) / ticksASecond;
}

/** Resident megabytes (2^20). */
export function residentMegabytes(pid) {
  const status = readProcess(pid, 'status');
  const kilobytes = status === null ? null : /^VmRSS:\s+(\d+) kB/m.exec(status);
  return kilobytes === null ? null : Number(kilobytes[1]) / 1024;
}

/** Sum over the members, or null when one of them cannot be asked. */
export function cpuSecondsOf(members) {
  let sum = 0;
  for (const { pid } of members) {
    const seconds = pid === null ? null : cpuSeconds(pid);
    if (seconds === null) return null;
    sum += seconds;
  }
  return sum;
}

function readProcess(pid, file) {
  try {
    return fs.readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null;
  }
}
