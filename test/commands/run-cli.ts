/** Runs `bin/run.js` as an operator would, and tells what came of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';

const script = path.resolve(import.meta.dirname, '../../bin/run.js');

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly process: ChildProcess;
  readonly result: Promise<CliResult>;
  /** What stdout and stderr hold so far. */
  output(): { readonly stdout: string; readonly stderr: string };
}

export interface CliOptions {
  /** Added to a small environment: nothing of the caller's PAXOSCTL_ settings gets in. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
}

const inherited = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '/',
  XDG_STATE_HOME: process.env.XDG_STATE_HOME ?? '',
});

export function startCli(args: readonly string[], { env = {}, stdin, cwd }: CliOptions = {}): RunningCli {
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...inherited(), COLUMNS: '120', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(stdin ?? '');
  const result = new Promise<CliResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { process: child, result, output: () => ({ stdout, stderr }) };
}

export const cli = (args: readonly string[], options?: CliOptions): Promise<CliResult> =>
  startCli(args, options).result;
