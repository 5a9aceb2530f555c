/** `paxosctl status` for people. */

import type { CellStatusDocument } from '../client/cell-status.ts';
import { backupText } from './backup-view.ts';
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { repeatUntilInterrupt } from './repeat.ts';
import { table } from './table.ts';
import { bytes, duration, grouped } from './units.ts';

/** The document of `status` (contract §1). */
export type StatusView = CellStatusDocument;

const healthColours = { healthy: 'green', degraded: 'yellow', unavailable: 'red' } as const;
const none = '–';

export const showStatus = (status: StatusView): Promise<void> => writeResult(statusText(status));

/** Shows the status again and again until Ctrl-C; on a terminal each look replaces the one before. */
export const watchStatus = (
  look: () => Promise<StatusView>,
  options: { readonly everyMs: number; readonly json: boolean },
): Promise<void> =>
  repeatUntilInterrupt(look, {
    ...options,
    text: (status) => `${statusText(status)}\n`,
    behindTime: '\n',
    replacing: true,
  });

/** Several lines, ending in a line break. */
export function statusText({ cell, members }: StatusView): string {
  const id = cell.id === null ? '' : `id ${printable(cell.id)}, `;
  const title = `${printable(cell.name ?? 'not formed yet')}  (${id}generation ${cell.generation ?? none}, level ${cell.level ?? none})`;
  const health = coloured(healthColours[cell.health], cell.health.toUpperCase());
  const lines = [
    row('cell', `${title}  ${health}`),
    row(
      'quorum',
      `${cell.votersAnswering} of ${cell.voters} voters answering; tolerates ${cell.tolerates} of ${cell.intended} intended failures`,
    ),
    ...cell.why.map((reason) => row('', `why: ${printable(reason)}`)),
    row('master', masterText(cell)),
    row('digest', digestText(cell, members)),
    row('snap', snapshotText(cell)),
    ...(cell.backups === null ? [] : [row('backup', backupText(cell.backups))]),
    row('data', cell.revision === null ? none : `revision ${grouped(cell.revision)}, ${entriesText(cell.entries)}`),
    ...(cell.pendingMembership === null ? [] : [row('change', pendingText(cell.pendingMembership))]),
    ...(cell.upgrade === null ? [] : [row('upgrade', upgradeText(cell.upgrade))]),
    ...members.flatMap(({ name, catchUp }) => (catchUp === null ? [] : [row('fetch', catchUpText(name, catchUp))])),
    ...cell.warnings.map((warning) => row('warn', printable(warning))),
  ];
  return `${lines.join('\n')}\n\n${membersTable(members)}\n`;
}

const row = (label: string, text: string): string => `${coloured('dim', label.padEnd(7))} ${text}`;
const entriesText = (entries: number | null) =>
  entries === null ? '' : `${grouped(entries)} ${entries === 1 ? 'entry' : 'entries'}`;

function masterText({ master, epoch, leaseRemainingMs, masterSince, changes }: StatusView['cell']): string {
  if (master === null) return coloured('red', 'none');
  const held = masterSince === null ? '' : `  for ${duration(Math.max(0, Date.now() - Date.parse(masterSince)))}`;
  const lease = leaseRemainingMs === null ? '' : `  lease ${duration(leaseRemainingMs)}`;
  return `${printable(master)}  epoch ${epoch ?? none}${held}${lease}${changesText(changes)}`;
}

/** Such as `changes 1/h 3/24h (election 2, hand-over 1)`. */
function changesText({ lastHour, lastDay, causes }: StatusView['cell']['changes']): string {
  if (lastHour === null || lastDay === null) return '';
  const each = Object.entries(causes).map(([cause, n]) => `${printable(cause)} ${n}`);
  return `  changes ${lastHour}/h ${lastDay}/24h${each.length === 0 ? '' : ` (${each.sort().join(', ')})`}`;
}

/** `n3 gets the snapshot of instance 9,000 from n2: 12.0 MiB of 120.0 MiB (10 %), 60.0 MiB a second` */
function catchUpText(name: string, at: NonNullable<StatusView['members'][number]['catchUp']>): string {
  const share = at.totalBytes > 0 ? ` (${Math.floor((at.bytes / at.totalBytes) * 100)} %)` : '';
  const size = `${bytes(at.bytes)} of ${bytes(at.totalBytes)}${share}, ${bytes(at.ratePerSecond)} a second`;
  return `${printable(name)} gets the snapshot of instance ${grouped(at.instance)} from ${printable(at.from)}: ${size}`;
}

function digestText({ checksum }: StatusView['cell'], members: StatusView['members']): string {
  const differing = members.filter((it) => it.checksum === 'differs').map(({ name }) => printable(name));
  if (differing.length > 0) return coloured('red', `DIFFERS on ${differing.join(', ')}`);
  return [runningText(members), fullCheckText(checksum, members.length)].join('; ');
}

/** The sums that are kept up with each operation, where replicas happen to stand at one instance. */
function runningText(members: StatusView['members']): string {
  const agreeing = members.filter(({ checksum }) => checksum === 'agrees');
  if (agreeing.length === 0) return 'sums not compared: no two replicas stand at one instance just now';
  const at = Math.max(...agreeing.map(({ checksumInstance }) => checksumInstance ?? 0));
  return `sums agree at instance ${grouped(at)} (${agreeing.length} of ${members.length})`;
}

function fullCheckText(checksum: StatusView['cell']['checksum'], members: number): string {
  if (checksum === null) return 'never checked in full';
  const { verdict, instance, ageMs, agreeing } = checksum;
  const when = `at instance ${grouped(instance)}, ${duration(ageMs)} ago`;
  if (verdict === 'differ') return coloured('red', `full check DIFFERS ${when}`);
  return `full check agrees ${when} (${agreeing.length} of ${members})`;
}

function snapshotText({ snapshot }: StatusView['cell']): string {
  if (snapshot === null) return 'none yet';
  const { instance, ageMs, members, bytes: size } = snapshot;
  return `newest verified ${duration(ageMs)} ago at instance ${grouped(instance)}, ${bytes(size)} (${members.map(printable).join(', ')})`;
}

const upgradeText = ({ attempt, changedAt, from, state, to }: NonNullable<StatusView['cell']['upgrade']>): string => {
  const hours = Math.max(0, (Date.now() - Date.parse(changedAt)) / 3_600_000);
  const age = hours < 1 ? `${Math.round(hours * 60)} min` : `${Math.round(hours)} h`;
  const what = state === 'upgraded' ? 'every member runs the target; pending finalize' : state;
  return printable(`${attempt}  ${from} -> ${to}  ${what} for ${age}`);
};

const pendingText = ({ from, members }: NonNullable<StatusView['cell']['pendingMembership']>): string =>
  `${members.map(printable).join(', ')} from instance ${grouped(from)} on`;

function membersTable(members: StatusView['members']): string {
  return table(
    [
      { title: 'MEMBER' },
      { title: 'ROLE' },
      { title: 'URL' },
      { title: 'VERSION' },
      { title: 'APPLIED', align: 'right' },
      { title: 'LAG', align: 'right' },
      { title: 'FLUSH p99', align: 'right' },
      { title: 'DISK FREE', align: 'right' },
      { title: 'UP', align: 'right' },
      { title: 'STATE' },
    ],
    members.map((member) => [
      printable(member.name),
      member.role === 'master' ? coloured('cyan', 'master') : printable(member.role),
      printable(member.url),
      member.version === null ? none : printable(member.version),
      member.applied === null ? none : grouped(member.applied),
      member.lag === null ? none : grouped(member.lag),
      member.flushMsP99 === null ? none : `${member.flushMsP99.toFixed(1)}ms`,
      freeText(member),
      member.uptimeMs === null ? none : duration(member.uptimeMs),
      stateText(member),
    ]),
  );
}

function freeText({ diskFreeBytes, diskBytes }: StatusView['members'][number]): string {
  if (diskFreeBytes === null || diskBytes === null || diskBytes === 0) return none;
  return `${Math.floor((diskFreeBytes / diskBytes) * 100)}%`;
}

function stateText(member: StatusView['members'][number]): string {
  // Its address stands in the same row.
  const detail = member.detail?.replace(` at ${member.url}`, '') ?? null;
  if (!member.answered) return coloured('red', printable(detail ?? 'does not answer'));
  if (member.checksum === 'differs') return coloured('red', 'database differs');
  if (detail !== null) return coloured('yellow', printable(detail));
  if (member.drain !== null) return coloured('yellow', `drained for ${duration(member.drain.remainingMs)}`);
  return coloured('green', 'ok');
}
