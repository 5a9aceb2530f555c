/** What `verify checksums` shows to people. */

import { printable, shortened } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { type Progress, startProgress } from './progress.ts';
import { repeatUntilInterrupt } from './repeat.ts';
import { table } from './table.ts';
import { counted, duration, grouped } from './units.ts';

interface KeyStateView {
  readonly revision: number;
  readonly version: number;
  readonly bytes: number;
  readonly digest: string;
  readonly sound: boolean;
  readonly valueBase64?: string;
}

/** The part of the document of `verify checksums` (contract §1) that is shown. */
export interface ChecksumsView {
  readonly verdict: 'agree' | 'differ' | 'incomplete';
  readonly instance: number;
  readonly tookMs: number;
  readonly forked: boolean;
  readonly decidedBy: 'majority' | 'version' | null;
  readonly members: readonly {
    readonly name: string;
    readonly verdict: 'agrees' | 'differs' | 'no-answer' | 'behind';
    readonly instance: number | null;
    readonly entries: number | null;
    readonly checksum: string | null;
    readonly detail: string | null;
  }[];
  readonly differences: readonly {
    readonly member: string;
    readonly key: string | null;
    readonly part: string;
    readonly has: KeyStateView | null;
    readonly other: string;
    readonly otherHas: KeyStateView | null;
  }[];
  readonly differencesCut: boolean;
  readonly repaired: readonly { readonly member: string; readonly file: string; readonly problem: string }[];
}

const keyWidthMax = 48;
const valueWidthMax = 60;
const shownMax = 50;
const none = '–';
const colours = { agrees: 'green', differs: 'red', 'no-answer': 'yellow', behind: 'yellow' } as const;

export const showChecksums = (checked: ChecksumsView): Promise<void> => writeResult(checksumsText(checked));

/** On stderr, and only where somebody watches: a check is quick, and what it found is told by the result. */
export const checksumsProgress = (): Pick<Progress, 'update' | 'stop'> =>
  process.stderr.isTTY === true ? startProgress('checking') : { update: () => undefined, stop: () => undefined };

/** Checks again and again until Ctrl-C, one below the other. */
export const showChecksumsEvery = (
  check: () => Promise<ChecksumsView>,
  options: { readonly everyMs: number; readonly json: boolean },
): Promise<void> =>
  repeatUntilInterrupt(check, { ...options, text: checksumsText, behindTime: '  ', replacing: false });

/** Several lines, ending in a line break. */
export function checksumsText(checked: ChecksumsView): string {
  const rows = checked.members.map(({ name, verdict, instance, entries, checksum, detail }) => [
    printable(name),
    coloured(colours[verdict], verdict),
    instance === null ? none : grouped(instance),
    entries === null ? none : grouped(entries),
    checksum === null ? none : printable(checksum),
    detail === null ? '' : printable(detail),
  ]);
  const columns = [
    { title: 'MEMBER' },
    { title: 'VERDICT' },
    { title: 'INSTANCE', align: 'right' as const },
    { title: 'ENTRIES', align: 'right' as const },
    { title: 'CHECKSUM' },
    { title: '' },
  ];
  return `${headline(checked)}\n\n${table(columns, rows)}\n${repairedText(checked)}${differencesText(checked)}`;
}

function headline({ verdict, instance, tookMs, forked, decidedBy, members }: ChecksumsView): string {
  const at = `at instance ${grouped(instance)}`;
  const took = coloured('dim', `(${duration(tookMs)})`);
  if (verdict === 'agree') {
    return `${coloured('green', 'AGREE')}  all ${counted(members.length, 'member')} hold the same database ${at} ${took}`;
  }
  if (verdict === 'incomplete') {
    const missing = members.filter((it) => it.verdict !== 'agrees').map(({ name }) => printable(name));
    return `${coloured('yellow', 'INCOMPLETE')}  not checked ${at}: ${missing.join(', ')} ${took}`;
  }
  if (forked) return `${coloured('red', 'FORKED')}  the members do not even have the same log ${at} ${took}`;
  const odd = members.filter((it) => it.verdict === 'differs').map(({ name }) => printable(name));
  if (odd.length === 0) return `${coloured('red', 'DAMAGED')}  the same database ${at}, but damaged files ${took}`;
  const by =
    decidedBy === 'version'
      ? ', held against the newer version'
      : decidedBy === null
        ? ', and nothing decides who is right'
        : '';
  return `${coloured('red', 'DIFFER')}  ${odd.join(', ')} ${at}${by} ${took}`;
}

function repairedText({ repaired }: ChecksumsView): string {
  if (repaired.length === 0) return '';
  const lines = repaired.map(
    ({ member, file, problem }) => `${printable(member)}: ${printable(file)}: ${printable(problem)}`,
  );
  return `\nRepaired\n${lines.join('\n')}\n`;
}

function differencesText({ differences, differencesCut }: ChecksumsView): string {
  if (differences.length === 0) return '';
  const lines = differences
    .slice(0, shownMax)
    .flatMap(({ member, key, part, has, other, otherHas }) => [
      `${printable(member)}: ${key === null ? `differs in its ${part}` : `key ${shortened(key, keyWidthMax)}`}`,
      ...(key === null ? [] : [`  here:  ${stateText(has)}`, `  ${printable(other)}: ${stateText(otherHas)}`]),
    ]);
  const more = differences.length - shownMax;
  const rest =
    more > 0 || differencesCut ? [`… and ${differencesCut ? 'more than ' : ''}${grouped(Math.max(more, 0))} more`] : [];
  return `\n${[...lines, ...rest].join('\n')}\n`;
}

function stateText(state: KeyStateView | null): string {
  if (state === null) return 'absent';
  const { revision, version, bytes, digest, sound, valueBase64 } = state;
  const changed = sound ? '' : coloured('red', '  changed in memory since it was written');
  const value =
    valueBase64 === undefined
      ? ''
      : `  ${shortened(Buffer.from(valueBase64, 'base64').toString('utf8'), valueWidthMax)}`;
  return `revision ${grouped(revision)}, version ${grouped(version)}, ${counted(bytes, 'byte')}, digest ${printable(digest)}${value}${changed}`;
}
