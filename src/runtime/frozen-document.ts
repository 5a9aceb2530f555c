/** The evidence that froze a member, as `status`, refusals and recovery show it. */
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import type { FrozenDocument } from '../formats/http-body.ts';

export function frozenDocument(evidence: FreezeEvidence | null): FrozenDocument | null {
  if (evidence === null) return null;
  const { cause, generation, seenBy, seenAtMs, text, facts } = evidence;
  return { cause, generation, seenBy, seenAt: new Date(seenAtMs).toISOString(), text, facts };
}
