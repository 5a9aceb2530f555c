/**
 * One replica as a process of its own: `node start` as users run it, or any other program that takes the same flags.
 * Killed, paused and ended by its own process id only.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { request } from 'undici';
import type { ReplicaStatus } from '../../src/runtime/http/service.ts';
import { until } from './until.ts';

/** Program and first arguments, to which the flags of `node start` are appended. */
export type Program = readonly [string, ...string[]];

export const nodeStart: Program = [
  process.execPath,
  path.resolve(import.meta.dirname, '../../bin/run.js'),
  'node',
  'start',
];

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ReplicaChildOptions {
  readonly name: string;
  readonly port: number;
  readonly directory: string;
  /** Where everything that it prints goes, over all of its lives. */
  readonly logFile: string;
  /** Value of `--cell`. */
  readonly cell: string;
  /** Value of `--join`, which takes the place of `--cell`. */
  readonly join?: string;
  readonly program?: Program;
  readonly env?: Readonly<Record<string, string>>;
}

/** One life of the process. */
interface Life {
  readonly process: ChildProcess;
  readonly exit: Promise<Exit>;
  ended: Exit | null;
  /** Somebody asked for its end; otherwise an end is a failure of the test. */
  expected: boolean;
  paused: boolean;
  /** Orders that wait for their answer. */
  readonly asked: Map<number, (report: object | null) => void>;
}

const statusTimeoutMs = 1_000;
/** Everything that still runs when this process ends, however it ends, dies with it. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ReplicaChild {
  readonly options: ReplicaChildOptions;
  readonly url: string;
  /** What the next start runs. */
  program: Program;
  #life: Life | null = null;
  #unexpected: string[] = [];
  #asked = 0;

  constructor(options: ReplicaChildOptions) {
    this.options = options;
    this.url = `http://127.0.0.1:${options.port}`;
    this.program = options.program ?? nodeStart;
  }

  get name(): string {
    return this.options.name;
  }

  get directory(): string {
    return this.options.directory;
  }

  /** A program of the tests, which has hooks, and not `node start` as it is built. */
  get runsTestProgram(): boolean {
    return this.options.program !== undefined;
  }

  get running(): boolean {
    return this.#life !== null && this.#life.ended === null;
  }

  get paused(): boolean {
    return this.running && (this.#life as Life).paused;
  }

  /** Ends that nobody asked for, over all of its lives. */
  get unexpectedEnds(): readonly string[] {
    return this.#unexpected;
  }

  /** What it has printed since it was first started. */
  log(): string {
    return existsSync(this.options.logFile) ? readFileSync(this.options.logFile, 'utf8') : '';
  }

  /** The command line of `node start` with this replica's flags; `flags` replace or add to them. */
  flags(flags: Readonly<Record<string, string | true>> = {}): string[] {
    const { join = this.options.join } = flags;
    const all: Record<string, string | true> = {
      name: this.options.name,
      'data-dir': this.options.directory,
      listen: `127.0.0.1:${this.options.port}`,
      ...(join === undefined ? { cell: this.options.cell } : { join }),
      ...flags,
    };
    return Object.entries(all).flatMap(([name, value]) => (value === true ? [`--${name}`] : [`--${name}`, value]));
  }

  start(flags: Readonly<Record<string, string | true>> = {}, environment: Readonly<Record<string, string>> = {}): void {
    if (this.running) throw new Error(`${this.name} runs already.`);
    const { program } = this;
    const { logFile } = this.options;
    const env = { ...this.options.env, ...environment };
    const [file, ...first] = program;
    const log = openSync(logFile, 'a');
    const child = spawn(file, [...first, ...this.flags(flags)], {
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...env },
      // The channel ends with this process, and a replica whose channel ended stops by itself.
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    running.add(child);
    child.on('error', () => undefined);
    const life: Life = {
      process: child,
      ended: null,
      expected: false,
      paused: false,
      asked: new Map(),
      exit: new Promise((resolve) => {
        child.once('exit', (code, signal) => {
          running.delete(child);
          life.ended = { code, signal };
          for (const answer of life.asked.values()) answer(null);
          life.asked.clear();
          if (!life.expected) this.#unexpected.push(`${this.name} ended by itself: code ${code}, signal ${signal}`);
          resolve(life.ended);
        });
      }),
    };
    child.on('message', (message) => {
      const { id, report } = message as { readonly id: number; readonly report: object };
      life.asked.get(id)?.(report);
      life.asked.delete(id);
    });
    this.#life = life;
  }

  /** Starts it and waits for the end that is sure to come. */
  startAndEnd(flags: Readonly<Record<string, string | true>> = {}, timeoutMs = 15_000): Promise<Exit> {
    this.start(flags);
    return this.end(timeoutMs);
  }

  /** Waits for its end, which is no failure from now on. */
  end(timeoutMs = 15_000): Promise<Exit> {
    const life = this.#alive();
    life.expected = true;
    const explain = (): string => this.log().slice(-2_000);
    return until(`${this.name} ends by itself`, () => life.ended, { timeoutMs, explain });
  }

  /** Whether an end of this life, should one come, is no failure. */
  expectEnd(expected: boolean): void {
    this.#alive().expected = expected;
  }

  #alive(): Life {
    const life = this.#life;
    if (life === null) throw new Error(`${this.name} was never started.`);
    return life;
  }

  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<Exit> {
    return this.#end('SIGKILL');
  }

  /** SIGTERM, the clean stop; resolves when it is gone. */
  terminate(): Promise<Exit> {
    return this.#end('SIGTERM');
  }

  #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<Exit> {
    const life = this.#alive();
    life.expected = true;
    life.process.kill(signal);
    return life.exit;
  }

  pause(): void {
    const life = this.#alive();
    life.paused = true;
    life.process.kill('SIGSTOP');
  }

  resume(): void {
    const life = this.#alive();
    life.paused = false;
    life.process.kill('SIGCONT');
  }

  /** To programs that listen to messages. */
  tell(message: string): void {
    this.#alive().process.send(message);
  }

  /** To programs that answer numbered orders. Null when it ended before it answered. */
  ask(order: object): Promise<object | null> {
    const life = this.#alive();
    const id = ++this.#asked;
    return new Promise((resolve) => {
      life.asked.set(id, resolve);
      // What cannot be sent any more is answered by the end.
      life.process.send({ id, order }, () => undefined);
    });
  }

  /** Null when it does not answer. */
  async status(): Promise<ReplicaStatus | null> {
    if (!this.running || this.paused) return null;
    try {
      const { statusCode, body } = await request(`${this.url}/v1/status`, {
        signal: AbortSignal.timeout(statusTimeoutMs),
      });
      const text = await body.text();
      return statusCode === 200 ? (JSON.parse(text) as ReplicaStatus) : null;
    } catch {
      return null;
    }
  }
}
