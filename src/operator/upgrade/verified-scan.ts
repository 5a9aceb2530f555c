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

export interface Asked {
  readonly name: string;
  readonly url: string;
}

/**
 * Asks the member at `url`, and then the others, one of which has to confirm what it signed. The signer's own word counts where there is no other.
 *
 * @throws {OperatorError} `PAXOS_SIGNATURE_INVALID` (exit 4); {CheckIncompleteError} (exit 8) when nobody could tell.
 */
export async function verifiedScan(
  ask: ScanAsker,
  url: string,
  members: readonly Asked[],
  drawn: () => string = () => randomBytes(16).toString('hex'),
): Promise<VerifiedScan> {
  const nonce = drawn();
  const scan = await ask.scan(url, nonce);
  const bare = (it: string): string => it.replace(/\/$/, '');
  const others = members.filter((it) => bare(it.url) !== bare(url));
  const silent: string[] = [];
  for (const other of others.length > 0 ? others : [{ name: scan.member, url }]) {
    let verdict: ScanVerdictDocument;
    try {
      verdict = await ask.verdict(other.url, scan);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      silent.push(error.message);
      continue;
    }
    if (verdict.by !== other.name) {
      silent.push(`At ${other.url} answers ${verdict.by} instead of ${other.name}.`);
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
