/** The commands on members, for people. */
import { printable } from './escape.ts';
import { writeResult } from './output.ts';
import { type Progress, startProgress } from './progress.ts';
import { table } from './table.ts';
import { duration, grouped } from './units.ts';

export interface MembersListView {
  readonly version: number;
  readonly quorum: number;
  readonly tolerates: number;
  readonly intended: number;
  readonly toldBy: string;
  readonly current: boolean;
  readonly members: readonly {
    readonly name: string;
    readonly url: string;
    readonly role: string;
    readonly voting: boolean;
    readonly incarnation: number;
  }[];
}

interface Size {
  readonly voters: number;
  readonly quorum: number;
  readonly tolerates: number;
}

export interface MembersResultView {
  readonly action: string;
  readonly name: string;
  readonly dryRun: boolean;
  readonly changed: boolean;
  readonly before: Size;
  readonly after: Size;
  readonly version: number;
  readonly member: { readonly incarnation: number; readonly role: string } | null;
  readonly probes: readonly { readonly from: string; readonly ok: boolean; readonly detail: string }[];
  readonly warnings: readonly string[];
  readonly steps: readonly { readonly action: string; readonly name: string; readonly changed: boolean }[];
}

export function membersText(view: MembersListView): string {
  const { version, quorum, tolerates, intended, members, toldBy, current } = view;
  const voters = members.filter(({ voting }) => voting).length;
  const rows = members.map((member) => [
    printable(member.name),
    printable(member.role),
    member.voting ? 'yes' : 'no',
    String(member.incarnation),
    printable(member.url),
  ]);
  const list = table(
    [
      { title: 'MEMBER' },
      { title: 'ROLE' },
      { title: 'VOTES' },
      { title: 'INCARNATION', align: 'right' },
      { title: 'URL' },
    ],
    rows,
  );
  const size = `${voters} voters, ${quorum} are a quorum; tolerates ${tolerates}${intended === tolerates ? '' : ` of ${intended} intended`}`;
  const old = current
    ? ''
    : `as ${printable(toldBy)} knows it: nobody is master, and the cell may have changed since\n`;
  return `${size}; since instance ${grouped(version)}\n${old}\n${list}\n`;
}

export const showMembers = (members: MembersListView): Promise<void> => writeResult(membersText(members));

const went = (label: string, before: number, after: number): string =>
  before === after ? `${label} ${after}` : `${label} ${before} -> ${after}`;

export function membersResultText(result: MembersResultView): string {
  const { name, dryRun, changed, before, after, member } = result;
  const lines: string[] = [];
  const state = member === null ? 'no member' : `${member.role}, incarnation ${member.incarnation}`;
  const what = result.steps
    .filter((step) => step.changed)
    .map((step) => `${step.action} ${printable(step.name)}`)
    .join(', ');
  if (dryRun) lines.push(changed ? `would change: ${what}` : `nothing would change: ${printable(name)} is ${state}`);
  else
    lines.push(
      changed ? `done: ${what}; ${printable(name)} is ${state}` : `nothing to do: ${printable(name)} is ${state}`,
    );
  lines.push(
    `  ${went('voters', before.voters, after.voters)}   ${went('quorum', before.quorum, after.quorum)}   ${went('tolerates', before.tolerates, after.tolerates)}`,
  );
  for (const probe of result.probes) {
    lines.push(`  probe   ${printable(probe.from)}: ${probe.ok ? '' : 'NO: '}${printable(probe.detail)}`);
  }
  for (const warning of result.warnings) lines.push(`  warn    ${printable(warning)}`);
  return `${lines.join('\n')}\n`;
}

export const showMembersResult = (result: MembersResultView): Promise<void> => writeResult(membersResultText(result));

export interface MemberProgressView {
  readonly step: string;
  readonly done?: number;
  readonly total?: number;
  readonly ratePerSecond?: number;
  readonly waitingFor: string | null;
}

export function memberProgressText({ step, done, total, ratePerSecond = 0, waitingFor }: MemberProgressView): string {
  const parts = [step];
  if (done !== undefined && total !== undefined && total > 0) {
    const left = Math.max(0, total - done);
    parts.push(`${grouped(done)} of ${grouped(total)} instances, ${Math.min(100, Math.floor((100 * done) / total))} %`);
    if (ratePerSecond >= 1) {
      parts.push(`${grouped(Math.round(ratePerSecond))} a second`);
      if (left > ratePerSecond) parts.push(`about ${duration((1000 * left) / ratePerSecond)} left`);
    }
  }
  if (waitingFor !== null && waitingFor !== '') parts.push(`waits for: ${waitingFor.replace(/\.$/, '')}`);
  return parts.join('; ');
}

/** On stderr, while `work` goes on. */
export async function withMemberProgress<Result>(
  title: string,
  work: (onProgress: (progress: MemberProgressView) => void) => Promise<Result>,
): Promise<Result> {
  const progress: Progress = startProgress(title);
  try {
    const result = await work((seen) => progress.update(memberProgressText(seen)));
    progress.stop();
    return result;
  } catch (error) {
    progress.stop();
    throw error;
  }
}
