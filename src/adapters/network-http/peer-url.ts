/**
 * Addresses of members. They come from operators and from other replicas, so a bad one must not make this replica call
 * anything that is no replica (bad input 28): plain `http://host:port`, no credentials, no path, no link-local address,
 * where clouds serve their credentials.
 */
import { isIP } from 'node:net';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws {TypeError} with a sentence that says what is wrong with `url`. */
export function parsePeerUrl(url: string): PeerAddress {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new TypeError('a member url must look like http://host:port');
  }
  if (parsed.protocol !== 'http:') throw new TypeError(`a member url begins with http:, not ${parsed.protocol}`);
  if (parsed.username !== '' || parsed.password !== '') throw new TypeError('a member url carries no credentials');
  if (parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '') {
    throw new TypeError('a member url has no path, query or fragment');
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === '' || isForbiddenAddress(host)) throw new TypeError('a member url names no address of a replica');
  const port = parsed.port === '' ? 80 : Number(parsed.port);
  if (port === 0) throw new TypeError('a member url has a port from 1 to 65535');
  return { host, port };
}

/** Link-local and unspecified addresses, also where a name resolved to one. */
export function isForbiddenAddress(address: string): boolean {
  const plain = address.toLowerCase().replace(/^::ffff:/, '');
  if (isIP(plain) === 4) return plain.startsWith('169.254.') || plain === '0.0.0.0';
  if (isIP(plain) === 6) return /^fe[89ab][0-9a-f]:/.test(plain) || plain === '::';
  // What is left of an IPv4 address that was written as ::ffff:a9fe:xxxx.
  return /^a9fe:[0-9a-f]{1,4}$/.test(plain);
}
