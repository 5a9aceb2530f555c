/**
 * The parts of docs/PERFORMANCE.md that a run writes itself. Each stands between two comments, which a reader does not see:
 *
 *     <!-- measured: NAME -->
 *     …
 *     <!-- end of NAME -->
 *
 * What people write about the figures stands outside, and is theirs to change when the figures do.
 */

const begin = (name) => `<!-- measured: ${name} -->`;
const end = (name) => `<!-- end of ${name} -->`;

/** The names that `text` has room for, in their order. */
export const sectionsOf = (text) => [...text.matchAll(/^<!-- measured: ([\w-]+) -->$/gm)].map(([, name]) => name);

/**
 * `text` with `body` in place of what stood in the part `name`.
 * @throws {Error} when the part is missing, is there twice, or has no end.
 */
export function withSection(text, name, body) {
  const parts = text.split(`${begin(name)}\n`);
  if (parts.length !== 2) throw new Error(`${begin(name)} stands ${parts.length - 1} times in the document, not once`);
  const [before, rest] = parts;
  const at = rest.indexOf(end(name));
  const next = rest.search(/^<!-- measured: /m);
  if (at < 0 || (next >= 0 && next < at)) throw new Error(`${begin(name)} has no ${end(name)}`);
  return `${before}${begin(name)}\n\n${body.trim()}\n\n${rest.slice(at)}`;
}
