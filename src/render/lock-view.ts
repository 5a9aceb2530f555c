/** What `lock …` and `session …` show to people. */
import type { LockDocument, LocksDocument, SessionsDocument } from '../client/index.ts';
import { printable, shortened } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { keyWidthMax } from './key-value-view.ts';
import { coloured, writeResult } from './output.ts';
import { type Progress, startProgress } from './progress.ts';
import { table } from './table.ts';
import { counted, duration, grouped } from './units.ts';

export interface AcquiredView {
  readonly lock: string;
  readonly mode: string;
  readonly session: string;
  readonly sequencer: string;
  /** Null where the session was given. */
  readonly ttlMs: number | null;
}

/** The sequencer alone on stdout, so that a script takes it as it is. */
export async function showAcquired({ lock, mode, session, sequencer, ttlMs }: AcquiredView): Promise<void> {
  const ends =
    ttlMs === null ? '' : `, which ends in ${duration(ttlMs)} unless it is kept: paxosctl session keep ${session}`;
  process.stderr.write(`${printable(lock)} is held (${mode}) by session ${session}${ends}\n`);
  await writeResult(`${sequencer}\n`);
}

export const showLockDryRun = ({
  lock,
  wouldChange,
}: {
  readonly lock: string;
  readonly wouldChange: boolean;
}): Promise<void> => writeResult(`${printable(lock)}: would change: ${wouldChange ? 'yes' : 'no'}\n`);

export const showSessionDryRun = ({ session }: { readonly session: string | null }): Promise<void> =>
  writeResult(`${session ?? 'a session'}: would change: yes\n`);

export const showReleased = (lock: string): Promise<void> => writeResult(`${printable(lock)}: released\n`);

export function locksText({ locks, next }: LocksDocument): string {
  if (locks.length === 0) return 'no locks are held\n';
  const rows = locks.flatMap((lock) =>
    lock.holders.length === 0
      ? [[shortened(lock.lock, keyWidthMax), 'lock-delay', '', '', delayText(lock)]]
      : lock.holders.map(({ session, generation }, i) => [
          i === 0 ? shortened(lock.lock, keyWidthMax) : '',
          i === 0 ? (lock.mode ?? '') : '',
          session,
          grouped(generation),
          i === 0 ? delayText(lock) : '',
        ]),
  );
  const columns = [
    { title: 'LOCK' },
    { title: 'MODE' },
    { title: 'SESSION' },
    { title: 'GENERATION', align: 'right' as const },
    { title: 'FREE IN' },
  ];
  return `${table(columns, rows)}\n${more(next)}`;
}

const delayText = ({ holders, delayMs }: LockDocument): string =>
  holders.length > 0 || delayMs.exclusive === 0 ? '' : duration(delayMs.exclusive);

export function sessionsText({ sessions, next }: SessionsDocument): string {
  if (sessions.length === 0) return 'no sessions are open\n';
  const rows = sessions.map(({ session, ttlMs, expiresInMs, answers, locks }) => [
    session,
    duration(ttlMs),
    duration(expiresInMs),
    grouped(answers),
    grouped(locks),
  ]);
  const columns = [
    { title: 'SESSION' },
    { title: 'LIVES' },
    { title: 'ENDS IN' },
    { title: 'ANSWERS', align: 'right' as const },
    { title: 'LOCKS', align: 'right' as const },
  ];
  return `${table(columns, rows)}\n${more(next)}`;
}

const more = (next: string | null): string =>
  next === null ? '' : coloured('dim', `… more follow: --after ${JSON.stringify(next)}\n`, process.stderr);

/** While a lock is waited for: who has it, and how to give up. */
export interface LockScreen {
  /** Aborted by the first Ctrl-C while nothing runs under the lock. */
  readonly signal: AbortSignal;
  readonly onWait: (lock: LockDocument) => void;
  readonly onAcquired: () => void;
  /** From now on Ctrl-C asks what runs under the lock to end, and the second one ends it; null: nothing runs any more. */
  readonly onRunning: (end: ((signal: 'SIGTERM' | 'SIGKILL') => void) | null) => void;
  stop(): void;
}

export function lockScreen(name: string): LockScreen {
  const interrupted = new AbortController();
  const forgetWaiting = onInterrupt(() => interrupted.abort());
  let forgetRunning: (() => void) | null = null;
  let progress: Progress | null = null;
  const quiet = (): void => {
    progress?.stop();
    progress = null;
  };
  return {
    signal: interrupted.signal,
    onWait: (lock) => {
      const text = `waiting for ${printable(name)}: ${waitingFor(lock)}`;
      if (progress === null) progress = startProgress(text);
      else progress.update(text);
    },
    onAcquired: quiet,
    onRunning: (end) => {
      forgetRunning?.();
      forgetRunning = null;
      if (end === null) return;
      forgetWaiting();
      forgetRunning = onInterrupt(() => {
        forgetRunning = onInterrupt(() => end('SIGKILL'));
        end('SIGTERM');
      });
    },
    stop: () => {
      quiet();
      forgetRunning?.();
      forgetWaiting();
    },
  };
}

function waitingFor({ holders, mode, delayMs }: LockDocument): string {
  const [first] = holders;
  if (first === undefined) return `its last holder was lost, lock-delay goes on for ${duration(delayMs.exclusive)}`;
  if (holders.length === 1) return `held (${mode}) by session ${first.session}`;
  return `held (${mode}) by ${counted(holders.length, 'session')}`;
}
