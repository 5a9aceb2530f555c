/** A cell of one of the systems: fresh directories, its member processes, and who leads. */
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MemberProcess } from './member-process.mjs';

const pollMs = 25;

export class Cell {
  #system;
  #directory;
  members;

  /** Plans a cell in a new directory below `parent`; nothing runs yet. */
  static async create({ system, parent, replicas }) {
    const directory = fs.mkdtempSync(path.join(parent, `${system.name}-`));
    const plans = await system.plan({ directory, replicas });
    return new Cell(system, directory, plans);
  }

  constructor(system, directory, plans) {
    this.#system = system;
    this.#directory = directory;
    this.members = plans.map((plan) => new MemberProcess(plan, path.join(directory, `${plan.name}.log`)));
  }

  get system() {
    return this.#system;
  }

  start() {
    for (const member of this.members) member.start();
  }

  /** `localAddress`: of which client; absent, the system chooses. */
  connect(member, timeoutMs = 5000, localAddress = undefined) {
    return this.#system.connect({ host: member.host, port: member.port, timeoutMs, localAddress });
  }

  /** The member that leads now, or null. */
  async leader() {
    const roles = await this.#roles();
    return this.members.find((_, i) => roles[i] === 'leader') ?? null;
  }

  /** As soon as one says that it leads, whatever the others do; null when none does. */
  leaderAtOnce() {
    const asked = this.members.map(async (member) => {
      if ((await this.#system.roleOf(member)) !== 'leader') throw new Error(`${member.name} does not lead`);
      return member;
    });
    return Promise.any(asked).catch(() => null);
  }

  /**
   * Waits until one member leads and every other follows; gives the leader.
   * @throws {Error} after `patienceMs`, or as soon as a member has ended by itself.
   */
  async ready(patienceMs = 60_000) {
    const until = performance.now() + patienceMs;
    for (;;) {
      const roles = await this.#roles();
      const leaders = this.members.filter((_, i) => roles[i] === 'leader');
      if (leaders.length === 1 && !roles.includes(null)) return leaders[0];
      const ended = this.members.find((member) => member.failure !== null);
      if (ended !== undefined) throw new Error(ended.failure);
      if (performance.now() > until) throw new Error(`${this.#system.label} was not ready within ${patienceMs} ms`);
      await sleep(pollMs);
    }
  }

  /** Everything that a member has printed. */
  logOf(name) {
    return fs.readFileSync(path.join(this.#directory, `${name}.log`), 'utf8');
  }

  /** Stops every member and keeps the data. */
  async stop() {
    await Promise.all(this.members.map((member) => member.stop()));
  }

  async remove() {
    await this.stop();
    fs.rmSync(this.#directory, { recursive: true, force: true });
  }

  #roles() {
    return Promise.all(this.members.map((member) => this.#system.roleOf(member).catch(() => null)));
  }
}
