/** What `cell start` shows while it runs. */
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { logLine } from './logger.ts';
import { coloured } from './output.ts';
import { ownName } from './own-name.ts';
import { type Progress, startProgress } from './progress.ts';
import { table } from './table.ts';
import { counted, duration } from './units.ts';

export interface MemberView {
  readonly name: string;
  readonly url: string;
  readonly pid: number | null;
}

interface UpView {
  readonly master: string;
  readonly epoch: number | null;
  readonly directory: string;
  readonly basePort: number;
  readonly members: readonly MemberView[];
}

type EventView =
  | { readonly kind: 'line'; readonly member: string; readonly text: string }
  | { readonly kind: 'started'; readonly member: string; readonly pid: number }
  | {
      readonly kind: 'ended';
      readonly member: string;
      readonly code: number | null;
      readonly signal: string | null;
      readonly restartMs: number | null;
    };

/** The screen of `cell start`: a spinner until a master serves, then the endpoints; the replicas' logs on stderr throughout. */
export function localCellScreen({ json, verbose }: { json: boolean; verbose: boolean }) {
  let progress: Progress | null = null;
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const end = () => {
    progress?.stop();
    progress = null;
  };
  return {
    onInterrupt,
    forming(shape: { replicas: number }, directory: string) {
      progress = startProgress(`Starting ${counted(shape.replicas, 'replica')} in ${directory}`);
    },
    waiting: (why: string) => progress?.update(`Waiting for a master: ${why}`),
    up(cell: UpView) {
      end();
      const { master, epoch, directory, members } = cell;
      if (json) process.stdout.write(`${JSON.stringify({ master, epoch, directory, members }, null, 2)}\n`);
      else process.stdout.write(upText(cell));
    },
    late: (message: string) => say(`Still no master. ${printable(message)} It is tried on; Ctrl-C stops all.`),
    event(event: EventView) {
      if (event.kind === 'ended' && (event.code !== 0 || event.restartMs !== null)) say(endedLine(event));
      if (event.kind === 'line' && (verbose || matters(event.text))) say(memberLine(event.member, event.text));
    },
    stopping() {
      end();
      progress = startProgress('Stopping all replicas');
    },
    stopped() {
      progress?.succeed('All replicas stopped.');
      progress = null;
    },
  };
}

/** One line of a replica's log, with its name in front. Lines that are no log lines are shown as they are, escaped. */
export function memberLine(member: string, text: string): string {
  const name = coloured('cyan', `${printable(member)} │`, process.stderr);
  const parsed = parseLine(text);
  if (parsed === null) return `${name} ${printable(text)}`;
  return `${name} ${logLine(parsed)}`;
}

/** Of lost connections `status` tells more; that they are lost while the cell starts and stops is as it should be. */
const usual = new Set(['no connection to a peer']);

/** Errors, warnings, who becomes master, and whatever is no log line at all. */
function matters(text: string): boolean {
  const line = parseLine(text);
  if (line === null) return true;
  if (line.level === 'error' || line.level === 'warn') return !usual.has(line.message);
  return line.message === 'mastership' && (line.facts as { role?: unknown }).role === 'master';
}

/** Fields of every line of a replica's log, which its name in front says already. */
const common = new Set(['level', 'time', 'pid', 'hostname', 'name', 'member', 'msg']);

function parseLine(text: string): { level: string; message: string; facts: object } | null {
  if (!text.startsWith('{')) return null;
  try {
    const line = JSON.parse(text) as Record<string, unknown>;
    if (typeof line.msg !== 'string') return null;
    const facts = Object.fromEntries(Object.entries(line).filter(([key]) => !common.has(key)));
    return { level: String(line.level ?? 'info'), message: line.msg, facts };
  } catch {
    return null;
  }
}

/** That a replica's process ended, and what follows. */
export function endedLine(end: {
  member: string;
  code: number | null;
  signal: string | null;
  restartMs: number | null;
}): string {
  const how = end.signal === null ? `ended with exit code ${end.code ?? 'unknown'}` : `was ended by ${end.signal}`;
  const next = end.restartMs === null ? '' : `; it is started again in ${duration(end.restartMs)}`;
  return `${coloured('yellow', `${printable(end.member)} │`, process.stderr)} ${how}${next}`;
}

/** The cell is up: where it is and what to try. The commands work when pasted. */
export function upText(cell: {
  master: string;
  directory: string;
  members: readonly MemberView[];
  basePort: number;
}): string {
  const tolerates = Math.floor((cell.members.length - 1) / 2);
  const call = ownName();
  const first = cell.members[0]?.url ?? '';
  const endpoints = cell.basePort === 7400 ? '' : ` --endpoints ${first}`;
  const list = table(
    [{ title: 'MEMBER' }, { title: 'URL' }, { title: 'PID', align: 'right' }],
    cell.members.map(({ name, url, pid }) => [
      name === cell.master ? `${name} (master)` : name,
      url,
      String(pid ?? '–'),
    ]),
  );
  const commands = ['kv put greeting "hello, world"', 'kv get greeting', 'status'];
  return `
${coloured('green', 'The cell is up')}: ${counted(cell.members.length, 'replica')}; it goes on when ${tolerates} of them fail${tolerates === 1 ? 's' : ''}.

${list}

data in ${printable(cell.directory)}
Ctrl-C stops all; the same command brings the same cell up again.

Try this in another terminal:
${commands.map((command) => `  ${coloured('bold', `${call} ${command}${endpoints}`)}`).join('\n')}

`;
}
