/** A cell of real processes that is upgraded by the command line, with restarts in the hands of the test. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { supportedLevels } from '../../src/formats/levels.ts';
import { buildVersion } from '../../tooling/version.mjs';
import { type CliResult, cli } from '../commands/run-cli.ts';
import type { CellProcess } from './cell-process.ts';
import { nodeStart, type Program, type ReplicaChild } from './replica-child.ts';

export const oldVersion = '0.1.0';
export const newVersion = '0.2.0';
/** The highest that this tree speaks, and that of the version that comes after it. */
export const oldLevel = supportedLevels.max;
export const newLevel = oldLevel + 1;

export interface OtherVersion {
  readonly version: string;
  readonly program: Program;
  remove(): void;
}

/** This tree as version 0.2.0, or another one, which speaks one level more, or others. */
export async function buildNewVersion(version = newVersion, levels = { min: 1, max: newLevel }): Promise<OtherVersion> {
  const cache = path.resolve(import.meta.dirname, '../../node_modules/.cache/paxosctl');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(path.join(cache, 'version-'));
  const script = await buildVersion({ version, levels, folder });
  return {
    version,
    program: [process.execPath, script, 'node', 'start'],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export type Restart = (member: ReplicaChild, program: Program, version: string) => Promise<void> | void;

export const honestRestart: Restart = async (member, program) => {
  if (member.running) await member.terminate();
  member.program = program;
  member.start();
};

export class UpgradeCell {
  readonly cell: CellProcess;
  /** What COMMAND does. */
  restart: Restart = honestRestart;
  readonly #others: readonly OtherVersion[];
  readonly #server: Server;
  readonly #state: string;
  /** Restarts of one member come one after the other, as those of a supervisor do. */
  readonly #restarts = new Map<string, Promise<void>>();

  private constructor(cell: CellProcess, others: readonly OtherVersion[], server: Server) {
    this.cell = cell;
    this.#others = others;
    this.#server = server;
    this.#state = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-operator-'));
  }

  static async of(cell: CellProcess, ...others: readonly OtherVersion[]): Promise<UpgradeCell> {
    const server = createServer();
    const it = new UpgradeCell(cell, others, server);
    server.on('request', (request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const asked = url.searchParams.get('name') ?? '';
      // The port may have been somebody else's a moment ago, who is still asked for there.
      if (!cell.members.some(({ name }) => name === asked)) return void response.writeHead(404).end();
      void it.#restart(asked, url.searchParams.get('version') ?? '').then(() => response.end('done'));
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return it;
  }

  async #restart(name: string, version: string): Promise<void> {
    const before = this.#restarts.get(name) ?? Promise.resolve();
    const restarted = before.then(() => this.restart(this.cell.member(name), this.program(version), version));
    this.#restarts.set(
      name,
      restarted.catch(() => undefined),
    );
    await restarted;
  }

  /** Restarts whose driver is gone go on: resolves when none does any more. */
  async settled(): Promise<void> {
    await Promise.all(this.#restarts.values());
  }

  /** Where the operator's machine keeps what it keeps. */
  get stateDirectory(): string {
    return this.#state;
  }

  program(version: string): Program {
    return this.#others.find((other) => other.version === version)?.program ?? nodeStart;
  }

  /** COMMAND: asks this process, which has the replicas, and ends with code 0 whatever becomes of it. */
  get command(): string {
    const { port } = this.#server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/?name={name}&version={version}`;
    return `${process.execPath} -e "fetch('${url}').then(() => process.exit(0))"`;
  }

  run(args: readonly string[], timeout = '8s'): Promise<CliResult> {
    const all = [...args, '--timeout', timeout, '--endpoints', this.cell.urls.join(',')];
    return cli(all, { env: { XDG_STATE_HOME: this.#state } });
  }

  upgrade(command = this.command, timeout?: string): Promise<CliResult> {
    return this.run(['upgrade', 'run', '--to', newVersion, '--exec', command, '--yes'], timeout);
  }

  async versions(): Promise<(string | undefined)[]> {
    return (await this.cell.statuses()).map((status) => status?.version);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.#state, { recursive: true, force: true });
  }
}
