/** `paxosctl doctor` for people: what is wrong, with its fix; what is well in one line, so that all fits on a screen. */
import { printable } from './escape.ts';
import { type Colour, coloured, writeResult } from './output.ts';
import { pasteable } from './suggestions.ts';
import { table } from './table.ts';

interface FindingView {
  readonly level: string;
  readonly text: string;
  readonly advice: string;
  readonly fix: string;
}

/** The part of the document of `doctor` that is shown. */
export interface DoctorView {
  readonly ok: boolean;
  readonly subject:
    | { readonly kind: 'cell'; readonly id: string | null; readonly name: string | null }
    | { readonly kind: 'data-dir'; readonly directory: string };
  readonly tolerates: number | null;
  readonly intended: number | null;
  readonly counts: { readonly ok: number; readonly warn: number; readonly fail: number; readonly notChecked: number };
  readonly checks: readonly {
    readonly id: string;
    readonly what: string;
    readonly level: string;
    readonly findings: readonly FindingView[];
  }[];
}

const shown: Readonly<Record<string, readonly [word: string, colour: Colour]>> = {
  ok: ['ok', 'green'],
  'not-checked': ['not checked', 'dim'],
  warn: ['warn', 'yellow'],
  fail: ['FAIL', 'red'],
};
/** A check that finds the same of everybody is not to push the others off the screen. */
const findingsMax = 3;

export const showDoctor = (report: DoctorView, options: { readonly all: boolean }): Promise<void> =>
  writeResult(doctorText(report, options));

export function doctorText(report: DoctorView, { all }: { readonly all: boolean }): string {
  const wrong = report.checks.filter(({ level }) => level !== 'ok').sort((a, b) => rank(b.level) - rank(a.level));
  const well = report.checks.filter(({ level }) => level === 'ok');
  const rows = wrong.flatMap(({ id, level, findings }) => {
    const first = findings
      .slice(0, findingsMax)
      .map((it, at) => [at === 0 ? verdict(level) : '', at === 0 ? id : '', it.text]);
    const more = findings.length - findingsMax;
    return more > 0 ? [...first, ['', '', `and ${more} more: see --json`]] : first;
  });
  const listed = all ? well.map(({ id, level, what }) => [verdict(level), id, what]) : [];
  const lines = [headline(report), ''];
  if (rows.length + listed.length > 0) {
    const columns = [{ title: 'STATE' }, { title: 'CHECK' }, { title: 'FINDING' }];
    lines.push(
      table(
        columns,
        [...rows, ...listed].map((row) => row.map((cell, at) => (at === 0 ? cell : printable(cell)))),
      ),
    );
  }
  if (!all && well.length > 0) lines.push('', `${well.length} ok: ${well.map(({ id }) => id).join(', ')}`);
  const fixes = fixLines(wrong.flatMap(({ findings }) => findings));
  if (fixes.length > 0) lines.push('', coloured('bold', 'To do'), ...fixes);
  return `${lines.join('\n')}\n`;
}

const rank = (level: string): number => Object.keys(shown).indexOf(level);

function verdict(level: string): string {
  const [word, colour] = shown[level] ?? [level, 'dim'];
  return coloured(colour, word);
}

function headline({ ok, subject, tolerates, intended, counts }: DoctorView): string {
  const what =
    subject.kind === 'cell' ? `cell ${subject.name ?? 'not formed yet'}` : `data directory ${subject.directory}`;
  const tolerance =
    tolerates === null || intended === null ? '' : `, tolerates ${tolerates} of ${intended} intended failures`;
  const { warn, fail, notChecked } = counts;
  const found = [
    fail > 0 ? `${fail} failed` : '',
    warn > 0 ? `${warn} to look at` : '',
    notChecked > 0 ? `${notChecked} not checked` : '',
  ];
  const summary = [`${counts.ok} ok`, ...found.filter((it) => it !== '')].join(', ');
  return `${printable(what)}${tolerance}: ${coloured(ok ? 'green' : fail > 0 ? 'red' : 'yellow', summary)}`;
}

/** Each command once, with what to know before. */
function fixLines(findings: readonly FindingView[]): string[] {
  const seen = new Map<string, string>();
  for (const { fix, advice } of findings) if (!seen.has(fix)) seen.set(fix, advice);
  return [...seen].map(
    ([fix, advice]) =>
      `  ${printable(pasteable(fix))}${advice === '' ? '' : coloured('dim', `  (${printable(advice)})`)}`,
  );
}
