/**
 * A whole cell on this machine: one child process a replica, started, restarted and stopped together.
 *
 * The folder of the cell holds one data directory a member (`n1/` …), `cell.json` with the shape that it was formed with, and
 * `n1.pid` … with the process that runs each member. Nothing of these lies inside a data directory, where every file is
 * accounted for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { AddressInUseError, RefusedError } from '../errors/index.ts';
import { chosenVersion, programOf, readPrograms, writePrograms } from './local-programs.ts';

const host = '127.0.0.1';
/** A child that dies again and again is restarted ever more slowly, so that it cannot eat the machine. */
const restartMsMin = 200;
const restartMsMax = 10_000;
/** A child that lived this long starts again with the shortest wait. */
const steadyMs = 30_000;
/** Time for handing mastership over and the last flush; then the child is killed, which loses nothing that was acknowledged. */
const stopMsMax = 10_000;

/** Exit code of a member whose data wants another version. */
const versionRefused = 22;
const otherVersionLookMs = 300;

/** Restarting changes nothing about these (contract §1, exit codes of `node start`); 2 is a wrong command line. */
const isFinal = (code: number | null): boolean => code !== null && (code === 2 || (code >= 20 && code <= 25));

/** What a cell's folder remembers of its shape. */
export interface CellShape {
  readonly replicas: number;
  readonly basePort: number;
}

export interface LocalMember {
  readonly name: string;
  readonly url: string;
  readonly directory: string;
  /** Null while it does not run. */
  readonly pid: number | null;
}

export type LocalCellEvent =
  | { readonly kind: 'line'; readonly member: string; readonly text: string }
  | { readonly kind: 'started'; readonly member: string; readonly pid: number }
  | {
      readonly kind: 'ended';
      readonly member: string;
      readonly code: number | null;
      readonly signal: string | null;
      /** Null when it is not started again. */
      readonly restartMs: number | null;
    };

export interface LocalCellOptions {
  readonly directory: string;
  readonly shape: CellShape;
  /** Program and first arguments that `node start …` is appended to. */
  readonly command: readonly [string, ...string[]];
  /** Of `command`: what an upgrade goes back to. */
  readonly version?: string | undefined;
  readonly onEvent: (event: LocalCellEvent) => void;
}

interface Child {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  process: ChildProcess | null;
  startedAt: number;
  restartMs: number;
  timer: NodeJS.Timeout | null;
  finalCode: number | null;
  /** Why it could not be started, as was said last. */
  refusal: string;
}

/**
 * The shape to start a cell's folder with: the recorded one, unless the folder is new.
 *
 * @throws {RefusedError} when another one is asked for: the members know each other by these names and addresses.
 */
export function shapeOf(directory: string, asked: Partial<CellShape>): CellShape {
  const recorded = recordedShape(directory);
  const shape = { replicas: asked.replicas ?? 3, basePort: asked.basePort ?? 7400, ...recorded };
  for (const name of ['replicas', 'basePort'] as const) {
    const wanted = asked[name];
    if (wanted === undefined || wanted === shape[name]) continue;
    const flag = name === 'replicas' ? 'replicas' : 'base-port';
    throw new RefusedError(
      `The cell in ${directory} was formed with --${flag} ${shape[name]}; it cannot be started with ${wanted}.`,
      {
        facts: { directory, ...shape },
        suggestions: [
          `paxosctl cell start --data-dir ${directory}`,
          `paxosctl cell start --data-dir ${directory}-2 --${flag} ${wanted}`,
        ],
      },
    );
  }
  return shape;
}

/** Null where the folder is none of a cell. */
export function recordedShape(directory: string): CellShape | null {
  let text: string;
  try {
    text = readFileSync(path.join(directory, 'cell.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const { replicas, basePort } = JSON.parse(text) as CellShape;
  return { replicas, basePort };
}

/** As whom, and where, its members know each other. */
export const membersIn = ({
  replicas,
  basePort,
}: CellShape): readonly { readonly name: string; readonly port: number; readonly url: string }[] =>
  Array.from({ length: replicas }, (_, at) => {
    const port = basePort + at + 1;
    return { name: `n${at + 1}`, port, url: `http://${host}:${port}` };
  });

/** @throws {AddressInUseError} naming the first of the cell's ports that somebody listens on. */
export async function refuseUsedPorts({ replicas, basePort }: CellShape): Promise<void> {
  for (let at = 1; at <= replicas; at += 1) await refuseUsedPort(basePort + at);
}

function refuseUsedPort(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(new AddressInUseError({ host, port }, error)));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve()));
  });
}

export class LocalCell {
  readonly #options: LocalCellOptions;
  readonly #children: Child[];
  readonly #ended: Promise<number>;
  #resolveEnded: (code: number) => void = () => {};
  #stopping = false;

  constructor(options: LocalCellOptions) {
    this.#options = options;
    this.#ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#children = membersIn(options.shape).map(({ name, port, url }) => ({
      name,
      port,
      url,
      process: null,
      startedAt: 0,
      restartMs: restartMsMin,
      timer: null,
      finalCode: null,
      refusal: '',
    }));
  }

  get members(): LocalMember[] {
    return this.#children.map(({ name, url, process: child }) => ({
      name,
      url,
      directory: path.join(this.#options.directory, name),
      pid: child?.pid ?? null,
    }));
  }

  /** Resolves with an exit code when no member runs any more and none will be started: after `stop`, or when all gave up. */
  get ended(): Promise<number> {
    return this.#ended;
  }

  /** @throws {RefusedError} when a member is to run a version that is not known here; nothing was changed. */
  refuseUnknownPrograms(): void {
    for (const { name } of this.#children) programOf(this.#options.directory, name, this.#options);
  }

  /** Starts every member and returns at once. @throws as `refuseUnknownPrograms`, with nobody started. */
  start(): void {
    this.refuseUnknownPrograms();
    const { directory, shape } = this.#options;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = path.join(directory, 'cell.json');
    writeFileSync(`${file}.next`, `${JSON.stringify(shape)}\n`);
    renameSync(`${file}.next`, file);
    const { version, command } = this.#options;
    if (version !== undefined) writePrograms(directory, { ...readPrograms(directory), [version]: command });
    for (const child of this.#children) this.#spawn(child);
  }

  /** Asks every member to stop and waits until all have; a member that does not is killed after 10 s. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children) {
      if (child.timer) clearTimeout(child.timer);
      child.timer = null;
      child.process?.kill('SIGTERM');
    }
    this.#settle();
    const killer = setTimeout(() => this.kill(), stopMsMax);
    await this.#ended;
    clearTimeout(killer);
  }

  /** Ends what still runs, at once. */
  kill(): void {
    this.#stopping = true;
    for (const child of this.#children) child.process?.kill('SIGKILL');
  }

  #spawn(child: Child): void {
    const { directory } = this.#options;
    const chosen = this.#programOf(child);
    if (chosen === null) return;
    const [program = process.execPath, ...first] = chosen;
    const list = this.members.map(({ name, url }) => `${name}=${url}`).join(',');
    const started = spawn(
      program,
      [
        ...first,
        ...['node', 'start', '--name', child.name, '--data-dir', path.join(directory, child.name)],
        // Whose folder was wiped comes back from the others: nobody watches a cell on a laptop.
        ...['--listen', `${host}:${child.port}`, '--cell', list, '--rebuild'],
      ],
      // In a group of its own, a child does not get the terminal's Ctrl-C: this process stops it in order. The channel
      // ends with this process, however it ends, and a child whose channel ended stops by itself.
      { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true },
    );
    child.process = started;
    child.startedAt = Date.now();
    if (started.pid !== undefined) {
      writeFileSync(this.#pidFile(child), `${started.pid}\n`);
      this.#options.onEvent({ kind: 'started', member: child.name, pid: started.pid });
    }
    for (const stream of [started.stdout, started.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on('line', (text) => {
        this.#options.onEvent({ kind: 'line', member: child.name, text });
      });
    }
    started.once('error', () => this.#onEnd(child, started, null, null));
    started.once('close', (code, signal) => this.#onEnd(child, started, code, signal));
  }

  /** Null when it cannot be started now: the file that lists the programs was damaged since. It is, once that is mended. */
  #programOf(child: Child): readonly string[] | null {
    try {
      return programOf(this.#options.directory, child.name, this.#options);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const { message } = error;
      if (child.refusal !== message) this.#options.onEvent({ kind: 'line', member: child.name, text: message });
      child.refusal = message;
      child.timer = setTimeout(() => {
        child.timer = null;
        this.#spawn(child);
      }, otherVersionLookMs);
      return null;
    }
  }

  #onEnd(child: Child, ended: ChildProcess, code: number | null, signal: string | null): void {
    if (child.process !== ended) return;
    child.process = null;
    rmSync(this.#pidFile(child), { force: true });
    if (Date.now() - child.startedAt >= steadyMs) child.restartMs = restartMsMin;
    const restartMs = this.#stopping || isFinal(code) ? null : child.restartMs;
    child.finalCode = code;
    if (restartMs !== null) {
      child.restartMs = Math.min(child.restartMs * 2, restartMsMax);
      child.timer = setTimeout(() => {
        child.timer = null;
        this.#spawn(child);
      }, restartMs);
    }
    this.#options.onEvent({ kind: 'ended', member: child.name, code, signal, restartMs });
    if (code === versionRefused && !this.#stopping) this.#awaitOtherVersion(child);
    this.#settle();
  }

  /** An upgrade chose a version that refuses this member's data: it is started again once another one is chosen. */
  #awaitOtherVersion(child: Child): void {
    const { directory } = this.#options;
    const refused = chosenVersion(directory, child.name);
    if (refused === null) return;
    child.timer = setTimeout(() => {
      child.timer = null;
      if (chosenVersion(directory, child.name) === refused) this.#awaitOtherVersion(child);
      else this.#spawn(child);
    }, otherVersionLookMs);
  }

  #settle(): void {
    if (this.#children.some((child) => child.process !== null || child.timer !== null)) return;
    const failed = this.#children.find(({ finalCode }) => isFinal(finalCode));
    this.#resolveEnded(this.#stopping ? 0 : (failed?.finalCode ?? 1));
  }

  #pidFile(child: Child): string {
    return path.join(this.#options.directory, `${child.name}.pid`);
  }
}
