/** `paxosctl replay` for people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { table } from './table.ts';
import { grouped } from './units.ts';

interface ReplayView {
  readonly directories: readonly {
    readonly directory: string;
    readonly member: { readonly name: string; readonly incarnation: number };
    readonly from: number;
    readonly instance: number;
    readonly logChain: string;
    readonly checksum: string;
  }[];
  readonly compared: { readonly from: number; readonly to: number } | null;
  readonly difference: { readonly instance: number; readonly what: 'log' | 'database' } | null;
}

export const showReplay = (replayed: ReplayView): Promise<void> => writeResult(replayText(replayed));

/** Several lines, ending in a line break. */
export function replayText({ directories, compared, difference }: ReplayView): string {
  const columns = [
    { title: 'DIRECTORY' },
    { title: 'MEMBER' },
    { title: 'FROM', align: 'right' as const },
    { title: 'INSTANCE', align: 'right' as const },
    { title: 'LOG' },
    { title: 'CHECKSUM' },
  ];
  const rows = directories.map(({ directory, member, from, instance, logChain, checksum }) => [
    printable(directory),
    printable(`${member.name}#${member.incarnation}`),
    grouped(from),
    grouped(instance),
    `${logChain.slice(0, 16)}…`,
    checksum,
  ]);
  return `${table(columns, rows)}\n${directories.length < 2 ? '' : `\n${comparedText(compared, difference)}\n`}`;
}

function comparedText(compared: ReplayView['compared'], difference: ReplayView['difference']): string {
  if (compared === null) return coloured('yellow', 'They have no instance in common: nothing was compared.');
  if (difference === null) {
    return `${coloured('green', 'SAME')}  from instance ${grouped(compared.from)} to ${grouped(compared.to)}`;
  }
  const what = difference.what === 'log' ? 'the logs differ' : 'same log, different databases';
  return `${coloured('red', 'DIFFER')}  first at instance ${grouped(difference.instance)}: ${what}`;
}
