/**
 * `lock exec`: a program that runs only while a lock is held.
 *
 * Keeps: the program is told to end before the cell may give the lock to anybody else, and killed when it does not. What it has already
 * sent elsewhere by then only a sequencer stops (CHB §2.4), which is handed to it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession } from '../client/session.ts';
import { OutcomeUnknownError, UsageError } from '../errors/index.ts';
import type { AcquiredDocument } from '../formats/lock-body.ts';
import { type CellFlags, withCell } from './connect.ts';
import { type AcquireFlags, checkName, withLock } from './locks.ts';

/** Between asking the program to end and ending it. */
const killAfterMs = 5_000;

export interface LockExecFlags extends AcquireFlags {
  readonly command: readonly string[];
  /** Its output goes to stderr: stdout is for a document. */
  readonly quietStdout: boolean;
  readonly onAcquired: (acquired: AcquiredDocument) => void;
  /** Gets how to end the program: asked to with SIGTERM, or with SIGKILL at once; called again when it has ended, with null. */
  readonly onRunning: (end: ((signal: 'SIGTERM' | 'SIGKILL') => void) | null) => void;
}

export interface LockExecResult extends AcquiredDocument {
  /** 128 and the signal's number where one ended it. */
  readonly exitCode: number;
  /** Whether the cell was told, so that the lock is free now; otherwise it is when the session ends. */
  readonly released: boolean;
}

/** @throws {ConditionFailedError} as `lock acquire`; {OutcomeUnknownError} `PAXOS_LOCK_LOST` when it was lost while the program ran. */
export function lockExec(cell: CellFlags, lock: string, flags: LockExecFlags): Promise<LockExecResult> {
  checkName(lock);
  if (flags.command.length === 0) throw new UsageError('No command is given: lock exec NAME -- COMMAND [ARGUMENT…].');
  return withCell(cell, (client) =>
    withLock(client, lock, flags, async (session, acquired) => {
      flags.onAcquired(acquired);
      const exitCode = await runUnder(acquired, session, { ...flags, endpoints: cell.endpoints });
      const released = await session.close().then(
        () => true,
        () => false,
      );
      return { ...acquired, exitCode, released };
    }),
  );
}

async function runUnder(
  acquired: AcquiredDocument,
  session: ClientSession,
  { command, quietStdout, onRunning, endpoints }: LockExecFlags & { readonly endpoints: readonly string[] },
): Promise<number> {
  const [program = '', ...rest] = command;
  const { lock, sequencer, generation } = acquired;
  const child = spawn(program, rest, {
    stdio: ['inherit', quietStdout ? process.stderr : 'inherit', 'inherit'],
    env: {
      ...process.env,
      PAXOSCTL_ENDPOINTS: endpoints.join(','),
      PAXOSCTL_LOCK: lock,
      PAXOSCTL_LOCK_GENERATION: String(generation),
      PAXOSCTL_SEQUENCER: sequencer,
      PAXOSCTL_SESSION: session.id,
    },
  });
  const ended = endOf(child, program);
  onRunning((signal) => child.kill(signal));
  try {
    const first = await Promise.race([ended, session.lost.then(() => 'lost' as const)]);
    if (first !== 'lost') return first;
    const exitCode = await stop(child, ended);
    throw new OutcomeUnknownError(
      `The session of lock ${JSON.stringify(lock)} was not heard of for as long as it lives, so the lock may be another's: the command was ended (exit code ${exitCode}).`,
      {
        code: 'PAXOS_LOCK_LOST',
        facts: { lock, generation, session: session.id, exitCode },
        suggestions: ['paxosctl lock list'],
      },
    );
  } finally {
    onRunning(null);
  }
}

async function stop(child: ChildProcess, ended: Promise<number>): Promise<number> {
  child.kill('SIGTERM');
  const over = new AbortController();
  const late = sleep(killAfterMs, undefined, { signal: over.signal }).then(
    () => child.kill('SIGKILL'),
    () => {},
  );
  const exitCode = await ended;
  over.abort();
  await late;
  return exitCode;
}

/** @throws {UsageError} when it could not be started. */
function endOf(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) => {
      if (child.pid === undefined) {
        reject(new UsageError(`${program} cannot be run: ${error.message}.`, { cause: error }));
      }
    });
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
