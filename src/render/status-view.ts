/** `paxosctl status` for people. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reportError } from './error-report.ts';
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { coloured, writeResult } from './output.ts';
import { table } from './table.ts';
import { duration, grouped } from './units.ts';

/** The part of the `status` document (contract §1) that is shown. */
export interface StatusView {
  readonly cell: {
    readonly id: string | null;
    readonly name: string | null;
    readonly generation: number | null;
    readonly level: number | null;
    readonly health: 'healthy' | 'degraded' | 'unavailable';
    readonly tolerates: number;
    readonly intended: number;
    readonly why: readonly string[];
    readonly master: string | null;
    readonly epoch: number | null;
    readonly leaseRemainingMs: number | null;
    readonly revision: number | null;
    readonly entries: number | null;
    readonly votersAnswering: number;
    readonly voters: number;
    readonly warnings: readonly string[];
  };
  readonly members: readonly {
    readonly name: string;
    readonly url: string;
    readonly role: string;
    readonly voting: boolean;
    readonly version: string | null;
    readonly applied: number | null;
    readonly lag: number | null;
    readonly answered: boolean;
    readonly detail: string | null;
    readonly checksum: string;
    readonly checksumInstance: number | null;
    readonly uptimeMs: number | null;
    readonly flushMsP99: number | null;
  }[];
}

const healthColours = { healthy: 'green', degraded: 'yellow', unavailable: 'red' } as const;
const none = '–';

export const showStatus = (status: StatusView): Promise<void> => writeResult(statusText(status));

/**
 * Shows the status again and again until Ctrl-C; a look that fails is shown as such and does not end it. On a terminal each
 * look replaces the one before; with `json` each is one line with its time.
 */
export async function watchStatus(
  look: () => Promise<StatusView>,
  { everyMs, json }: { everyMs: number; json: boolean },
): Promise<void> {
  const stopped = new AbortController();
  onInterrupt(() => stopped.abort());
  while (!stopped.signal.aborted) {
    const at = new Date().toISOString();
    let text: string;
    try {
      const status = await look();
      text = json ? `${JSON.stringify({ at, ...status })}\n` : `${at}\n${statusText(status)}\n`;
    } catch (error) {
      const report = reportError(error);
      text = json ? `${JSON.stringify({ at, error: report.json })}\n` : `${at}\n${report.text}\n`;
    }
    const clear = !json && process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
    await writeResult(clear + text);
    await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {});
  }
  process.exitCode = 130;
}

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
    row('digest', digestText(members)),
    row('data', cell.revision === null ? none : `revision ${grouped(cell.revision)}, ${entriesText(cell.entries)}`),
    ...cell.warnings.map((warning) => row('warn', printable(warning))),
  ];
  return `${lines.join('\n')}\n\n${membersTable(members)}\n`;
}

const row = (label: string, text: string): string => `${coloured('dim', label.padEnd(7))} ${text}`;
const entriesText = (entries: number | null) =>
  entries === null ? '' : `${grouped(entries)} ${entries === 1 ? 'entry' : 'entries'}`;

function masterText({ master, epoch, leaseRemainingMs }: StatusView['cell']): string {
  if (master === null) return coloured('red', 'none');
  const lease = leaseRemainingMs === null ? '' : `  lease ${duration(leaseRemainingMs)}`;
  return `${printable(master)}  epoch ${epoch ?? none}${lease}`;
}

function digestText(members: StatusView['members']): string {
  const differing = members.filter(({ checksum }) => checksum === 'differs').map(({ name }) => printable(name));
  if (differing.length > 0) return coloured('red', `DIFFERS on ${differing.join(', ')}`);
  const agreeing = members.filter(({ checksum }) => checksum === 'agrees');
  if (agreeing.length === 0) return 'not compared: no two replicas stand at one instance just now';
  const at = Math.max(...agreeing.map(({ checksumInstance }) => checksumInstance ?? 0));
  return `agrees at instance ${grouped(at)} (${agreeing.length} of ${members.length})`;
}

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
      member.uptimeMs === null ? none : duration(member.uptimeMs),
      stateText(member),
    ]),
  );
}

function stateText(member: StatusView['members'][number]): string {
  // Its address stands in the same row.
  const detail = member.detail?.replace(` at ${member.url}`, '') ?? null;
  if (!member.answered) return coloured('red', printable(detail ?? 'does not answer'));
  if (member.checksum === 'differs') return coloured('red', 'database differs');
  if (detail !== null) return coloured('yellow', printable(detail));
  return coloured('green', 'ok');
}
