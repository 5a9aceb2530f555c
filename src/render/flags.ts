/** Values that flags of several commands have in common. */
import * as Flags from '@oclif/core/flags';
import { UsageError } from '../errors/index.ts';

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const durationMsMax = 24 * 3_600_000;

/**
 * Milliseconds of `500ms`, `8s`, `1.5m`, `1h`.
 *
 * @throws {UsageError} for anything else, a bare number included: 30 of what?
 */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.trim());
  const ms = match ? Math.round(Number(match[1]) * (units[match[2] ?? ''] ?? Number.NaN)) : Number.NaN;
  if (!(ms >= 1 && ms <= durationMsMax)) {
    throw new UsageError(`Not a duration: ${text}. Write a number and its unit: 500ms, 8s, 2m.`);
  }
  return ms;
}

/**
 * The URLs of `--endpoints`, without doubles and without a slash at the end. A bare `host:port` means http.
 *
 * @throws {UsageError} when one of them is no HTTP address of a server.
 */
export function parseEndpoints(text: string): string[] {
  const urls = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseEndpoint);
  if (urls.length === 0) throw new UsageError('No endpoint was given.');
  return [...new Set(urls)];
}

/** One URL of a replica; see {@link parseEndpoints}. */
export function parseEndpoint(text: string): string {
  const refused = new UsageError(`Not the address of a replica: ${text}. Write http://HOST:PORT.`);
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  } catch {
    throw refused;
  }
  const plain =
    url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || !plain) throw refused;
  return url.origin;
}

/** A flag in milliseconds, written as `500ms`, `8s` or `2m`. */
export const durationFlag = Flags.custom<number>({
  parse: async (input) => parseDuration(input),
  helpValue: '500ms|8s|2m',
});

const intervalUnits: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 };

/** Milliseconds of `90s`, `30m`, `6h`, `7d`, up to a year. @throws {UsageError} for anything else. */
export function parseInterval(text: string): number {
  const [, count, unit] = /^(\d{1,6})(s|m|h|d)$/.exec(text.trim()) ?? [];
  const ms = Number(count) * (intervalUnits[unit ?? ''] ?? Number.NaN);
  if (ms >= 1_000 && ms <= 366 * 24 * 3_600_000) return ms;
  throw new UsageError(`Not an interval: ${text}. Write a whole number and its unit: 30m, 6h, 7d.`);
}

/** A flag in milliseconds, written as `30m`, `6h` or `7d`. */
export const intervalFlag = Flags.custom<number>({
  parse: async (input) => parseInterval(input),
  helpValue: '30m|6h|7d',
});

/** A flag with one or more URLs. */
export const endpointsFlag = Flags.custom<string[]>({
  parse: async (input) => parseEndpoints(input),
  helpValue: 'URL[,URL]',
});

/** Names, separated by commas. */
export const listFlag = Flags.custom<string[]>({
  parse: async (input) =>
    input
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
});

const replicasMax = 9;

/** How many members a simulated cell has. @throws {UsageError} for anything else than that, or `drawn`. */
export function parseReplicas(text: string): number | 'drawn' {
  if (text === 'drawn') return text;
  const replicas = /^\d$/.test(text) ? Number(text) : 0;
  if (replicas >= 1 && replicas <= replicasMax) return replicas;
  throw new UsageError(`Not a size of a cell: ${text}. Write 1 to ${replicasMax}, or drawn.`);
}

/** A flag with a size of a simulated cell, or `drawn`. */
export const replicasFlag = Flags.custom<number | 'drawn'>({
  parse: async (input) => parseReplicas(input),
  helpValue: 'N|drawn',
});

/** A seed: a whole number as such, anything else as the text that it is. */
export const seedFlag = Flags.custom<number | string>({
  parse: async (input) => {
    const number = Number(input);
    return /^\d+$/.test(input) && Number.isSafeInteger(number) ? number : input;
  },
  helpValue: 'SEED',
});

/** @throws {UsageError} for anything but a number above 0. */
export function parsePositive(flag: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number) && number > 0) return number;
  throw new UsageError(`--${flag}: Not a number above 0: ${text}.`);
}
