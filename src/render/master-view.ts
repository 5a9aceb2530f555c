/** `paxosctl master status` for people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { duration } from './units.ts';

export interface MasterView {
  readonly master: { readonly name: string; readonly url: string };
  readonly epoch: number | null;
  readonly since: string | null;
  readonly leaseRemainingMs: number | null;
  readonly changes: { readonly lastHour: number | null; readonly lastDay: number | null };
  readonly lastChange: { readonly at: string; readonly cause: string } | null;
}

export function masterText({ master, epoch, since, leaseRemainingMs, changes, lastChange }: MasterView): string {
  const held = since === null ? '' : `, ${duration(Math.max(0, Date.now() - Date.parse(since)))}`;
  const rows: [string, string][] = [
    ['master', `${coloured('bold', printable(master.name))}  ${printable(master.url)}`],
    ['epoch', String(epoch ?? '–')],
    ['since', since === null ? '–' : `${printable(since)}${held}`],
    ['lease', leaseRemainingMs === null ? '–' : `${duration(leaseRemainingMs)} left`],
    ['changes', `${changes.lastHour ?? '–'} in the last hour, ${changes.lastDay ?? '–'} in the last day`],
    ['last', lastChange === null ? '–' : `${printable(lastChange.at)}: ${printable(lastChange.cause)}`],
  ];
  return rows.map(([label, text]) => `${coloured('dim', label.padEnd(7))} ${text}\n`).join('');
}

export const showMaster = (status: MasterView): Promise<void> => writeResult(masterText(status));

export function showTransfer(result: { from: string; to: string; epoch: number; dryRun: boolean }): Promise<void> {
  const [from, to] = [printable(result.from), printable(result.to)];
  if (result.dryRun) return writeResult(`mastership would go from ${from} to ${to}\n`);
  return writeResult(`${to} is master now, epoch ${result.epoch}; it was ${from}\n`);
}

export function showDrained(result: {
  readonly member: string;
  readonly until: string | null;
  readonly handedTo: string | null;
  readonly warning: string | null;
  readonly changed: boolean;
  readonly dryRun: boolean;
}): Promise<void> {
  const member = printable(result.member);
  const would = result.dryRun ? 'would be ' : '';
  const handed =
    result.handedTo === null ? '' : `; ${printable(result.handedTo)} ${result.dryRun ? 'would become' : 'is'} master`;
  const warning = result.warning === null ? '' : `  warn    ${printable(result.warning)}\n`;
  if (result.until !== null)
    return writeResult(`${member} ${would}drained until ${printable(result.until)}${handed}\n${warning}`);
  if (!result.changed) return writeResult(`${member} was not drained\n`);
  return writeResult(`${member} ${result.dryRun ? 'would be' : 'is'} drained no more\n`);
}
