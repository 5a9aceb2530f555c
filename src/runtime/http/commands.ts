/**
 * From request bodies to commands of the database, checked in full: what comes out of here may be proposed, since `apply`
 * never throws and nothing is validated after that (pitfall P51).
 */
import type { Epoch } from '../../core/consensus/identity.ts';
import type { Command, MultiOp, Operation, Revision, SessionNumber, Test } from '../../core/database/command.ts';
import type { Sequencer } from '../../core/database/lock.ts';
import { validateCommand } from '../../formats/command.ts';
import type { MultiOpBody, OperationBody, TestBody, ValueFields } from '../../formats/http-body.ts';
import type { Fault } from './keys.ts';
import { isFault } from './query.ts';

const nothing: readonly never[] = [];

// biome-ignore-start lint/suspicious/noThenProperty: guard, then, else are the names of PML §5.6 and of the contract.
export const putCommand = (key: string, value: Uint8Array, guard: readonly Test[]): MultiOp => ({
  guard,
  then: [{ op: 'put', key, value }],
  else: nothing,
});

export const deleteCommand = (key: string, guard: readonly Test[]): MultiOp => ({
  guard,
  then: [{ op: 'delete', key }],
  else: nothing,
});

/** A write as it is proposed, under the conditions of its request. */
export const multiOpCommand = (
  multiOp: MultiOp,
  {
    session,
    ifEpoch,
    sequencer,
  }: {
    readonly session: SessionNumber | null;
    readonly ifEpoch: Epoch | null;
    readonly sequencer: Sequencer | null;
  },
): Command =>
  sequencer === null
    ? { kind: 'multiop', multiOp, session, ifEpoch }
    : { kind: 'multiop', multiOp, session, ifEpoch, sequencer };

/** The MultiOp that a body asks for, or the first thing that is wrong with it. */
export function multiOpFrom(body: MultiOpBody): MultiOp | Fault {
  const guard = all(body.guard ?? nothing, testFrom);
  if (isFault(guard)) return guard;
  const then = all(body.then ?? nothing, operationFrom);
  if (isFault(then)) return then;
  const otherwise = all(body.else ?? nothing, operationFrom);
  if (isFault(otherwise)) return otherwise;
  return checked({ guard, then, else: otherwise });
}
// biome-ignore-end lint/suspicious/noThenProperty: see above.

/** Compare-and-swap by revision; none when `revision` is absent. */
export const revisionGuard = (key: string, revision: Revision | undefined): readonly Test[] =>
  revision === undefined ? nothing : [{ test: 'revision', key, revision }];

/** `multiOp` if it may be proposed. */
export function checked(multiOp: MultiOp): MultiOp | Fault {
  const problem = validateCommand({ kind: 'multiop', multiOp, session: null, ifEpoch: null })[0];
  return problem === undefined ? multiOp : { code: problem.code, detail: `${problem.at}: ${problem.message}` };
}

/** The bytes that a body names by `value` or `valueBase64`. */
export function valueBytes({ value, valueBase64 }: ValueFields): Uint8Array | Fault {
  if (value !== undefined && valueBase64 === undefined) return Buffer.from(value, 'utf8');
  if (value === undefined && valueBase64 !== undefined) return Buffer.from(valueBase64, 'base64');
  return { code: 'PAXOS_BAD_BODY', detail: 'Exactly one of "value" and "valueBase64" must be there.' };
}

function all<From, To extends object>(from: readonly From[], convert: (it: From) => To | Fault): readonly To[] | Fault {
  const to: To[] = [];
  for (const it of from) {
    const converted = convert(it);
    if (isFault(converted)) return converted;
    to.push(converted);
  }
  return to;
}

function testFrom(body: TestBody): Test | Fault {
  switch (body.test) {
    case 'absent':
    case 'present':
      return { test: body.test, key: body.key };
    case 'revision':
      return { test: 'revision', key: body.key, revision: body.revision };
    default: {
      const value = valueBytes(body);
      return isFault(value) ? value : { test: body.test, key: body.key, value };
    }
  }
}

function operationFrom(body: OperationBody): Operation | Fault {
  if (body.op !== 'put') return { op: body.op, key: body.key };
  const value = valueBytes(body);
  return isFault(value) ? value : { op: 'put', key: body.key, value };
}
