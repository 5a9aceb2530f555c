/** `paxosctl snapshot …` for people. The age stands beside every snapshot: an old one is the most dangerous file there is. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { type Progress, startProgress } from './progress.ts';
import { table } from './table.ts';
import { bytes, counted, duration, grouped } from './units.ts';

interface SnapshotView {
  readonly member: string | null;
  readonly instance: number;
  readonly epoch: number | null;
  readonly generation: number | null;
  readonly entries: number | null;
  readonly bytes: number;
  readonly digest: string;
  readonly checksum: string | null;
  readonly createdAt: string;
  readonly verified: boolean;
}

interface ListView {
  readonly snapshots: readonly (SnapshotView & { readonly ageMs: number; readonly behind: number })[];
  readonly unanswered: readonly { readonly name: string; readonly why: string }[];
}

const none = '–';
const number = (value: number | null): string => (value === null ? none : grouped(value));
const entriesText = (count: number | null): string => `${number(count)} ${count === 1 ? 'entry' : 'entries'}`;

export function snapshotsText({ snapshots, unanswered }: ListView): string {
  const lines = unanswered.map(({ name, why }) =>
    coloured('yellow', `${printable(name)} was not asked: ${printable(why)}\n`),
  );
  if (snapshots.length === 0) return `${lines.join('')}no snapshot yet\n`;
  const columns = [
    { title: 'MEMBER' },
    { title: 'INSTANCE', align: 'right' as const },
    { title: 'BEHIND', align: 'right' as const },
    { title: 'AGE', align: 'right' as const },
    { title: 'EPOCH', align: 'right' as const },
    { title: 'GEN', align: 'right' as const },
    { title: 'ENTRIES', align: 'right' as const },
    { title: 'SIZE', align: 'right' as const },
    { title: 'DIGEST' },
    { title: 'STATE' },
  ];
  const rows = snapshots.map((it) => [
    printable(it.member ?? none),
    grouped(it.instance),
    grouped(it.behind),
    duration(it.ageMs),
    number(it.epoch),
    number(it.generation),
    number(it.entries),
    bytes(it.bytes),
    printable(it.digest.slice(0, 12)),
    it.verified ? coloured('green', 'verified') : coloured('red', 'bad'),
  ]);
  return `${lines.join('')}${table(columns, rows)}\n`;
}

export const showSnapshots = (list: ListView): Promise<void> => writeResult(snapshotsText(list));

export function showTaken(
  taken: ListView & { readonly dryRun: boolean; readonly wouldTake: readonly string[] },
): Promise<void> {
  if (!taken.dryRun) return showSnapshots(taken);
  const who = taken.wouldTake.map(printable).join(', ');
  return writeResult(
    who === '' ? 'no snapshot would be taken: all are up to date\n' : `${who} would take a snapshot\n`,
  );
}

interface FileView extends SnapshotView {
  readonly ageMs: number;
  readonly cell: string;
  readonly level: number;
  readonly logChain: string;
  readonly records: number;
  readonly isDatabase: boolean;
  readonly configurations: readonly {
    readonly from: number;
    readonly alpha: number;
    readonly members: readonly { readonly name: string; readonly incarnation: number; readonly role: string }[];
  }[];
}

export function snapshotFileText(file: string, it: FileView): string {
  const [inForce, ...toCome] = it.configurations;
  const membersOf = (configuration: FileView['configurations'][number]): string =>
    configuration.members
      .map(({ name, incarnation, role }) => `${printable(name)}#${incarnation}${role === 'voter' ? '' : ` (${role})`}`)
      .join(', ');
  const rows: [string, string][] = [
    ['file', `${printable(file)}  ${coloured('green', 'verified')}, ${bytes(it.bytes)}`],
    ['age', `${duration(it.ageMs)}, written ${printable(it.createdAt)}`],
    ['cell', `${printable(it.cell)}, generation ${number(it.generation)}, level ${it.level}`],
    ['holds', `everything up to instance ${grouped(it.instance)}, epoch ${number(it.epoch)}`],
    [
      'data',
      it.isDatabase
        ? `${entriesText(it.entries)} in ${counted(it.records, 'record')}, checksum ${printable(it.checksum ?? none)}`
        : `${counted(it.records, 'record')} of an application of its own`,
    ],
    [
      'members',
      inForce === undefined
        ? none
        : `${membersOf(inForce)} (since instance ${grouped(inForce.from)}, α ${inForce.alpha})`,
    ],
    ...toCome.map((next): [string, string] => ['', `from instance ${grouped(next.from)} on: ${membersOf(next)}`]),
    ['log', printable(it.logChain)],
    ['digest', printable(it.digest)],
  ];
  return rows.map(([label, text]) => `${coloured('dim', label.padEnd(8))} ${text}\n`).join('');
}

export const showSnapshotFile = (file: string, it: FileView): Promise<void> => writeResult(snapshotFileText(file, it));

interface SaveAt {
  readonly member: string;
  readonly instance: number;
  readonly bytes: number;
  readonly totalBytes: number;
  readonly tookMs: number;
}

export function saveProgress(): Omit<Progress, 'update'> & { update(at: SaveAt): void } {
  const { update, succeed, stop } = startProgress('Saving: waiting for a member to make it');
  return { update: (at) => update(savingText(at)), succeed, stop };
}

export function savingText(at: SaveAt): string {
  const share = at.totalBytes > 0 ? Math.floor((at.bytes / at.totalBytes) * 100) : 0;
  const rate = bytes(Math.round(at.bytes / Math.max(0.001, at.tookMs / 1000)));
  return `Saving instance ${grouped(at.instance)} from ${at.member}: ${bytes(at.bytes)} of ${bytes(at.totalBytes)} (${share} %), ${rate} a second`;
}

export function savedText(saved: {
  readonly file: string;
  readonly bytes: number;
  readonly tookMs: number;
  readonly snapshots: readonly SnapshotView[];
  readonly told: { readonly told: true } | { readonly told: false; readonly why: string };
  readonly confirmed: boolean;
  readonly mayHaveMore: readonly string[];
}): string {
  const [it] = saved.snapshots;
  const what =
    it === undefined
      ? ''
      : ` of instance ${grouped(it.instance)}, epoch ${number(it.epoch)}, generation ${number(it.generation)}: ${entriesText(it.entries)} from ${it.member}`;
  const untold = saved.told.told ? '' : `; the cell could not be told of it (${saved.told.why})`;
  return `${saved.file} holds the state${what}; ${bytes(saved.bytes)} in ${duration(saved.tookMs)}, read back and verified${untold}${unconfirmedText(saved, it?.instance)}`;
}

function unconfirmedText(
  { confirmed, mayHaveMore }: { readonly confirmed: boolean; readonly mayHaveMore: readonly string[] },
  instance: number | undefined,
): string {
  if (confirmed) return '';
  const who =
    mayHaveMore.length === 0
      ? 'Every member answered'
      : `${mayHaveMore.map(printable).join(', ')} did not answer and may have more`;
  return `. Nobody is master: what was acknowledged above instance ${instance === undefined ? '0' : grouped(instance)}, if anything was, is not in it. ${who}`;
}
