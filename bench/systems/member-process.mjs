/**
 * A server process of a cell under measurement. Whatever way the run ends, every one that was started is ended, by the
 * handle of the process itself.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';

const running = new Set();

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class MemberProcess {
  #plan;
  #logFile;
  #child = null;
  #exited = Promise.resolve();
  /** Why it ended without being told to, or null. */
  failure = null;

  constructor(plan, logFile) {
    this.#plan = plan;
    this.#logFile = logFile;
  }

  get name() {
    return this.#plan.name;
  }

  get host() {
    return this.#plan.host;
  }

  get port() {
    return this.#plan.port;
  }

  /** Process id, or null while it does not run. */
  get pid() {
    return this.#child?.pid ?? null;
  }

  start() {
    const log = fs.openSync(this.#logFile, 'a');
    const child = spawn(this.#plan.command, this.#plan.args, {
      stdio: ['ignore', log, log],
      env: this.#plan.env ?? process.env,
    });
    fs.closeSync(log);
    this.#child = child;
    this.failure = null;
    running.add(child);
    this.#exited = new Promise((resolve) => {
      const ended = (how) => {
        running.delete(child);
        if (this.#child === child) {
          this.#child = null;
          this.failure = `${this.name} ended by itself (${how}): ${this.#lastWords()}`;
        }
        resolve();
      };
      child.once('error', (error) => ended(error.message));
      child.once('exit', (code, signal) => ended(signal ?? `exit ${code}`));
    });
  }

  /** The next start runs this script, with the same words behind it. */
  useScript(script) {
    this.#plan = { ...this.#plan, args: [script, ...this.#plan.args.slice(1)] };
  }

  /** Sends `kill -9` and returns at once. */
  killNow() {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGKILL');
  }

  /** Resolves when the process is gone. */
  get exited() {
    return this.#exited;
  }

  /** Asks it to stop; after `patienceMs` it is killed. */
  async stop(patienceMs = 15_000) {
    const child = this.#child;
    this.#child = null;
    if (child === null) return this.#exited;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #lastWords() {
    const text = fs.readFileSync(this.#logFile, 'utf8').trimEnd();
    return text.slice(-400) || 'it said nothing';
  }
}
