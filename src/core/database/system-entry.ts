/** What may stand in a system entry, and how one is changed. Keys of their own: no client can name them. */
import type { Epoch } from '../consensus/identity.ts';

/** True when the entry was last changed in this instance; 0: when it is absent. */
export interface SystemTest {
  readonly key: string;
  readonly instance: number;
}

/** Null takes the entry away. */
export interface SystemWrite {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** All tests hold: all writes happen. Otherwise nothing does. */
export interface SystemCommand {
  readonly kind: 'system';
  readonly guard: readonly SystemTest[];
  readonly writes: readonly SystemWrite[];
  /** As a MultiOp's. */
  readonly ifEpoch: Epoch | null;
}

/** ASCII, so that every order of them is the same one. */
export const systemKeyPattern = /^[a-z][a-z0-9/._-]{0,199}$/;
export const systemPartsMax = 64;
/** One value; a command may hold as much as a MultiOp in all. */
export const systemValueBytesMax = 256 * 1024;

/** Holds the cell's level as a decimal number; absent in a cell that was formed at level 1 and never raised. */
export const levelKey = 'level';
/** Holds the name of the upgrade that is open. */
export const openUpgradeKey = 'upgrade/current';
/** Who drives it. */
export const upgradeClaimKey = 'upgrade/claim';
/** Cell time of the last renewal of that claim. */
export const upgradeRenewedKey = 'upgrade/renewed';
/** Holds the level that the open upgrade is to raise the cell to, once finalizing has begun; absent otherwise. */
export const raiseKey = 'upgrade/raise';
/** All that makes an upgrade an open one: without them it is history. */
export const openUpgradeKeys: ReadonlySet<string> = new Set([
  openUpgradeKey,
  upgradeClaimKey,
  upgradeRenewedKey,
  raiseKey,
]);
/** The lowest there is: in force where none is written. */
export const firstLevel = 1;

/** As it stands in the entry. */
export const levelText = (level: number): Uint8Array =>
  Uint8Array.from(Array.from(String(level), (digit) => digit.charCodeAt(0)));

/** @throws never: what is no level counts as 0, which no replica supports. */
export function levelOf(value: Uint8Array | undefined): number {
  if (value === undefined) return firstLevel;
  const text = String.fromCharCode(...value.subarray(0, 8));
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
}
