/** Numbers for people. */

/** 9184001 as 9,184,001. */
export const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

/** A length of time in its two largest units: `3d04h`, `6m12s`, `7.1s`, `40ms`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${(ms / 1000).toFixed(1)}s`;
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  const [large, small] = [parts[first], parts[first + 1]];
  const rest = small ? `${String(small[0]).padStart(2, '0')}${small[1]}` : '';
  return `${large?.[0]}${large?.[1]}${rest}`;
}

/** 1 replica, 3 replicas. */
export const counted = (count: number, noun: string): string => `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;

/** Bytes in the largest unit of 1024 that leaves a number from 1 on. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = count;
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}
