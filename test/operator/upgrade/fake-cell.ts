/**
 * A made-up cell for the driver of upgrades: members with versions, boots and data, a journal with guards, a clock that only sleeping
 * moves. Its restarts can lie in every way that the real ones were seen to.
 */
import { expect } from 'vitest';
import type { Instance } from '../../../src/core/consensus/identity.ts';
import { levelRefusal, touchesLevel } from '../../../src/core/database/level-rule.ts';
import { levelKey, raiseKey } from '../../../src/core/database/system-entry.ts';
import { RefusedError, UnreachableError } from '../../../src/errors/index.ts';
import type { ReplicaStatusDocument } from '../../../src/formats/http-body.ts';
import { isSupported, levelRefusalText } from '../../../src/formats/levels.ts';
import type { UpgradeStateDocument, UpgradeWriteBody } from '../../../src/formats/upgrade-body.ts';
import type { Attempt, Backup, MemberProgress } from '../../../src/operator/upgrade/journal.ts';
import { type Seen, seenIn } from '../../../src/operator/upgrade/seen.ts';
import type { VerifiedScan } from '../../../src/operator/upgrade/verified-scan.ts';
import type { RestartRequest, UpgradeWorld } from '../../../src/operator/upgrade/world.ts';
import { journalProblem } from '../../../src/runtime/http/journal-schema.ts';

/** What a restart does to the member that it is asked to restart. */
export type Restart = (cell: FakeCell, member: FakeMember, version: string, request: RestartRequest) => void;

export interface FakeMember {
  readonly name: string;
  readonly url: string;
  version: string;
  boot: number;
  up: boolean;
  applied: number;
  /** Whose name it answers with. */
  answersAs: string;
  incarnation: number;
  /** The incarnation that the cell counts on. */
  counted: number;
  readonly attempts: Map<string, string[]>;
}

export const honest: Restart = (cell, member, version) => cell.boot(member, version);

/** No `Error`: nothing that a driver does about what fails may do anything about this. */
export class Killed {
  readonly at: number;

  constructor(at: number) {
    this.at = at;
  }
}

export class FakeCell {
  readonly members: FakeMember[];
  master: string;
  epoch = 1;
  instance = 100;
  level = 1;
  levelsOf: (version: string) => { min: number; max: number } = (version) =>
    version === '0.1.0' ? { min: 1, max: 1 } : { min: 1, max: 2 };
  restarts: { member: string; version: string }[] = [];
  restart: Restart = honest;
  disagree = false;
  #now = 0;
  #entries = new Map<string, { instance: number; value: string }>();
  #boots = 0;

  constructor(names: readonly string[] = ['n1', 'n2', 'n3'], version = '0.1.0') {
    this.members = [];
    for (const name of names) this.add(name, version);
    this.master = 'n1';
  }

  member(name: string): FakeMember {
    return this.members.find((it) => it.name === name) as FakeMember;
  }

  add(name: string, version: string): void {
    const member: FakeMember = {
      ...{ name, url: `http://${name}`, version, boot: 0, up: true, applied: this.instance, answersAs: name },
      ...{ incarnation: 1, counted: 1, attempts: new Map() },
    };
    this.members.push(member);
    this.boot(member, version);
  }

  remove(name: string): void {
    this.members.splice(this.members.indexOf(this.member(name)), 1);
    if (this.master === name) this.#elect();
  }

  /** Its disk was lost: the cell counts on the next incarnation, which begins anew. */
  rebuild(name: string): void {
    const member = this.member(name);
    member.counted = ++member.incarnation;
    member.attempts.clear();
    this.boot(member, member.version);
    member.boot = 1;
  }

  /** Who answers there. @throws {UnreachableError} */
  at({ url }: { readonly url: string }): FakeMember {
    const member = this.members.find((it) => it.url === url);
    if (member?.up !== true) throw new UnreachableError(`${url} does not answer`);
    return member;
  }

  boot(member: FakeMember, version: string): void {
    member.version = version;
    member.boot = ++this.#boots;
    member.up = this.levelsOf(version).max >= this.level;
    if (this.master === member.name) this.#elect();
  }

  #elect(): void {
    const other = this.members.find(({ name, up }) => up && name !== this.master);
    if (other === undefined) return;
    this.master = other.name;
    this.epoch++;
  }

  get quorum(): boolean {
    return this.members.filter(({ up }) => up).length * 2 > this.members.length;
  }

  /** Writes of clients, for however long. */
  live(instances: number): void {
    this.instance += instances;
  }

  status(member: FakeMember): ReplicaStatusDocument {
    const applied = Math.max(member.applied, this.instance);
    member.applied = applied;
    const isMaster = this.quorum && this.master === member.name;
    return {
      name: member.answersAs,
      cell: { id: 'cell', name: 'default', generation: 1 },
      role: isMaster ? 'master' : 'replica',
      voting: true,
      incarnation: member.incarnation,
      boot: { number: member.boot, id: `boot-${member.boot}` },
      epoch: this.epoch,
      ballot: '',
      master: null,
      lease: { held: isMaster, remainingMs: 1 },
      instances: { chosen: applied, applied, firstRetained: 1, snapshot: 0 },
      revision: 0,
      entries: 0,
      checksum: { instance: applied, log: 'aa', database: 'bb' },
      version: member.version,
      level: this.level,
      levels: this.levelsOf(member.version),
      uptimeMs: 3_600_000,
      members: this.members.map(({ name, url, counted }) => ({
        ...{ name, url, role: 'voter', voting: true, incarnation: counted },
      })),
      peers: [],
      mastership: { since: null, changesLastHour: 0, changesLastDay: 0, lastChange: null },
      load: { queuedWrites: 0, eventLoopLagMsP99: 0, flushMsP50: 0, flushMsP99: 0, itemsPerInstance: 0 },
      readOnly: false,
      warnings: [],
    } as unknown as ReplicaStatusDocument;
  }

  see(): Seen {
    this.live(1);
    const answers = this.members.map((member) =>
      member.up
        ? { url: member.url, status: this.status(member), why: null }
        : { url: member.url, status: null, why: 'refused' },
    );
    return seenIn({ answers } as unknown as Parameters<typeof seenIn>[0]);
  }

  refuseWithoutQuorum(): void {
    if (!this.quorum) throw new UnreachableError('no quorum', { code: 'PAXOS_NO_MASTER' });
  }

  state(): UpgradeStateDocument {
    this.refuseWithoutQuorum();
    const entries = [...this.#entries].map(([key, entry]) => ({ key, ...entry }));
    return { level: this.level, epoch: this.epoch, cellTimeMs: this.#now, instance: this.instance, entries };
  }

  write({ guard = [], writes = [], renew }: UpgradeWriteBody): boolean {
    this.refuseWithoutQuorum();
    const instance = ++this.instance;
    if (guard.some(({ key, instance: at }) => (this.#entries.get(key)?.instance ?? 0) !== at)) return false;
    const all = renew === true ? [...writes, { key: 'upgrade/renewed', value: String(this.#now) }] : writes;
    this.#refuseLevel(guard, all);
    for (const { key, value } of all) {
      if (value === null) this.#entries.delete(key);
      else this.#entries.set(key, { instance, value });
      if (key === 'level') this.level = Number(value);
    }
    return true;
  }

  /** As the master and every replica do. */
  #refuseLevel(guard: NonNullable<UpgradeWriteBody['guard']>, writes: NonNullable<UpgradeWriteBody['writes']>): void {
    for (const { key, value } of writes)
      expect(journalProblem(key, key === 'upgrade/renewed' ? null : value)).toBeNull();
    const refuse = (why: string): never => {
      throw new RefusedError(why, { code: 'PAXOS_LEVEL_REFUSED' });
    };
    const bytes = (value: string): Uint8Array => Buffer.from(value);
    const entries = new Map(
      [...this.#entries].map(([key, { instance, value }]) => [
        key,
        { instance: instance as Instance, value: bytes(value) },
      ]),
    );
    const command = {
      ...({ kind: 'system', guard, ifEpoch: null } as const),
      writes: writes.map(({ key, value }) => ({ key, value: value === null ? null : bytes(value) })),
    };
    if (!touchesLevel(command)) return;
    const refused = levelRefusal(command, entries);
    if (refused !== null) refuse(levelRefusalText(refused, this.level));
    for (const { key, value } of writes) {
      if ((key !== levelKey && key !== raiseKey) || value === null) continue;
      const cannot = this.members.find(({ up, version }) => !up || !isSupported(Number(value), this.levelsOf(version)));
      if (cannot !== undefined) refuse(`${cannot.name} does not speak level ${value}`);
    }
  }

  scan({ url }: { readonly url: string }): VerifiedScan {
    const member = this.at({ url });
    const at = '2024-01-01T00:00:00.000Z';
    return {
      member: member.name,
      incarnation: 1,
      boot: `boot-${member.boot}`,
      version: member.version,
      instance: this.instance,
      at,
      folders: [...member.attempts].map(([attempt, files]) => ({
        attempt,
        manifest: null,
        files: files.map((name) => ({ name, bytes: 10, modifiedAt: at })),
      })),
      nonce: '',
      signature: 'signed',
      verifiedBy: 'n1',
    };
  }

  /** The whole state that must be the same however often a driver was killed. */
  end(): object {
    const state = this.quorum ? this.state() : null;
    const open = state?.entries.some(({ key }) => key === 'upgrade/current' || key === 'upgrade/claim');
    return {
      open,
      level: this.level,
      members: this.members.map(({ name, version, up, attempts }) => ({
        name,
        version,
        up,
        attempts: [...attempts.keys()],
      })),
    };
  }

  /** The world of one driver, which dies at its `killAt`-th boundary: before or after something that it does. */
  world(killAt = Number.POSITIVE_INFINITY): UpgradeWorld & { readonly boundaries: () => number } {
    let count = 0;
    const boundary = (): void => {
      if (++count === killAt) throw new Killed(count);
    };
    const effect = async <Result>(work: () => Result): Promise<Result> => {
      boundary();
      const result = work();
      boundary();
      return result;
    };
    return {
      boundaries: () => count,
      see: async () => this.see(),
      readState: async () => this.state(),
      write: (body) => effect(() => this.write(body)),
      backup: (attempt: Attempt) =>
        effect(
          (): Backup => ({
            ...{ file: `/backups/${attempt.attempt}`, host: 'ops1', at: attempt.changedAt },
            ...{ instance: this.instance, bytes: 1, digest: 'cc' },
          }),
        ),
      begin: (member: MemberProgress, { attempt }) =>
        effect(() => {
          this.at(member).attempts.set(attempt, ['manifest.json']);
          return this.scan(member);
        }),
      scan: async (member) => this.scan(member),
      clear: (member, attempt) =>
        effect(() => {
          this.scan(member);
          this.at(member).attempts.delete(attempt);
          return this.scan(member);
        }),
      restart: (request) =>
        effect(() => {
          const { member, version } = request;
          this.restarts.push({ member: member.name, version });
          const restarted = this.members.find(({ name }) => name === member.name);
          if (restarted !== undefined) this.restart(this, restarted, version, request);
          return 'the command ended with code 0';
        }),
      rehearse: async () => 'rehearsed',
      levelsOf: async ({ version }) => this.levelsOf(version),
      transfer: (to) =>
        effect(() => {
          this.refuseWithoutQuorum();
          this.master = to;
          this.epoch++;
        }),
      verify: async () => {
        const { quorum } = this;
        const names = this.members.filter(({ up }) => up).map(({ name }) => name);
        const silent = this.members.filter(({ up }) => !up).map(({ name }) => name);
        if (!quorum || silent.length > 0)
          return {
            verdict: 'incomplete',
            detail: `${silent.join(', ')} did not answer`,
            agreeing: quorum ? names : [],
          };
        return this.disagree
          ? { verdict: 'differ', detail: 'databases differ at instance 7', agreeing: [] }
          : { verdict: 'agree', detail: 'all agree', agreeing: names };
      },
      nowMs: () => this.#now,
      at: () => new Date(1_700_000_000_000 + this.#now).toISOString(),
      sleep: async (ms) => {
        this.#now += ms;
      },
      every: () => () => undefined,
    };
  }
}
