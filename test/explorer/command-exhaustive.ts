/** `explore --exhaustive`: every state of the small scopes, with figures; for a broken rule the shortest way to it. */
import { type Arguments, rejoinOf, wholeNumber } from './command-random.ts';
import { movesText } from './exhaustive/moves-text.ts';
import { type Scope, scopes } from './exhaustive/scope.ts';
import { Search, type SearchResult } from './exhaustive/search.ts';

/** @throws {RangeError} when no scope has that name, or lost disks cannot come back so. */
function scopesOf(args: Arguments): readonly Scope[] {
  const { scope } = args;
  const rejoin = rejoinOf(args.rejoin);
  const chosen = scopes.filter(({ name, onlyWhenNamed }) =>
    scope === undefined ? onlyWhenNamed !== true : name === scope,
  );
  if (chosen.length === 0) {
    throw new RangeError(`--scope is one of ${scopes.map(({ name }) => name).join(', ')}, not ${scope}`);
  }
  return rejoin === 'same-identity' ? chosen.map((one) => ({ ...one, sameIdentity: true })) : chosen;
}

interface Told extends Omit<SearchResult, 'failure'> {
  readonly failure: { readonly rule: string; readonly message: string; readonly transcript: string } | null;
}

export function runExhaustive(args: Arguments): number {
  const secondsMax = wholeNumber('seconds', args.seconds, 1);
  const told: Told[] = [];
  for (const scope of scopesOf(args)) {
    const result = searchScope(scope, secondsMax);
    told.push(result);
    if (args.json !== true) process.stdout.write(`${textOf(scope, result)}\n`);
    if (result.failure !== null) break;
  }
  const states = told.reduce((sum, result) => sum + result.states, 0);
  const broken = told.some(({ failure }) => failure !== null);
  const exhausted = told.every((result) => result.exhausted);
  if (args.json === true) process.stdout.write(`${JSON.stringify({ states, exhausted, scopes: told })}\n`);
  else process.stdout.write(`${states} states; ${verdict(broken, exhausted)}\n`);
  if (broken) return 1;
  return exhausted ? 0 : 3;
}

function verdict(broken: boolean, exhausted: boolean): string {
  if (broken) return 'A RULE IS BROKEN';
  return exhausted
    ? 'all states were looked at, no rule was broken'
    : 'no rule was broken so far, NOT all states were looked at';
}

function searchScope(scope: Scope, secondsMax: number | undefined): Told {
  const search = new Search(scope);
  let toldAt = 0;
  const onProgress = ({ states, depth, seconds }: SearchResult): void => {
    if (seconds < toldAt + 10) return;
    toldAt = seconds;
    process.stderr.write(`${scope.name}: ${states} states, depth ${depth}, ${Math.round(states / seconds)} a second\n`);
  };
  const result = search.run({ onProgress, ...(secondsMax === undefined ? {} : { secondsMax }) });
  if (result.failure === null) return { ...result, failure: null };
  const { rule, message, moves } = result.failure;
  return { ...result, failure: { rule, message, transcript: movesText(scope, search.catalogue, moves, message) } };
}

function textOf(scope: Scope, result: Told): string {
  const lines = result.failure === null ? [] : [result.failure.transcript, ''];
  const { states, moves, depth, exhausted, membersStates, messages, instances, seconds } = result;
  lines.push(`${scope.name}: ${scope.about}`);
  lines.push(
    `  ${states} states, ${moves} moves between them, depth ${depth}, ${exhausted ? 'exhausted' : 'NOT exhausted'}`,
  );
  lines.push(
    `  of the members ${membersStates.join(', ')} states; ${messages} messages, ${instances} instances chosen at most`,
  );
  lines.push(`  ${seconds.toFixed(1)} s, ${Math.round(states / Math.max(seconds, 0.001))} states a second`);
  return lines.join('\n');
}
