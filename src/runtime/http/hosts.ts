/**
 * Which `Host` headers are answered. A page in a browser can make its own host name resolve to 127.0.0.1 and then talk to
 * this replica as if it were that page's server (DNS rebinding); its `Host` gives it away.
 */
export class Hosts {
  readonly #names: ReadonlySet<string> | null;
  /** The last one that was let through, so that the common case is one comparison. */
  #last: string | null = null;

  /** Null: any host, for a replica that listens beyond loopback. */
  constructor(names: readonly string[] | null) {
    this.#names = names === null ? null : new Set(['localhost', '127.0.0.1', '[::1]', ...names.map(hostOnly)]);
  }

  allows(host: string | null): boolean {
    if (this.#names === null || host === this.#last) return true;
    // HTTP/1.0 clients send none; browsers always do.
    if (host === null) return true;
    if (!this.#names.has(hostOnly(host))) return false;
    this.#last = host;
    return true;
  }
}

const hostOnly = (host: string): string => host.replace(/:\d*$/, '').toLowerCase();

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
