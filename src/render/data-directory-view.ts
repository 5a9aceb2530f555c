/** `paxosctl verify data-dir` for people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { table } from './table.ts';
import { bytes, counted, duration, grouped } from './units.ts';

interface ReportView {
  readonly ok: boolean;
  readonly directory: string;
  readonly state: string;
  readonly cell: {
    readonly id: string;
    readonly name: string;
    readonly generation: number;
    readonly level: number;
  } | null;
  readonly member: { readonly name: string; readonly incarnation: number } | null;
  readonly boot: { readonly number: number } | null;
  readonly lastVersion: string | null;
  readonly chosenUpTo: number | null;
  readonly snapshotInstance: number;
  readonly checks: readonly {
    readonly what: string;
    readonly verdict: 'ok' | 'note' | 'bad';
    readonly detail: string;
  }[];
  readonly leftovers: readonly {
    readonly name: string;
    readonly bytes: number;
    readonly ageMs: number;
    readonly what: string;
  }[];
}

const none = '–';
const words = { ok: 'ok', note: 'note', bad: 'BAD' } as const;
const colours = { ok: 'green', note: 'yellow', bad: 'red' } as const;

export function dataDirectoryText(report: ReportView): string {
  const { cell, member, boot, checks, leftovers } = report;
  const bad = checks.filter(({ verdict }) => verdict === 'bad').length;
  const verdict = report.ok ? coloured('green', 'OK') : coloured('red', `${counted(bad, 'finding')}`);
  const rows: [string, string][] = [
    ['folder', `${printable(report.directory)}  ${verdict}`],
    [
      'member',
      member === null ? `${none} (${report.state})` : `${printable(member.name)}, incarnation ${member.incarnation}`,
    ],
    [
      'cell',
      cell === null
        ? none
        : `${printable(cell.name)}  (id ${printable(cell.id)}, generation ${cell.generation}, level ${cell.level})`,
    ],
    [
      'last run',
      boot === null ? none : `boot ${grouped(boot.number)}, version ${printable(report.lastVersion || none)}`,
    ],
    [
      'reaches',
      report.chosenUpTo === null
        ? none
        : `instance ${grouped(report.chosenUpTo)}; newest snapshot: ${report.snapshotInstance === 0 ? 'none' : grouped(report.snapshotInstance)}`,
    ],
  ];
  const head = rows.map(([label, text]) => `${coloured('dim', label.padEnd(8))} ${text}\n`).join('');
  const found = table(
    [{ title: 'WHAT' }, { title: 'STATE' }, { title: 'DETAIL' }],
    checks.map((it) => [printable(it.what), coloured(colours[it.verdict], words[it.verdict]), printable(it.detail)]),
  );
  const strange =
    leftovers.length === 0
      ? ''
      : `\n${table(
          [
            { title: 'LEFTOVER' },
            { title: 'SIZE', align: 'right' },
            { title: 'AGE', align: 'right' },
            { title: 'LOOKS LIKE' },
          ],
          leftovers.map((it) => [printable(it.name), bytes(it.bytes), duration(it.ageMs), printable(it.what)]),
        )}\n`;
  return `${head}\n${found}\n${strange}`;
}

export const showDataDirectory = (report: ReportView): Promise<void> => writeResult(dataDirectoryText(report));
