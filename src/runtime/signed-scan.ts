/**
 * What attempts have left on a member, signed with a key that only members of the cell have: any of them can tell whether one of them
 * said just this, and to just this question (design §6 "Attempts").
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { AttemptScanDocument } from '../formats/upgrade-body.ts';

type Unsigned = Omit<AttemptScanDocument, 'signature'>;

export const signed = (scan: Unsigned, rootSecret: Uint8Array | null): AttemptScanDocument => ({
  ...scan,
  signature: rootSecret === null ? '' : tag(scan, rootSecret).toString('hex'),
});

/** False also where there is no secret yet: nobody can have signed then. */
export function isSigned(scan: AttemptScanDocument, rootSecret: Uint8Array | null): boolean {
  if (rootSecret === null || !/^[0-9a-f]{64}$/.test(scan.signature)) return false;
  return timingSafeEqual(Buffer.from(scan.signature, 'hex'), tag(scan, rootSecret));
}

function tag(scan: Unsigned, rootSecret: Uint8Array): Buffer {
  const key = createHmac('sha256', rootSecret).update('paxosctl attempts').digest();
  return createHmac('sha256', key).update(canonical(scan)).digest();
}

/** A list and not an object: whoever passed it on may have written the fields in another order. */
const canonical = (scan: Unsigned): string =>
  JSON.stringify([
    scan.member,
    scan.incarnation,
    scan.boot,
    scan.version,
    scan.instance,
    scan.at,
    scan.nonce,
    scan.folders.map(({ attempt, manifest: it, files }) => [
      attempt,
      it && [it.attempt, it.from, it.to, it.startedBy, it.at, it.generation, it.instance, it.checksum],
      files.map(({ name, bytes, modifiedAt }) => [name, bytes, modifiedAt]),
    ]),
  ]);
