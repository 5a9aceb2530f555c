/** Which part of a result a session keeps when all of it would be too much (design §3, "Exactly once"). */
import type { Epoch, Instance } from '../consensus/identity.ts';
import type { CommandResult } from './command.ts';
import type { RecordCodec } from './record.ts';

/** Status, revision, instance and epoch alone. */
export function forgetResults(result: CommandResult): CommandResult {
  if (result.kind !== 'multiop') return result;
  return { ...result, guard: [], results: [], resultsForgotten: true };
}

/** Encoded length of a MultiOp's answer without its results; nothing longer needs to be kept of any. */
export const shortAnswerBytes = (codec: RecordCodec): number =>
  codec.encodeResult({
    kind: 'multiop',
    succeeded: true,
    guard: [],
    results: [],
    revision: 0,
    instance: 0 as Instance,
    epoch: 0 as Epoch,
    resultsForgotten: true,
  }).length;

/** Bytes of all values that a result carries. */
export function valueBytesOf(result: CommandResult): number {
  if (result.kind !== 'multiop') return 0;
  let bytes = 0;
  for (const part of result.results) if (part.op === 'get' && part.entry !== null) bytes += part.entry.value.length;
  return bytes;
}
