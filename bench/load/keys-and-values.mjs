/** Keys and values of the load. A long enough value begins with its key, so that any read can be checked. */

/** As long as the largest value that a replica takes. */
const filler = Array.from({ length: 256 * 1024 }, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join(
  '',
);

/** A letter that keeps the rows' keys apart, and seven digits: nothing that a path or a JSON string must escape. */
export const keyName = (letter, number) => letter + String(number).padStart(7, '0');

/** Of exactly `bytes` bytes, another one for each `sequence`; a short one is nothing but the sequence. */
export function makeValue(key, sequence, bytes) {
  if (bytes < 32) return String(sequence % 10 ** bytes).padStart(bytes, '0');
  const head = `${key}=${sequence}=`;
  return head + filler.slice(head.length, bytes);
}

/** Whether `value` can be one that was written under `key`. */
export const fits = (key, value, bytes) => value.length === bytes && (bytes < 32 || value.startsWith(`${key}=`));
