/**
 * A whole cell of real processes on loopback, in a temporary folder that is gone afterwards.
 *
 * Failing tests get the ends of all replicas' logs with their error. With `PAXOSCTL_TEST_KEEP=1` the folder of a failed
 * test stays, and the error says where.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { ReplicaStatus } from '../../src/runtime/http/service.ts';
import { freePorts } from './free-ports.ts';
import { type Program, ReplicaChild } from './replica-child.ts';
import { until } from './until.ts';

/** As a new cell has it (contract §1); tests that depend on it say so. */
export const leaseMs = 500;

export interface CellProcessOptions {
  readonly replicas: number;
  /** What runs member `index`; `node start` when absent. */
  readonly programOf?: (index: number) => Program | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** For member `index`, over `env`. */
  readonly envOf?: (index: number) => Readonly<Record<string, string>>;
}

export class CellProcess {
  readonly folder: string;
  readonly members: readonly ReplicaChild[];
  readonly #twins: ReplicaChild[] = [];

  private constructor(folder: string, members: readonly ReplicaChild[]) {
    this.folder = folder;
    this.members = members;
  }

  /** Nothing is started yet. */
  static async prepare({ replicas, programOf, env, envOf }: CellProcessOptions): Promise<CellProcess> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-cell-'));
    const ports = await freePorts(replicas);
    const cell = ports.map((port, at) => `n${at + 1}=http://127.0.0.1:${port}`).join(',');
    const members = ports.map((port, at) => {
      const name = `n${at + 1}`;
      const program = programOf?.(at);
      return new ReplicaChild({
        name,
        port,
        cell,
        directory: path.join(folder, name),
        logFile: path.join(folder, `${name}.log`),
        ...(program === undefined ? {} : { program }),
        env: { ...env, ...envOf?.(at) },
      });
    });
    return new CellProcess(folder, members);
  }

  get urls(): readonly string[] {
    return this.members.map(({ url }) => url);
  }

  get majority(): number {
    return Math.floor(this.members.length / 2) + 1;
  }

  get leaseMs(): number {
    return leaseMs;
  }

  member(name: string): ReplicaChild {
    const member = this.members.find((candidate) => candidate.name === name);
    if (member === undefined) throw new Error(`There is no ${name}.`);
    return member;
  }

  /** Another process for the directory of `member`, with a log of its own. */
  twin(member: ReplicaChild, label: string): ReplicaChild {
    const twin = new ReplicaChild({
      ...member.options,
      logFile: path.join(this.folder, `${member.name}-${label}.log`),
    });
    this.#twins.push(twin);
    return twin;
  }

  /** A replica that is to be admitted, on a free port; not started yet. */
  async newcomer(name: string): Promise<ReplicaChild> {
    const [port] = (await freePorts(1)) as [number];
    const newcomer = new ReplicaChild({
      name,
      port,
      cell: '',
      join: this.urls.join(','),
      directory: path.join(this.folder, name),
      logFile: path.join(this.folder, `${name}.log`),
    });
    this.#twins.push(newcomer);
    return newcomer;
  }

  others(...except: readonly ReplicaChild[]): ReplicaChild[] {
    return this.members.filter((member) => !except.includes(member));
  }

  /** Starts everybody who does not run. */
  startAll(): void {
    for (const member of this.members) if (!member.running) member.start();
  }

  killAll(): Promise<unknown> {
    return Promise.all(
      [...this.members, ...this.#twins].filter(({ running }) => running).map((member) => member.kill()),
    );
  }

  /** One status a member, null for who does not answer. @throws {Error} when a member has ended by itself. */
  async statuses(): Promise<(ReplicaStatus | null)[]> {
    this.refuseUnexpectedEnds();
    return Promise.all(this.members.map((member) => member.status()));
  }

  refuseUnexpectedEnds(): void {
    const ends = this.members.flatMap(({ unexpectedEnds }) => unexpectedEnds);
    if (ends.length > 0) throw new Error(ends.join('; '));
  }

  /** The member that says of itself that it serves, with a lease. */
  async master(timeoutMs = 20_000): Promise<ReplicaChild> {
    let seen: (ReplicaStatus | null)[] = [];
    return until(
      'there is a master',
      async () => {
        seen = await this.statuses();
        const holder = seen.find((status) => status?.role === 'master' && status.lease.held);
        return holder == null ? null : this.member(holder.name);
      },
      { timeoutMs, explain: () => describe(seen) },
    );
  }

  /**
   * Waits until all members have applied the same instance. @throws {Error} when their databases or logs differ there.
   */
  async agreement(timeoutMs = 20_000): Promise<{ readonly instance: number; readonly database: string }> {
    let seen: (ReplicaStatus | null)[] = [];
    const same = await until(
      'all replicas have applied the same instance',
      async () => {
        seen = await this.statuses();
        const [first] = seen;
        return first != null && seen.every((status) => status?.checksum.instance === first.checksum.instance)
          ? (seen as ReplicaStatus[])
          : null;
      },
      { timeoutMs, explain: () => describe(seen) },
    );
    const { instance, database, log } = (same[0] as ReplicaStatus).checksum;
    if (same.some(({ checksum }) => checksum.database !== database || checksum.log !== log)) {
      throw new Error(
        `Replicas differ at instance ${instance}: ${JSON.stringify(same.map(({ checksum }) => checksum))}`,
      );
    }
    return { instance, database };
  }

  /** What the members logged last. */
  logs(lines = 25): string {
    return [...this.members, ...this.#twins]
      .map((member) => `--- ${member.name}\n${member.log().trimEnd().split('\n').slice(-lines).join('\n')}`)
      .join('\n');
  }

  async close(): Promise<void> {
    await this.killAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const describe = (statuses: readonly (ReplicaStatus | null)[]): string =>
  `Last seen: ${statuses
    .map((status) =>
      status === null
        ? 'no answer'
        : `${status.name} ${status.role} epoch=${status.epoch} ballot=${status.ballot} applied=${status.instances.applied}/${status.instances.chosen}`,
    )
    .join('; ')}`;

/** Runs `use` with a cell that ends with it. What goes wrong is told together with the replicas' logs. */
export async function withCell<Result>(
  options: CellProcessOptions & { readonly started?: boolean },
  use: (cell: CellProcess) => Promise<Result>,
): Promise<Result> {
  const cell = await CellProcess.prepare(options);
  try {
    if (options.started !== false) {
      cell.startAll();
      await cell.master();
    }
    const result = await use(cell);
    cell.refuseUnexpectedEnds();
    await cell.close();
    return result;
  } catch (error) {
    const logs = cell.logs();
    if (process.env.PAXOSCTL_TEST_KEEP === '1') {
      await cell.killAll();
      throw new Error(`${(error as Error).message}\nKept: ${cell.folder}\n${logs}`, { cause: error });
    }
    await cell.close();
    throw new Error(`${(error as Error).message}\n${logs}`, { cause: error });
  }
}
