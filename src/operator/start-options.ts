/** The flags of `node start` as values, each refused with what to write instead. */
import { readFileSync, statSync } from 'node:fs';
import { UsageError } from '../errors/index.ts';

/** As in core/consensus/identity.ts; the tests compare them. */
export const memberNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export interface ListedMember {
  readonly name: string;
  readonly url: string;
}

/** @throws {UsageError} for anything that is no name. */
export function parseName(text: string): string {
  if (memberNamePattern.test(text)) return text;
  throw new UsageError(`Not a name of a member: ${text}. Names are 1-63 letters, digits, ".", "_" or "-".`);
}

/** `n1=http://…,n2=http://…`. @throws {UsageError} for anything else, and when a name or a URL comes twice. */
export function parseMembers(text: string, parseUrl: (text: string) => string): ListedMember[] {
  const members = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new UsageError(`Not a member: ${part}. Write NAME=http://HOST:PORT, separated by commas.`);
      return { name: parseName(part.slice(0, at)), url: parseUrl(part.slice(at + 1)) };
    });
  if (members.length === 0)
    throw new UsageError('No member is listed. Write NAME=http://HOST:PORT, separated by commas.');
  for (const field of ['name', 'url'] as const) {
    const values = members.map((member) => member[field]);
    const twice = values.find((value, at) => values.indexOf(value) !== at);
    if (twice !== undefined)
      throw new UsageError(`${twice} is listed twice; every member has a name and an address of its own.`);
  }
  return members;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPv6]:PORT`; port 0 picks a free one. @throws {UsageError} */
export function parseListen(text: string): ListenAddress {
  const [, six, four, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = six ?? four;
  const port = Number(digits);
  if (host === undefined || port > 65_535) {
    throw new UsageError(`Not an address to listen on: ${text}. Write HOST:PORT, such as 127.0.0.1:7401.`);
  }
  return { host, port };
}

/** True when only this machine can reach the address. A name other than localhost may mean anything. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

export interface Protection {
  readonly secret: Uint8Array | null;
  /** What the log should say of it. */
  readonly warnings: readonly string[];
}

const secretBytesMin = 16;

/**
 * The operator's secret, or the permission to do without.
 *
 * @throws {UsageError} for an address that others can reach without either of them.
 */
export function protectionOf(
  listen: ListenAddress,
  flags: { readonly secretFile: string | undefined; readonly insecure: boolean },
): Protection {
  if (flags.secretFile !== undefined) return readSecret(flags.secretFile);
  if (isLoopback(listen.host)) return { secret: null, warnings: [] };
  if (!flags.insecure) {
    throw new UsageError(
      `Others can reach ${listen.host}:${listen.port}. Give --secret-file FILE, or --insecure if whoever reaches it may do anything.`,
      { facts: listen as unknown as Record<string, unknown> },
    );
  }
  return { secret: null, warnings: ['insecure: whoever reaches this address can read, write and operate the cell'] };
}

function readSecret(file: string): Protection {
  let text: string;
  let mode: number;
  try {
    text = readFileSync(file, 'utf8').trim();
    mode = statSync(file).mode;
  } catch (error) {
    throw new UsageError(`Secret file ${file} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  const secret = Buffer.from(text, 'utf8');
  if (secret.length < secretBytesMin) {
    throw new UsageError(`Secret file ${file} holds ${secret.length} bytes; a secret has at least ${secretBytesMin}.`, {
      facts: { file },
      suggestions: [`openssl rand -hex 32 > ${file}`],
    });
  }
  const warnings = (mode & 0o077) === 0 ? [] : [`secret file ${file} can be read by others: chmod 600`];
  return { secret, warnings };
}
