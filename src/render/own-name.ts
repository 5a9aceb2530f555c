/** How to call this program again: commands that are shown must work when pasted. */
import path from 'node:path';

/** `paxosctl` when it was found on the PATH, else `node` and the path of the script, relative where that is shorter. */
export function ownName(script = process.argv[1] ?? 'paxosctl', directory = process.cwd()): string {
  if (path.basename(script) === 'paxosctl') return 'paxosctl';
  const relative = path.relative(directory, script);
  const shown = relative.startsWith('..') ? script : relative;
  return `node ${quotedWord(shown)}`;
}

/** A word of a command line for a shell. */
export const quotedWord = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A suggestion such as `paxosctl status`, with the name by which this program can be called here. */
export const runnable = (command: string): string => command.replace(/^paxosctl(?= |$)/, ownName());
