/**
 * Keys and values are anybody's bytes. Shown raw on a terminal they could move the cursor, set the title or forge lines of
 * output (pitfalls §5 no. 11), so whatever is shown to people goes through here. `--json` and raw values do not.
 */

// Control and format characters (bidirectional overrides among them), line and paragraph separators, halves of pairs.
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/gu;
const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

/** The text on one line, with everything that a terminal would obey written as an escape such as `\x1b`. */
export function printable(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return named[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
  });
}

/** At most `width` characters of the printable text, with an ellipsis where something was cut off. */
export function shortened(text: string, width: number): string {
  const shown = [...printable(text)];
  return shown.length <= width ? shown.join('') : `${shown.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** Text of a message of several lines: each line is made printable, the line breaks stay. */
export const printableLines = (text: string): string =>
  text.split('\n').map(printable).join('\n').replaceAll('\\\\', '\\');
