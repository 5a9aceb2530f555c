/** What `kv …` and `multiop` show to people. */
import { printable, printableLines, shortened } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { table } from './table.ts';
import { bytes, counted, grouped } from './units.ts';

export interface EntryView {
  readonly key: string;
  readonly value?: string;
  readonly valueBase64?: string;
  readonly revision: number;
  readonly version: number;
}

const valueWidthMax = 60;
export const keyWidthMax = 48;

/**
 * The value as it is, for pipes and files; on a terminal its lines, with all that the terminal would obey escaped, unless
 * it was asked for raw.
 */
export function showValue(value: Uint8Array, raw: boolean): Promise<void> {
  if (raw || !process.stdout.isTTY) return writeResult(value);
  return writeResult(`${printableLines(Buffer.from(value).toString('utf8'))}\n`);
}

export function listText(list: { entries: readonly EntryView[]; next: string | null }, keysOnly: boolean): string {
  const more =
    list.next === null
      ? ''
      : coloured('dim', `… more keys follow: --after ${JSON.stringify(list.next)}\n`, process.stderr);
  if (keysOnly) return list.entries.map(({ key }) => `${printable(key)}\n`).join('') + more;
  if (list.entries.length === 0) return `no keys\n`;
  const rows = list.entries.map((entry) => [
    shortened(entry.key, keyWidthMax),
    grouped(entry.revision),
    grouped(entry.version),
    bytes(sizeOf(entry)),
    valueText(entry),
  ]);
  const columns = [
    { title: 'KEY' },
    { title: 'REVISION', align: 'right' as const },
    { title: 'VERSION', align: 'right' as const },
    { title: 'SIZE', align: 'right' as const },
    { title: 'VALUE' },
  ];
  return `${table(columns, rows)}\n${more}`;
}

/** A value on one line, cut where it is long. */
export const valueText = ({ value }: Pick<EntryView, 'value'>): string =>
  value === undefined ? coloured('dim', 'not text') : shortened(value, valueWidthMax);

const sizeOf = ({ value, valueBase64 }: EntryView): number =>
  value === undefined ? Buffer.byteLength(valueBase64 ?? '', 'base64') : Buffer.byteLength(value, 'utf8');

export const showList = (list: Parameters<typeof listText>[0], keysOnly: boolean): Promise<void> =>
  writeResult(listText(list, keysOnly));

/** What became of a write, or of its dry run. */
export function showWrite(
  result: { readonly key?: string } & (
    | { readonly revision: number | null; readonly deleted?: boolean }
    | { readonly dryRun: true; readonly wouldChange: boolean }
  ),
): Promise<void> {
  const name = result.key === undefined ? '' : `${printable(result.key)}: `;
  if ('dryRun' in result) return writeResult(`${name}would change: ${result.wouldChange ? 'yes' : 'no'}\n`);
  const deleted = result.deleted === true ? 'deleted, ' : '';
  return writeResult(`${name}${deleted}revision ${grouped(result.revision ?? 0)}\n`);
}

export function showDeleted(result: { prefix: string; deleted: number; dryRun: boolean }): Promise<void> {
  const what = result.dryRun ? 'would be deleted' : 'deleted';
  return writeResult(`${counted(result.deleted, 'key')} below ${printable(JSON.stringify(result.prefix))} ${what}\n`);
}

export interface MultiOpView {
  readonly succeeded: boolean;
  readonly guard: readonly boolean[];
  readonly results: readonly { readonly op: string; readonly key: string }[];
  readonly revision: number;
}

export function multiOpText({ succeeded, guard, results, revision }: MultiOpView): string {
  const held = guard.filter(Boolean).length;
  const head = `guard ${succeeded ? 'holds' : 'does not hold'} (${held} of ${counted(guard.length, 'test')}); ran ${succeeded ? 'then' : 'else'}`;
  const lines = results.map((result) => {
    const { op, key, ...rest } = result;
    return `  ${printable(String(op))} ${shortened(String(key), keyWidthMax)}  ${printable(JSON.stringify(rest)).replaceAll('\\\\', '\\')}`;
  });
  return [head, ...lines, `revision ${grouped(revision)}`, ''].join('\n');
}

export const showMultiOp = (result: MultiOpView): Promise<void> => writeResult(multiOpText(result));
