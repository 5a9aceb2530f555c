/** How the conditions and the number of a write travel. */
import type { MultiOpBody, OperationBody } from '../formats/http-body.ts';
import type { WriteOptions } from './options.ts';
import type { SessionNumber } from './session.ts';

/** `match`: conditions on the entry travel as headers too. */
export function writeHeaders(
  number: SessionNumber | null,
  options: WriteOptions,
  condition: 'match' | 'none',
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (number !== null) headers['idempotency-key'] = `${number.session}/${number.sequence}`;
  if (options.ifEpoch !== undefined) headers['paxos-epoch'] = String(options.ifEpoch);
  if (options.sequencer !== undefined) headers['paxos-sequencer'] = options.sequencer;
  if (condition === 'none') return headers;
  if (options.ifAbsent === true && options.ifRevision === undefined) headers['if-none-match'] = '*';
  else if (options.ifRevision !== undefined) headers['if-match'] = `"${options.ifRevision}"`;
  return headers;
}

/** As the condition of an operation of a batch. */
export const revisionCondition = (options: WriteOptions): { readonly ifRevision?: number } =>
  options.ifRevision !== undefined
    ? { ifRevision: options.ifRevision }
    : options.ifAbsent === true
      ? { ifRevision: 0 }
      : {};

/** One operation on a key as a MultiOp, under the conditions that are set. */
export function single(operation: OperationBody, options: WriteOptions = {}): MultiOpBody {
  const { key } = operation;
  const { ifRevision } = revisionCondition(options);
  const guard = ifRevision === undefined ? [] : [{ key, test: 'revision', revision: ifRevision } as const];
  // biome-ignore lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6 and of the contract.
  return { guard, then: [operation] };
}
