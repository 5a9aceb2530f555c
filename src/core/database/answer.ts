/** Which part of a result a session keeps when all of it would be too much (design §3, "Exactly once"). */
import type { Epoch, Instance } from '../consensus/identity.ts';
import type { CommandResult } from './command.ts';
import type { RecordCodec } from './record.ts';

/** Status, revision, instance and epoch alone. */
export function forgetResults(result: CommandResult): CommandResult {
  if (result.kind !== 'multiop') return result;
  return { ...result, guard: [], results: [], resultsForgotten: true };
}

/**
 * Encoded length of the longest answer of a single write on one condition. It can be kept for every number, and is never
 * shortened: a retry of a delete that found nothing must not be told that it deleted. No shortened answer is longer.
 */
export const singleWriteAnswerBytes = (codec: RecordCodec): number =>
  codec.encodeResult({
    kind: 'multiop',
    succeeded: true,
    guard: [true],
    results: [{ op: 'put', revision: 0, created: true }],
    revision: 0,
    instance: 0 as Instance,
    epoch: 0 as Epoch,
  }).length;

/** Bytes of all values that a result carries. */
export function valueBytesOf(result: CommandResult): number {
  if (result.kind !== 'multiop') return 0;
  let bytes = 0;
  for (const part of result.results) if (part.op === 'get' && part.entry !== null) bytes += part.entry.value.length;
  return bytes;
}
