/**
 * "Nothing is left" counts as the word of a member once another member has confirmed its signature: the driver has no key, and
 * whatever stands between it and the member (a proxy, an answer from a cache, the wrong process) has none either (design §6).
 */
import { randomBytes } from 'node:crypto';
import { CheckIncompleteError, OperatorError } from '../../errors/index.ts';
import type { AttemptScanDocument, ScanVerdictDocument } from '../../formats/upgrade-body.ts';

export interface VerifiedScan extends AttemptScanDocument {
  readonly verifiedBy: string;
}

export interface ScanAsker {
  scan(url: string, nonce: string): Promise<AttemptScanDocument>;
  verdict(url: string, scan: AttemptScanDocument): Promise<ScanVerdictDocument>;
}

/**
 * Asks the member at `url`, and then whoever else answers. The signer itself is asked last: where it is the only one.
 *
 * @throws {OperatorError} `PAXOS_SIGNATURE_INVALID` (exit 4); {CheckIncompleteError} (exit 8) when nobody could tell.
 */
export async function verifiedScan(
  ask: ScanAsker,
  url: string,
  members: readonly string[],
  drawn: () => string = () => randomBytes(16).toString('hex'),
): Promise<VerifiedScan> {
  const nonce = drawn();
  const scan = await ask.scan(url, nonce);
  const bare = (it: string): string => it.replace(/\/$/, '');
  const others = members.filter((it) => bare(it) !== bare(url));
  const silent: string[] = [];
  for (const other of [...others, url]) {
    let verdict: ScanVerdictDocument;
    try {
      verdict = await ask.verdict(other, scan);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      silent.push(error.message);
      continue;
    }
    if (verdict.valid && scan.nonce === nonce) return { ...scan, verifiedBy: verdict.by };
    throw new OperatorError(
      'PAXOS_SIGNATURE_INVALID',
      `What ${url} said in the name of ${scan.member} is not signed by a member of this cell for this question; ${verdict.by} says so.`,
      { facts: { url, member: scan.member, by: verdict.by }, suggestions: ['paxosctl status', 'paxosctl doctor'] },
    );
  }
  throw new CheckIncompleteError(`Nobody could verify the signature of ${scan.member}: ${silent.join(' ')}`, {
    facts: { member: scan.member },
    suggestions: ['paxosctl status'],
  });
}
