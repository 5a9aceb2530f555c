/**
 * What the HTTP front lets a client take of this replica. Each reached limit is an answer, never a crash or a queue.
 */
export interface HttpLimits {
  /** Header block in bytes; 431 above. */
  readonly headerBytesMax: number;
  /** Headers of one request; 431 above. */
  readonly headersMax: number;
  /** Path and query in bytes; 414 above. A key of 1024 bytes takes 3 KiB when percent-encoded. */
  readonly urlBytesMax: number;
  /** JSON bodies in bytes; 413 above. Escapes and base64 make them larger than what they carry. */
  readonly jsonBytesMax: number;
  /** Bodies being read, all together, in bytes; 503 above. */
  readonly bodyBytesInFlightMax: number;
  /** Requests that wait for something (a body, a mark, the log); 503 above, before any work. */
  readonly requestsInFlightMax: number;
  /** Operations of one batch. */
  readonly batchOperationsMax: number;
  /** Values in one answer to a batch or MultiOp, in bytes. JSON may take six times as much, and must stay a string. */
  readonly answerBytesMax: number;
  /** Time for the header block to arrive. */
  readonly headersTimeoutMs: number;
  /** Time for the whole request to arrive; 408 after it. */
  readonly requestTimeoutMs: number;
  /** Idle connections are closed after this. Above the 60 s of common proxies, so that they close first. */
  readonly keepAliveTimeoutMs: number;
  /** A connection on which nothing moves in the middle of an answer is cut after this. */
  readonly stalledTimeoutMs: number;
  /** How long a request may wait for the log, or for its position, before it is answered 504 or 503. */
  readonly answerTimeoutMs: number;
  /** How long requests are held back while mastership is handed over. */
  readonly movingMsMax: number;
  readonly movingPollMs: number;
  /** How often Node.js looks for late requests; bounds the error of the timeouts above. */
  readonly checkIntervalMs: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  /** Connections above both limits that are still let in, because their first request may be a peer's. */
  readonly connectionsForPeers: number;
  /** Time for such a connection to show that it is a peer's. */
  readonly probationMs: number;
  /** Entries of one page of a listing. */
  readonly listEntriesMax: number;
  readonly listEntriesDefault: number;
  /** Keys and values of one page in bytes; a page has at least one entry. */
  readonly listBytesMax: number;
  /** Views kept so that later pages of a listing show the same point in time; the least recently used goes first. */
  readonly listViewsMax: number;
  readonly listViewMs: number;
  readonly sessionTtlMsDefault: number;
  /** Clients that watch; 503 above. They leave room for connections that ask. */
  readonly watchersMax: number;
  /** A watcher to which nothing was sent for so long is told how far the database is. */
  readonly watchIdleMs: number;
  /** How often it is looked whether this replica still serves while nothing changes. */
  readonly watchLookMs: number;
  /** Watchers are told of changes for so long before other work of the event loop has its turn. */
  readonly watchSliceMs: number;
  /** Of a snapshot that is read by an operator, at once. */
  readonly snapshotChunkBytes: number;
  /** Pace of one such stream; 0 for as fast as it goes. */
  readonly snapshotBytesPerSecond: number;
  /** A reader that takes nothing for this long has gone. */
  readonly snapshotStallMs: number;
}

export const defaultHttpLimits: HttpLimits = {
  headerBytesMax: 16 * 1024,
  headersMax: 1000,
  urlBytesMax: 8 * 1024,
  jsonBytesMax: 2 * 1024 * 1024,
  bodyBytesInFlightMax: 64 * 1024 * 1024,
  requestsInFlightMax: 8192,
  batchOperationsMax: 1000,
  answerBytesMax: 8 * 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 65_000,
  stalledTimeoutMs: 120_000,
  answerTimeoutMs: 10_000,
  movingMsMax: 1000,
  movingPollMs: 5,
  checkIntervalMs: 1000,
  connectionsMax: 2048,
  connectionsPerAddressMax: 1024,
  connectionsForPeers: 64,
  probationMs: 2000,
  listEntriesMax: 10_000,
  listEntriesDefault: 1000,
  listBytesMax: 1024 * 1024,
  listViewsMax: 16,
  listViewMs: 60_000,
  sessionTtlMsDefault: 10 * 60_000,
  watchersMax: 800,
  watchIdleMs: 5_000,
  watchLookMs: 250,
  watchSliceMs: 4,
  snapshotChunkBytes: 64 * 1024,
  snapshotBytesPerSecond: 64 * 1024 * 1024,
  snapshotStallMs: 10_000,
};
