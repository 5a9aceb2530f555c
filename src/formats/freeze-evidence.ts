/** Bytes of the evidence that froze a member: in its manifest, and in what it tells the others. */
import { type FreezeEvidence, freezeCauses } from '../core/consensus/freeze.ts';
import { memberNamePattern, parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import { type ByteReader, type ByteWriter, FormatError } from './bytes.ts';

/** More could not be shown to anybody; keeps a frame small. */
const factsMax = 64;
const textCharactersMax = 4096;

export function writeFreezeEvidence(to: ByteWriter, evidence: FreezeEvidence): void {
  const { name, incarnation } = parseReplicaId(evidence.seenBy);
  to.u8(freezeCauses.indexOf(evidence.cause)).safe(evidence.generation);
  to.text(name)
    .safe(incarnation)
    .safe(Math.max(0, Math.trunc(evidence.seenAtMs)));
  to.text(evidence.text.slice(0, textCharactersMax));
  const facts = Object.entries(evidence.facts).slice(0, factsMax);
  to.u8(facts.length);
  for (const [key, value] of facts) {
    to.text(key);
    if (typeof value === 'number') to.u8(0).safe(value);
    else to.u8(1).text(value.slice(0, textCharactersMax));
  }
}

/** @throws {FormatError} */
export function readFreezeEvidence(from: ByteReader): FreezeEvidence {
  const cause = freezeCauses[from.u8()];
  if (cause === undefined) throw new FormatError('evidence of an unknown cause');
  const generation = from.safe();
  const name = from.text();
  if (!memberNamePattern.test(name)) throw new FormatError('evidence of a member with a bad name');
  const seenBy = replicaId(name, from.safe());
  const seenAtMs = from.safe();
  const text = from.text();
  const count = from.u8();
  if (count > factsMax) throw new FormatError('evidence of too many facts');
  const facts: [string, string | number][] = [];
  for (let i = 0; i < count; i++) facts.push([from.text(), readFact(from)]);
  return { cause, generation, seenBy, seenAtMs, text, facts: Object.fromEntries(facts) };
}

function readFact(from: ByteReader): string | number {
  const kind = from.u8();
  if (kind > 1) throw new FormatError(`a fact of unknown kind ${kind}`);
  return kind === 0 ? from.safe() : from.text();
}
