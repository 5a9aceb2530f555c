/**
 * Keys: strings ordered by their UTF-8 bytes (contract §2).
 *
 * JavaScript orders strings by UTF-16 code units, which differs from byte order where a surrogate pair (U+10000 and up)
 * meets a unit from U+E000 on: 😀 sorts below U+FFEE in UTF-16 and above it in UTF-8 (pitfall P52). Moving the units
 * above U+D7FF around, surrogates to the top, makes the two orders one.
 */

const unitsFromSurrogates = /[\ud800-\uffff]/;
const loneSurrogate = /[\ud800-\udfff]/u;

const rotate = (unit: number): number => (unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000);
const rotateBack = (unit: number): number => (unit < 0xd800 ? unit : unit >= 0xf800 ? unit - 0x2000 : unit + 0x800);

/** Negative, zero or positive, by UTF-8 bytes; both strings well-formed. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return rotate(unitA) - rotate(unitB);
  }
  return a.length - b.length;
}

/** A string whose plain `<` order is the byte order of the keys; the key itself for nearly all of them. */
export const toCollation = (key: string): string => (unitsFromSurrogates.test(key) ? mapUnits(key, rotate) : key);

/** The key that {@link toCollation} was given. */
export const fromCollation = (collation: string): string =>
  unitsFromSurrogates.test(collation) ? mapUnits(collation, rotateBack) : collation;

function mapUnits(text: string, map: (unit: number) => number): string {
  let mapped = '';
  for (let i = 0; i < text.length; i++) mapped += String.fromCharCode(map(text.charCodeAt(i)));
  return mapped;
}

/** False when the string has a surrogate without its other half: UTF-8 cannot carry it. */
export const isWellFormed = (text: string): boolean => !loneSurrogate.test(text);

/** Bytes of a well-formed string in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate pair is four bytes in two units: each half adds one.
    if (unit >= 0x80) bytes += unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
