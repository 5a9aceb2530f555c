/**
 * The operator's own way to restart a replica: COMMAND under `/bin/sh -c`, with the member's facts put in. How it ends is told
 * and never judged by.
 */
import { spawn } from 'node:child_process';
import { UsageError } from '../../errors/index.ts';
import type { RestartRequest } from './world.ts';

const placeholders = ['name', 'url', 'version', 'attempt', 'role'] as const;
/** What it printed last is shown; all of it is not kept. */
const outputCharsMax = 2_000;
/** Between asking it to end and ending it. */
const killAfterMs = 2_000;

/** @throws {UsageError} for a placeholder that there is not. */
export function checkCommand(command: string): void {
  for (const [whole, name] of command.matchAll(/\{([a-z-]+)\}/g)) {
    if ((placeholders as readonly string[]).includes(name ?? '')) continue;
    throw new UsageError(`COMMAND has ${whole}; there are ${placeholders.map((it) => `{${it}}`).join(', ')}.`);
  }
}

/** Every value is quoted: a name from the cell never becomes part of the shell's language. */
export function filledIn(command: string, { attempt, member, role, version }: RestartRequest): string {
  const values: Record<string, string> = {
    name: member.name,
    url: member.url,
    version,
    attempt: attempt.attempt,
    role,
  };
  return command.replace(/\{([a-z]+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : quoted(value);
  });
}

const quoted = (text: string): string =>
  /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

export interface CommandEnd {
  /** How it ended, in words. */
  readonly text: string;
  readonly stdout: string;
}

/** Its whole process group is ended when the time is over. */
export function runCommand(command: string, timeoutMs: number): Promise<CommandEnd> {
  return new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let stdout = '';
    let said = '';
    let late = false;
    const end = (text: string): void => {
      clearTimeout(timer);
      clearTimeout(killer);
      const last = said.trim().split('\n').slice(-3).join(' | ');
      resolve({ text: last === '' ? text : `${text}; it said: ${last.slice(-300)}`, stdout });
    };
    const group = (signal: NodeJS.Signals): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // It has just ended.
      }
    };
    let killer: NodeJS.Timeout | undefined;
    const timer = setTimeout(() => {
      late = true;
      group('SIGTERM');
      killer = setTimeout(() => group('SIGKILL'), killAfterMs);
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout = (stdout + chunk.toString('utf8')).slice(-64 * 1024);
      said = (said + chunk.toString('utf8')).slice(-outputCharsMax);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-outputCharsMax);
    });
    child.once('error', (error) => end(`the command could not be started: ${error.message}`));
    // Not `close`: a replica that was started in the background may keep the pipes.
    child.once('exit', (code, signal) => {
      child.stdout.destroy();
      child.stderr.destroy();
      if (late) end(`the command did not end within ${timeoutMs} ms and was ended`);
      else end(signal === null ? `the command ended with code ${code}` : `the command was ended by ${signal}`);
    });
  });
}
