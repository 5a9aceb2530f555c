/** What happened on the peer network, for metrics and for tests: a refused message is counted, not only refused (I18). */
export class PeerCounters {
  framesSent = 0;
  messagesSent = 0;
  bytesSent = 0;
  framesReceived = 0;
  messagesReceived = 0;
  bytesReceived = 0;
  /** Not connected, or no such peer. */
  droppedUnreachable = 0;
  droppedQueueFull = 0;
  /** Longer than any frame may be. */
  droppedTooLarge = 0;
  connectionsOpened = 0;
  /** Wrong length or tag. */
  framesTampered = 0;
  /** A right tag around bytes that are no messages. */
  framesUndecodable = 0;
  connectionsSilent = 0;
  dialsFailed = 0;
  snapshotsServed = 0;
  snapshotBytesSent = 0;
  /** Handshakes that we refused, by code. */
  readonly refusedInbound = new Map<string, number>();
  /** Handshakes of ours that others refused, or that we broke off, by code. */
  readonly refusedOutbound = new Map<string, number>();
}

/** Codes come from the other side too, so there is a bound on how many are told apart. */
const codesMax = 64;

export function countCode(counts: Map<string, number>, code: string): void {
  const key = counts.has(code) || counts.size < codesMax ? code : 'other';
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
