/**
 * What `POST /v1/upgrade` lets through: one request may neither raise the cell to what a member cannot read, nor leave a journal that
 * no status and no operator can read again (pitfalls P51, U4, U5).
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../../../src/core/consensus/identity.ts';
import type { Value } from '../../../src/core/consensus/value.ts';
import type { CommandResult } from '../../../src/core/database/command.ts';
import { encodeCommand } from '../../../src/formats/command.ts';
import type { LevelRange } from '../../../src/formats/levels.ts';
import { chainBefore } from '../../../src/formats/log-chain.ts';
import { DatabaseApplication } from '../../../src/runtime/database-application.ts';
import { ReplicaUpgrade, type ReplicaUpgradeOptions } from '../../../src/runtime/upgrade-service.ts';
import { digest, identity } from '../../core/database/support.ts';
import { type RunningFront, startFront } from './front.ts';

const attempt = {
  attempt: 'u-1',
  state: 'running',
  cell: 'c',
  from: '0.1.0',
  to: '0.2.0',
  how: 'exec',
  exec: null,
  rehearse: null,
  startedBy: 'alice@ops1',
  startedAt: '2024-01-01T00:00:00.000Z',
  changedAt: '2024-01-01T00:00:00.000Z',
  generation: 1,
  mark: null,
  backup: null,
  members: [],
  steps: [],
  stop: null,
  upgradedAt: null,
  raiseTo: null,
};
const journal = (change: object = {}): string => JSON.stringify({ ...attempt, ...change });

/** One replica, n1, that chooses alone; what n2 and n3 say is made up. */
class Cell {
  readonly database = new DatabaseApplication({ digest, levels: { min: 1, max: 9 } });
  readonly spoken = new Map<string, LevelRange | null>([
    ['n2', { min: 1, max: 2 }],
    ['n3', { min: 1, max: 2 }],
  ]);
  own: LevelRange = { min: 1, max: 2 };
  #instance = 0;
  readonly upgrade: ReplicaUpgrade;
  readonly running: RunningFront;

  constructor(running: RunningFront) {
    this.running = running;
    this.database.initialize(identity);
    this.#apply({ kind: 'mastership', owner: 'n1#1' as ReplicaId, id: 'e'.repeat(32) });
    const members = ['n1', 'n2', 'n3'].map((name) => ({ name, incarnation: 1, url: '', role: 'voter' }));
    const cell = this;
    const options = {
      log: { self: 'n1#1', core: { configurations: [{ configuration: { members } }], cellTimeMs: () => 5 } },
      database: this.database,
      clocks: { now: () => ({}) },
      version: '0.2.0',
      get levels() {
        return cell.own;
      },
      questions: {
        condition: async ({ name }: { name: string }) => {
          const levels = this.spoken.get(name);
          return levels == null ? null : { version: '0.2.0', levels };
        },
      },
      boot: { id: 'b' },
      attempts: null,
    };
    this.upgrade = new ReplicaUpgrade(options as unknown as ReplicaUpgradeOptions);
    running.service.upgrade = () => this.upgrade as never;
    running.service.intercept = (command, done) => {
      if (command.kind !== 'system') return false;
      const [result] = this.#apply({
        kind: 'submitted',
        epoch: this.database.epoch,
        cellTimeMs: 5 as CellTimeMs,
        items: [encodeCommand(command)],
      });
      done({
        kind: 'result',
        result: result as CommandResult,
        instance: this.#instance as Instance,
        epoch: 1 as Epoch,
      });
      return true;
    };
  }

  #apply(value: Value): readonly CommandResult[] {
    const { epoch } = this.database;
    const instance = ++this.#instance as Instance;
    return this.database.apply({ instance, epoch, value, current: true, logChain: chainBefore });
  }

  async write(writes: Record<string, string | null>, tested: readonly string[] = []) {
    const guard = tested.map((key) => ({ key, instance: this.database.system.get(key)?.instance ?? 0 }));
    const body = { guard, writes: Object.entries(writes).map(([key, value]) => ({ key, value })) };
    const { json, status } = await this.running.post('/v1/upgrade', body);
    return { status, ...json() };
  }
}

const both = ['level', 'upgrade/raise'];
let cell: Cell;

beforeEach(async () => {
  cell = new Cell(await startFront());
});

describe('the level', () => {
  it('is raised by what finalizing does, and by nothing that leaves a step of it out', async () => {
    expect(await cell.write({ level: '2' }, both)).toMatchObject({ status: 409, code: 'PAXOS_LEVEL_REFUSED' });
    expect(await cell.write({ 'upgrade/raise': '2' })).toMatchObject({ status: 200, succeeded: true });
    expect(await cell.write({ level: '2' }, ['level'])).toMatchObject({ status: 409, code: 'PAXOS_LEVEL_REFUSED' });
    expect(await cell.write({ level: '2' }, both)).toMatchObject({ status: 200, succeeded: true });
    expect(cell.database.level).toBe(2);
  });

  it.each(['9', 'x', '1', '', '0', null])('%s is never proposed', async (level) => {
    expect(await cell.write({ level })).toMatchObject({ status: 409, code: 'PAXOS_LEVEL_REFUSED', outcome: 'none' });
    expect(cell.running.service.submitted).toEqual([]);
  });

  it.each([
    [
      'a member that speaks less',
      () => cell.spoken.set('n3', { min: 1, max: 1 }),
      /n3 speaks level 1, and not level 2/,
    ],
    ['a member that does not answer', () => cell.spoken.set('n2', null), /n2 does not say/],
    [
      'this program itself',
      () => {
        cell.own = { min: 1, max: 1 };
      },
      /n1 speaks level 1/,
    ],
  ])('is not even announced beyond %s, nor raised', async (_, change, why) => {
    await cell.write({ 'upgrade/raise': '2' });
    change();
    for (const [writes, tested] of [
      [{ 'upgrade/raise': '2' }, []],
      [{ level: '2' }, both],
    ] as const) {
      const answer = await cell.write(writes, tested);
      expect(answer).toMatchObject({ status: 409, code: 'PAXOS_LEVEL_REFUSED', detail: expect.stringMatching(why) });
    }
    expect(cell.database.level).toBe(1);
  });

  it('stays what it is when the announcement is gone by the time it is applied, and the answer says so', async () => {
    await cell.write({ 'upgrade/raise': '2' });
    const levelProblem = cell.upgrade.levelProblem.bind(cell.upgrade);
    cell.upgrade.levelProblem = async (command) => {
      const why = await levelProblem(command);
      cell.upgrade.levelProblem = levelProblem;
      if (why === null) await cell.write({ 'upgrade/raise': null });
      return why;
    };
    expect(await cell.write({ level: '2' }, both)).toMatchObject({
      status: 409,
      code: 'PAXOS_LEVEL_REFUSED',
      detail: expect.stringContaining('no upgrade is being finalized'),
    });
    expect(cell.database.level).toBe(1);
  });
});

describe('the journal', () => {
  it.each<[string, Record<string, string | null>]>([
    ['an attempt that is no JSON', { 'upgrade/current': 'u-1', 'upgrade/attempt/u-1': 'no json' }],
    ['an attempt that is JSON of something else', { 'upgrade/attempt/u-1': '[]' }],
    ['an attempt without a state', { 'upgrade/attempt/u-1': journal({ state: undefined }) }],
    ['an attempt without members', { 'upgrade/attempt/u-1': journal({ members: null }) }],
    ['an attempt with a member that has no name', { 'upgrade/attempt/u-1': journal({ members: [{}] }) }],
    ['an attempt under the name of another', { 'upgrade/attempt/u-2': journal() }],
    ['a claim that is no JSON', { 'upgrade/claim': '{' }],
    ['a claim without a driver', { 'upgrade/claim': '{"attempt":"u-1","nonce":"n"}' }],
    ['a renewal by another clock', { 'upgrade/renewed': '99999999999999' }],
    ['a name that is none', { 'upgrade/current': '../x' }],
    ['a key that nobody reads', { 'upgrade/other': 'x' }],
  ])('takes no %s', async (_, writes) => {
    expect(await cell.write(writes)).toMatchObject({
      status: 400,
      code: 'PAXOS_SYSTEM_ENTRY_INVALID',
      outcome: 'none',
    });
    expect(cell.running.service.submitted).toEqual([]);
  });

  it('takes what a driver writes, also with fields that this version does not know', async () => {
    const writes = {
      'upgrade/current': 'u-1',
      'upgrade/claim': '{"attempt":"u-1","driver":"alice","nonce":"n"}',
      'upgrade/attempt/u-1': journal({ more: 1 }),
    };
    expect(await cell.write(writes)).toMatchObject({ status: 200, succeeded: true });
    expect(cell.upgrade.open()).toEqual({
      ...{ attempt: 'u-1', state: 'running', from: '0.1.0', to: '0.2.0' },
      changedAt: attempt.changedAt,
    });
  });

  it.each(['no json', 'null', '7', '[]', '{}', '{"attempt":1}', ''])(
    'can be told of whatever it holds: %j',
    (value) => {
      cell.running.service.intercept?.(
        {
          kind: 'system',
          guard: [],
          writes: [
            { key: 'upgrade/current', value: Buffer.from('u-1') },
            { key: 'upgrade/attempt/u-1', value: Buffer.from(value) },
          ],
          ifEpoch: null,
        },
        () => undefined,
      );
      expect(cell.upgrade.open()).toMatchObject({ attempt: 'u-1' });
    },
  );
});
