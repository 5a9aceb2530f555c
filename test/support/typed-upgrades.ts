/** A cell of real processes that is upgraded again and again by commands typed at a terminal, each of which can be killed, under writers. */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { expect } from 'vitest';
import { Counters } from './counters.ts';
import type { Program } from './replica-child.ts';
import { until } from './until.ts';
import type { UpgradeCell } from './upgrade-cell.ts';
import type { DriverOrder, DriverReport } from './upgrade-driver.ts';

const stepMs = 20_000;
/** Writes that are acknowledged between one upgrade and the next, where nothing else is said. */
const writesBetween = 20;

export type Command = DriverOrder['command'];
export type Ended = DriverReport | 'killed';

/** A cell that is upgraded again and again between two versions, under writers. */
export class TypedUpgrades {
  readonly #upgrade: UpgradeCell;
  readonly #load: Counters;

  readonly #driver: Program;

  /** `driver`: `upgrade-driver.ts`, bundled. `pauseMs`: of each writer between two writes. */
  constructor(upgrade: UpgradeCell, driver: Program, { writers = 3, pauseMs = 20 } = {}) {
    this.#upgrade = upgrade;
    this.#driver = driver;
    this.#load = new Counters(upgrade.cell.urls, writers, pauseMs);
  }

  /** Acknowledged so far. */
  get writes(): number {
    return this.#load.total;
  }

  /** What every member runs. */
  async version(): Promise<string> {
    const all = new Set(await this.#upgrade.versions());
    expect([...all]).toHaveLength(1);
    return [...all][0] ?? '';
  }

  async type(command: Command, to = '', killAt: string | null = null): Promise<Ended> {
    const { cell, command: exec, stateDirectory } = this.#upgrade;
    const backupDir = path.join(stateDirectory, 'backups');
    const order: DriverOrder = { command, to, exec, endpoints: cell.urls, timeoutMs: stepMs, backupDir, killAt };
    const [file, ...args] = this.#driver;
    const child = spawn(file, args, {
      env: {
        PATH: process.env.PATH ?? '',
        XDG_STATE_HOME: stateDirectory,
        PAXOSCTL_UPGRADE_ORDER: JSON.stringify(order),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)));
    return signal === 'SIGKILL' ? 'killed' : (JSON.parse(stdout) as DriverReport);
  }

  /** And it must do what it was asked to. @returns the places that it passed. */
  async done(command: Command, state: string, to = ''): Promise<readonly string[]> {
    const ended = await this.type(command, to);
    expect(ended, command).toMatchObject({ code: 0, state });
    return (ended as DriverReport).places;
  }

  async writeOn(count = writesBetween, timeoutMs = 30_000): Promise<void> {
    const { total } = this.#load;
    await until('writes go on', () => this.#load.total >= total + count, { timeoutMs });
  }

  /** Nothing is open, nothing is left, everybody has the same. */
  async clean(version: string, state: string | null): Promise<void> {
    expect(await this.version()).toBe(version);
    const scanned = await this.#upgrade.run(['upgrade', 'scan', '--json']);
    expect(scanned.code, scanned.stderr).toBe(0);
    const { members }: { members: { folders: unknown[] }[] } = JSON.parse(scanned.stdout);
    expect(members.map(({ folders }) => folders)).toEqual([[], [], []]);
    const { url } = await this.#upgrade.cell.master();
    const answer = await fetch(`${url}/v1/upgrade`);
    const journal = (await answer.json()) as { entries: { key: string; value: string }[] };
    const open = journal.entries.filter(({ key }) => key === 'upgrade/current' || key === 'upgrade/claim');
    expect(open).toEqual([]);
    if (state !== null) {
      const attempts = journal.entries.filter(({ key }) => key.startsWith('upgrade/attempt/'));
      const newest = attempts
        .map(({ value }) => JSON.parse(value))
        .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
      expect(newest[0]).toMatchObject({ state });
    }
  }

  async end(): Promise<void> {
    await this.#upgrade.settled();
    await this.#upgrade.cell.agreement();
    expect(await this.#load.stop()).toEqual([]);
  }
}
