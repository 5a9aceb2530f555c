/** Commands to run next, so that they work when pasted: with this program's name here, and to the cell that was asked. */
import { runnable } from './own-name.ts';

/** Commands that talk to a cell. */
const asksCell =
  /^paxosctl (?:status|wait|master|members|kv|multiop|bench|doctor|node drain|verify checksums|snapshot (?:take|list|save|schedule)|cell restore|recover|upgrade)(?: |$)/;

/** Every suggestion of an error goes through here, for people and in JSON alike. */
export function pasteable(suggestion: string, args: readonly string[] = process.argv.slice(2)): string {
  const endpoints = endpointsIn(args);
  const whole =
    endpoints === null || !asksCell.test(suggestion) || suggestion.includes('--endpoints')
      ? suggestion
      : `${suggestion} --endpoints ${quoted(endpoints)}`;
  return runnable(whole);
}

/** As they were given on the command line; what the environment says holds for the next command too. */
export function endpointsIn(args: readonly string[]): string | null {
  const end = args.indexOf('--');
  const flags = end === -1 ? args : args.slice(0, end);
  const at = flags.findLastIndex((it) => it === '--endpoints' || it.startsWith('--endpoints='));
  const flag = flags[at];
  if (flag === undefined) return null;
  return flag === '--endpoints' ? (flags[at + 1] ?? null) : flag.slice('--endpoints='.length);
}

const quoted = (text: string): string => (/^[\w./:,@[\]-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
