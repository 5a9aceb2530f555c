/**
 * JSON as this API takes it: what `JSON.parse` accepts, less everything that two readers could understand differently.
 *
 * `JSON.parse` keeps the last of duplicate keys, rounds large numbers, turns `1e400` into Infinity, nests 200,000 deep
 * and lets `\ud800` through; a reviver sees none of it. So the text is looked over once before it is parsed. The scan
 * checks only these points and the balance of brackets it needs for them; the syntax is JSON.parse's affair.
 * See docs/adr/0006-http-front.md.
 */

/** Why a text was refused. */
export class StrictJsonError extends Error {}

/** Deepest nesting of arrays and objects; the API itself needs 5. */
export const jsonDepthMax = 32;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const quoteMark = 0x22;
const backslash = 0x5c;

/** @throws {StrictJsonError} saying what is wrong; the message quotes nothing of the input. */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new StrictJsonError('The body is not valid UTF-8.');
  }
  if (text.charCodeAt(0) === 0xfeff) throw new StrictJsonError('The body begins with a byte order mark.');
  scan(text);
  try {
    return JSON.parse(text);
  } catch {
    throw new StrictJsonError('The body is not JSON.');
  }
}

/** Keys seen so far in each open object; null for an open array. */
type Open = Set<string> | null;

function scan(text: string): void {
  const open: Open[] = [];
  let at = 0;
  // True where a string is the key of an object: after `{` and, inside an object, after `,`.
  let keyNext = false;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    switch (code) {
      case quoteMark: {
        const end = stringEnd(text, at);
        const inside = open[open.length - 1];
        if (keyNext && inside) {
          addKey(inside, text.slice(at, end));
          keyNext = false;
        }
        at = end;
        continue;
      }
      case 0x7b: // {
      case 0x5b: // [
        if (open.length === jsonDepthMax) throw new StrictJsonError(`The body is nested deeper than ${jsonDepthMax}.`);
        keyNext = code === 0x7b;
        open.push(keyNext ? new Set() : null);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        keyNext = false;
        break;
      case 0x2c: // ,
        keyNext = open[open.length - 1] instanceof Set;
        break;
      default:
        if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
          at = numberEnd(text, at);
          continue;
        }
    }
    at += 1;
  }
}

function addKey(keys: Set<string>, literal: string): void {
  let key = literal.slice(1, -1);
  if (key.includes('\\')) {
    try {
      key = JSON.parse(literal) as string;
    } catch {
      throw new StrictJsonError('The body is not JSON.');
    }
  }
  if (keys.has(key)) throw new StrictJsonError('An object has the same key twice.');
  // No field of this API has that name, and some checkers of objects do not see it.
  if (key === '__proto__') throw new StrictJsonError('An object has an unknown field "__proto__".');
  keys.add(key);
}

/** Index after the closing quote. Refuses escapes that make a lone surrogate; raw ones are not valid UTF-8. */
function stringEnd(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === quoteMark) return at + 1;
    if (code === backslash) {
      if (text.charCodeAt(at + 1) !== 0x75) {
        at += 2;
        continue;
      }
      const unit = hexUnit(text, at + 2);
      at += 6;
      if (unit >= 0xd800 && unit <= 0xdfff) {
        const low = text.charCodeAt(at) === backslash && text.charCodeAt(at + 1) === 0x75 ? hexUnit(text, at + 2) : 0;
        if (unit > 0xdbff || low < 0xdc00 || low > 0xdfff) {
          throw new StrictJsonError('A string holds a lone surrogate.');
        }
        at += 6;
      }
      continue;
    }
    // NaN: past the end.
    if (Number.isNaN(code)) throw new StrictJsonError('The body is not JSON.');
    at += 1;
  }
}

function hexUnit(text: string, at: number): number {
  const digits = text.slice(at, at + 4);
  if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw new StrictJsonError('The body is not JSON.');
  return Number.parseInt(digits, 16);
}

const numberLiteral = /-?[0-9][0-9.eE+-]*/y;
const plainInteger = /^(?:0|-?[1-9][0-9]{0,15})$/;

function numberEnd(text: string, start: number): number {
  numberLiteral.lastIndex = start;
  const literal = numberLiteral.exec(text)?.[0];
  if (literal === undefined) throw new StrictJsonError('The body is not JSON.');
  if (!plainInteger.test(literal) || !Number.isSafeInteger(Number(literal))) {
    throw new StrictJsonError('A number is no plain integer between -2^53 and 2^53.');
  }
  return start + literal.length;
}
