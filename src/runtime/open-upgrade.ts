/**
 * The upgrade that is open in this cell, as the cell's own entries tell: members are not changed while there is one (design §6).
 *
 * What stands there was written by drivers of any version: nothing of it is believed to have the right shape.
 */
import type { SystemCommand } from '../core/database/system-entry.ts';
import type { OpenUpgradeDocument } from '../formats/operating-body.ts';
import { attemptKey, claimKey, claimLapsesMs, claimRenewedKey, currentKey } from '../formats/upgrade-body.ts';

export interface OpenUpgrade extends OpenUpgradeDocument {
  readonly startedBy: string;
  /** Who drives it at this moment; null when nobody was heard for long enough. */
  readonly driver: string | null;
}

type Entries = ReadonlyMap<string, { readonly value: Uint8Array }>;

export function openUpgradeOf(entries: Entries, cellTimeMs: number): OpenUpgrade | null {
  const attempt = textOf(entries, currentKey);
  if (attempt === null) return null;
  const journal = documentOf(entries, attemptKey(attempt));
  const claim = documentOf(entries, claimKey);
  const renewed = Number(textOf(entries, claimRenewedKey) ?? 0);
  const said = (key: string): string => (typeof journal[key] === 'string' ? journal[key] : 'unknown');
  return {
    attempt,
    state: said('state'),
    from: said('from'),
    to: said('to'),
    changedAt: said('changedAt'),
    startedBy: said('startedBy'),
    driver: typeof claim.driver === 'string' && cellTimeMs - renewed < claimLapsesMs ? claim.driver : null,
  };
}

/** The attempt that this command would open; null when it opens none, or is of one that is open already. */
export function opens({ writes }: SystemCommand, entries: Entries): string | null {
  const value = writes.find(({ key }) => key === currentKey)?.value ?? null;
  const attempt = value === null ? null : Buffer.from(value).toString('utf8');
  return attempt === textOf(entries, currentKey) ? null : attempt;
}

/** One of which nothing stands in the cell yet. */
export const beingOpened = (attempt: string): OpenUpgrade => ({
  ...{ attempt, state: 'running', from: 'unknown', to: 'unknown', changedAt: 'unknown', startedBy: 'unknown' },
  driver: 'somebody at this moment',
});

function textOf(entries: Entries, key: string): string | null {
  const value = entries.get(key)?.value;
  return value === undefined ? null : Buffer.from(value).toString('utf8');
}

function documentOf(entries: Entries, key: string): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(textOf(entries, key) ?? '{}');
    return typeof document === 'object' && document !== null ? (document as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
