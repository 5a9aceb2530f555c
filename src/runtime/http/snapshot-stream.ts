/**
 * A snapshot file on its way to an operator: in small pieces, paced, never more than the connection takes, so that neither a
 * fast reader nor a stalled one is felt by the log (pitfalls N13, P55).
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpLimits } from './limits.ts';
import type { SnapshotDownload } from './service.ts';

type Limits = Pick<HttpLimits, 'snapshotChunkBytes' | 'snapshotBytesPerSecond' | 'snapshotStallMs'>;

/** The whole file, its head written already. @throws when the file ends early, or the reader went away or stalls. */
export async function sendSnapshot(
  response: ServerResponse,
  file: Omit<SnapshotDownload, 'snapshot'>,
  limits: Limits,
): Promise<void> {
  const startedMs = performance.now();
  for (let offset = 0; offset < file.bytes; ) {
    const wanted = Math.min(limits.snapshotChunkBytes, file.bytes - offset);
    const chunk = await file.read(offset, wanted);
    if (chunk.length !== wanted) throw new Error(`the file ended at ${offset + chunk.length}`);
    if (response.destroyed) throw new Error('the reader went away');
    if (!response.write(chunk)) await drained(response, limits.snapshotStallMs);
    offset += wanted;
    const aheadMs =
      limits.snapshotBytesPerSecond === 0
        ? 0
        : startedMs + (offset / limits.snapshotBytesPerSecond) * 1000 - performance.now();
    if (aheadMs >= 1) await sleep(aheadMs);
  }
  response.end();
}

function drained(response: ServerResponse, stallMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => () => {
      clearTimeout(timer);
      response.off('drain', onDrain);
      response.off('close', onClose);
      outcome();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new Error('the reader went away')));
    const timer = setTimeout(
      settle(() => reject(new Error('the reader has stopped reading'))),
      stallMs,
    );
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (response.destroyed) onClose();
  });
}
