/** Tables as operators know them from other tools: no lines, two spaces between columns, headings in capitals. */
import Table from 'cli-table3';
import { coloured } from './output.ts';

export interface Column {
  readonly title: string;
  /** Numbers stand under each other at their last digit. */
  readonly align?: 'left' | 'right';
}

const noLines = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'],
  ].map((part) => [part, '']),
);

/** One line a row, without a line break at the end. Cells must be printable already; they may be coloured. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    head: columns.map(({ title }) => coloured('bold', title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    chars: { ...noLines, middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  });
  drawn.push(...rows.map((row) => [...row]));
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
