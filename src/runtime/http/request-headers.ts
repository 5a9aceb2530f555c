/**
 * The request headers that this server understands, read from the raw list in one pass: cheaper than the object that
 * Node.js would build, and a repeated header is refused instead of joined or dropped.
 */
export class RequestHeaders {
  host: string | null = null;
  contentType: string | null = null;
  contentLength: string | null = null;
  contentEncoding: string | null = null;
  transferEncoding: string | null = null;
  ifMatch: string | null = null;
  ifNoneMatch: string | null = null;
  idempotencyKey: string | null = null;
  paxosEpoch: string | null = null;
  paxosPosition: string | null = null;
  paxosSequencer: string | null = null;
  lastEventId: string | null = null;
  /** Name of the first header that stands twice; null when none does. */
  repeated: string | null = null;
}

type Field = Exclude<keyof RequestHeaders, 'repeated'>;

/** By length first, so that most headers cost one comparison of numbers. */
const fieldsByLength: readonly (readonly (readonly [name: string, field: Field])[] | undefined)[] = (() => {
  const known: readonly (readonly [string, Field])[] = [
    ['host', 'host'],
    ['content-type', 'contentType'],
    ['content-length', 'contentLength'],
    ['content-encoding', 'contentEncoding'],
    ['transfer-encoding', 'transferEncoding'],
    ['if-match', 'ifMatch'],
    ['if-none-match', 'ifNoneMatch'],
    ['idempotency-key', 'idempotencyKey'],
    ['paxos-epoch', 'paxosEpoch'],
    ['paxos-position', 'paxosPosition'],
    ['paxos-sequencer', 'paxosSequencer'],
    ['last-event-id', 'lastEventId'],
  ];
  const byLength: (readonly (readonly [string, Field])[] | undefined)[] = new Array(20).fill(undefined);
  for (const pair of known) byLength[pair[0].length] = [...(byLength[pair[0].length] ?? []), pair];
  return byLength;
})();

/** `raw` alternates names and values, as `IncomingMessage.rawHeaders` does. */
export function readHeaders(raw: readonly string[]): RequestHeaders {
  const headers = new RequestHeaders();
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!;
    const candidates = fieldsByLength[name.length];
    if (candidates === undefined) continue;
    const lower = name.toLowerCase();
    for (const [known, field] of candidates) {
      if (known !== lower) continue;
      if (headers[field] !== null) headers.repeated ??= known;
      headers[field] = raw[i + 1]!;
    }
  }
  return headers;
}
