/**
 * Recognises a replica's state: 128 bits of everything in it that can make a difference.
 *
 * Runs only in the explorer's bundle, where the core's private fields are ordinary properties (`tooling/explorer-bundle.mjs`),
 * so that no list of fields kept by hand can miss one: whatever is there counts, unless it is named here with its reason.
 *
 * States are the same when they differ only in
 * - numbers of writes by how many are durable: what counts is which are not yet (`persisted` is fed by number, in order);
 * - times: clocks stand still but for jumps longer than every timer, so a time is now, before now, or after it;
 * - the order within sets and maps: the core iterates them only to send the same to several, and messages have no order here;
 * - the fields left out below.
 */

/** Left out: what only tells people something, caches, and what this scope never uses. */
const ignored = new Set([
  // Counts and hints for people.
  'ignored',
  'heard',
  // A cache of what stands in the list beside it.
  '_memberships_',
  // When to wake: here timers fire when the search says so, whatever was asked for.
  '_wakeAtMs_',
  '_failures_',
  // Who could take over: no mastership is handed over in these scopes.
  '_peers_',
  // Constants.
  'limits',
  '_hooks_',
  // Below which ballot a damaged log may have lost something: no disk is damaged here.
  '_damagedBelow_',
  // The clocks of the present input, and what is derived from their standing still.
  'now',
  '_bootLeadMs_',
  '_boostAtMs_',
  '_servingSinceMs_',
]);

/** Points in time from which something is counted: now is not the same as before. */
const begun = new Set([
  'lastSentMs',
  'startedMs',
  '_startedMs_',
  '_askedMs_',
  '_lastSubmittedMs_',
  '_lastProposedMs_',
  'monotonicMs',
]);
/** Points in time until which something waits or holds: reached or not. */
const ends = new Set(['_untilMs_', '_notBeforeMs_', '_inquireMs_']);
/** The other clocks of the same moment. */
const sameMoment = new Set(['wallMs', 'bootMs']);
const writes = new Set(['write', '_promisedWrite_', 'ownWrite', '_nextWrite_', '_durable_']);

/** Names of fields that were met, of those that are told apart above. */
const metNames = new Set<string>();

/** Names that are told apart above and that no state so far has had: fields that are gone or have another name now. */
export function unmetNames(): string[] {
  return [ignored, begun, ends, sameMoment, writes].flatMap((names) =>
    [...names].filter((name) => !metNames.has(name)),
  );
}

/** Immutable data of messages and log: their text is kept. */
const texts = new WeakMap<object, string>();

export class Fingerprint {
  readonly #nextMs: number;
  readonly #durable: number;
  readonly #met = new Set<object>();
  #text = '';

  /** `nextMs` is the time at which the next event comes, `durable` the number of the last durable write. */
  constructor(options: { readonly nextMs: number; readonly durable: number }) {
    this.#nextMs = options.nextMs;
    this.#durable = options.durable;
  }

  /** Takes in one more part of the state. */
  add(part: unknown): this {
    this.#walk('', part);
    return this;
  }

  get text(): string {
    return this.#text;
  }

  #walk(key: string, part: unknown): void {
    switch (typeof part) {
      case 'number':
        this.#text += this.#number(key, part);
        return;
      case 'object':
        if (part === null) this.#text += '~';
        else this.#object(key, part);
        return;
      case 'function':
        return;
      default:
        this.#text += `${String(part)},`;
    }
  }

  #number(key: string, n: number): string {
    if (writes.has(key)) return n <= this.#durable ? 'd' : `w${n - this.#durable}`;
    if (begun.has(key)) return n < this.#nextMs ? 'p' : n === this.#nextMs ? 'n' : 'f';
    if (ends.has(key)) return n <= this.#nextMs ? 'p' : 'f';
    if (sameMoment.has(key)) return '';
    return `${n},`;
  }

  #object(key: string, part: object): void {
    if (key === 'value' || key === 'configuration') {
      this.#text += dataText(part);
      return;
    }
    if (Array.isArray(part)) {
      this.#text += '[';
      for (const item of part) this.#walk(key, item);
      this.#text += ']';
    } else if (part instanceof Map) this.#map(part);
    else if (part instanceof Set) this.#text += `{${[...part].sort().join(' ')}}`;
    else if (part instanceof Uint8Array) this.#text += `${part.join(' ')};`;
    else this.#fields(part);
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    this.#text += '(';
    const keys = [...map.keys()] as (string | number)[];
    keys.sort((a, b) => (a < b ? -1 : 1));
    for (const key of keys) {
      this.#text += `${key}:`;
      this.#walk('', map.get(key));
    }
    this.#text += ')';
  }

  /** Parts of the replica know each other: each is walked where it is met first, always in the same order. */
  #fields(part: object): void {
    const isPart = Object.getPrototypeOf(part) !== Object.prototype || 'outbox' in part;
    if (isPart) {
      if (this.#met.has(part)) return;
      this.#met.add(part);
    }
    // A grant that is over, or will be, is none.
    if ('_untilMs_' in part && (part._untilMs_ as number) <= this.#nextMs) {
      this.#text += '-';
      return;
    }
    this.#text += '<';
    const idle = '_knower_' in part ? idleCatchUp(part) : null;
    for (const [key, value] of Object.entries(part)) {
      metNames.add(key);
      if (!ignored.has(key) && idle?.has(key) !== true) this.#walk(key, value);
    }
    this.#text += '>';
  }
}

/** An answer to a request for missed values comes at once, under the number of that request, whatever it is. */
const numberOfRequest: ReadonlySet<string> = new Set(['_nonce_']);
/** Who misses nothing forgets whom it asked, and takes over both what there is and who has it from whoever speaks of more. */
const nothingMissed: ReadonlySet<string> = new Set(['_nonce_', '_target_', '_knower_', '_asked_']);

const idleCatchUp = (part: object): ReadonlySet<string> =>
  (part as { readonly behind?: number }).behind === 0 ? nothingMissed : numberOfRequest;

/** A text that equal data share: keys stand in the order in which the core writes them. */
export function dataText(data: object): string {
  let text = texts.get(data);
  if (text === undefined) {
    text = JSON.stringify(data, (_key, value) => (value instanceof Uint8Array ? [...value] : (value as unknown)));
    texts.set(data, text);
  }
  return text;
}

/** 128 bits of a text: among a million texts two are the same by chance once in 10^26. */
export function hash128(text: string): string {
  let [a, b, c, d] = [0x9e3779b9, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15);
    c = Math.imul(c ^ code, 0x85ebca6b) + (a >>> 7);
    d = Math.imul(d ^ code, 0xc2b2ae35) ^ (b >>> 13);
    a = (a << 5) | (a >>> 27);
  }
  return [a, b, c, d].map(finish).join(':');
}

function finish(word: number): string {
  let h = word ^ (word >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0).toString(36);
}
