/** Child processes of the tooling, with their exit codes told honestly. */
import { spawn } from 'node:child_process';
import os from 'node:os';
import { root } from './paths.mjs';

/**
 * Runs a command in the project's folder.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{
 *   stdio?: 'inherit' | 'stderr' | 'collect' | 'result' | 'answer',
 *   env?: NodeJS.ProcessEnv,
 *   behind?: boolean,
 *   interrupt?: AbortSignal,
 * }} [options]
 *   `inherit` shows the output as it comes, `stderr` shows all of it on stderr, `collect` keeps it for the caller, `result`
 *   keeps stdout and shows stderr, `answer` keeps stdout and drops stderr. `behind`: it
 *   has what others leave of the processors. `interrupt`: then it gets what Ctrl-C sends.
 * @returns {Promise<{ code: number, output: string, signal: string | null }>}
 */
export function run(command, args, { stdio = 'inherit', env = process.env, behind = false, interrupt } = {}) {
  const wiring = {
    inherit: 'inherit',
    stderr: ['inherit', 2, 2],
    collect: ['ignore', 'pipe', 'pipe'],
    result: ['ignore', 'pipe', 2],
    answer: ['ignore', 'pipe', 'ignore'],
  }[stdio];
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: wiring });
    // At once: what it starts inherits that.
    if (behind && child.pid !== undefined) os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', forward).on('SIGTERM', forward);
    const onInterrupt = () => forward('SIGINT');
    interrupt?.addEventListener('abort', onInterrupt);
    const done = () => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      interrupt?.removeEventListener('abort', onInterrupt);
    };
    child.on('error', (error) => {
      done();
      reject(error);
    });
    child.on('close', (code, signal) => {
      done();
      resolve({ code: code ?? 128 + (signal === 'SIGINT' ? 2 : 15), output, signal });
    });
  });
}

/** Runs this Node on a script with its arguments. */
export const runNode = (args, options) => run(process.execPath, args, options);
