/**
 * Each file of real data directories, damaged in each way while nobody runs on it: of one member of three, and of all. The cell goes on
 * with the right data, or the member ends with the exit code of contract §2 that says what is wrong, with its files as they were; no
 * acknowledged write is lost, and nothing older is ever served (design §4; pitfalls D1 to D18, P14 to P20).
 */
import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { CellProcess } from '../support/cell-process.ts';
import {
  type Damage,
  damages,
  type FileKind,
  fileKinds,
  inflict,
  keep,
  putBack,
  replaced,
  restoreAll,
  saveAll,
  swapped,
  witnessOf,
} from '../support/damaged-files.ts';
import { directoryPrint } from '../support/directory-print.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { until } from '../support/until.ts';

const kinds = Object.keys(fileKinds) as FileKind[];

type Outcome = 'goes on' | 'halted' | 'frozen' | 'waits' | number;
type Outcomes = readonly Outcome[];

const goesOn: Outcomes = ['goes on'];
/** Nothing is left that could tell, or a mark of the client knows more: nobody serves, and nothing is lost for good. */
const stands: Outcomes = ['goes on', 'halted', 'frozen'];

/** What may become of one member of three. Whoever goes on has everything: that is asked for in any case. */
function ofOne(kind: FileKind, damage: Damage): Outcomes {
  switch (kind) {
    case 'MANIFEST':
      return damage === swapped ? [24] : damage === replaced ? [20, 21, 25] : [25];
    case 'both promise copies':
      return [25];
    case 'the newest log segment':
      // Where no other file knows how far the log went, the others do.
      return damage === swapped ? [25] : damage === replaced ? ['goes on', 20] : goesOn;
    case 'an older log segment':
    case 'the prepared log segment':
      return damage === swapped ? [25] : goesOn;
    case 'the witness':
      return damage === 'removed' || damage === replaced ? goesOn : damage === swapped ? [24] : [25];
    default:
      return goesOn;
  }
}

/** What may become of the cell when all three are damaged alike. */
function ofAll(kind: FileKind, damage: Damage): Outcomes {
  const one = ofOne(kind, damage);
  // Without any snapshot nobody knows who came after the formation: with a member that was rebuilt they wait for one that is no more.
  if (kind === 'both snapshots') return [...stands, 'waits'];
  return /log segment|snapshot/.test(kind) && one.includes('goes on') ? stands : one;
}

let cell: CellProcess;
let client: CellClient;
/** What was acknowledged last, by key. */
const model = new Map<string, string>();
let written = 0;

async function write(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const key = `k${written % 30}`;
    const body = `${++written}`.padEnd(900, '.');
    const put = { method: 'PUT', path: keyPath(key), body, repeatable: true } as const;
    expect(await client.perform(put, 20_000)).toMatchObject({ status: 200 });
    model.set(key, body);
  }
}

const listed = (body: string): object =>
  Object.fromEntries(JSON.parse(body).entries.map(({ key, value }: { key: string; value: string }) => [key, value]));

/** The cell has all that was acknowledged, and each member that serves reads of its own no older than that. */
async function readBack(): Promise<void> {
  const all = { method: 'GET', path: '/v1/kv?limit=100', repeatable: true } as const;
  const answer = await client.perform(all, 20_000);
  expect(answer).toMatchObject({ status: 200 });
  if (answer.kind === 'answer') expect(listed(answer.body)).toEqual(Object.fromEntries(model));
  for (const { url } of cell.members) {
    const own = await until(`${url} reads`, async () => {
      const outcome = await client.exchange({ ...all, path: `${all.path}&consistency=stale` }, url);
      return outcome.kind === 'answer' && outcome.status === 200 ? outcome : null;
    });
    expect(listed(own.body)).toEqual(Object.fromEntries(model));
  }
}

const start = (member: ReplicaChild, flags: Readonly<Record<string, string | true>> = {}): void => {
  member.start({ witness: witnessOf(member), ...flags });
  member.expectEnd(true);
};

/** Its exit code when it has ended; what it says of itself while it is none of the outcomes. */
async function presentState(member: ReplicaChild): Promise<Outcome | string> {
  if (!member.running) return (await member.end()).code as number;
  const status = await member.status();
  if (status === null) return 'no answer';
  const { role, voting, warnings } = status;
  if (role === 'halted' || role === 'frozen') return role;
  const mended = !warnings.some((it) => /damaged|completed|missing/.test(it));
  const serves = voting && mended && (role === 'replica' || role === 'master');
  return serves ? 'goes on' : `${role}: ${warnings.join()}`;
}

/** Whether it lacks its state, and another member takes it for a stranger. */
async function missesMembers(member: ReplicaChild): Promise<boolean> {
  const warnings = (await member.status())?.warnings ?? [];
  return ['state is being completed', 'refuses this replica'].every((part) => warnings.some((it) => it.includes(part)));
}

/** It votes again and has everything, or has ended. */
function outcomeOf(member: ReplicaChild): Promise<Outcome> {
  let seen: Outcome | string = '';
  return until(
    `${member.name} votes or ends`,
    async () => {
      seen = await presentState(member);
      return seen === 'goes on' || typeof seen === 'number' ? (seen as Outcome) : null;
    },
    { timeoutMs: 30_000, explain: () => `${seen}\n${member.log().slice(-3_000)}` },
  );
}

async function post({ url }: ReplicaChild, route: string, body: object = {}): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
  expect(answer.status, await answer.text()).toBe(200);
}

/** To one that may have come back a moment ago. */
const handOver = ({ name }: ReplicaChild): Promise<true> =>
  until(`${name} is master`, async () => {
    const { url } = await cell.master();
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ to: name });
    const { status } = await fetch(`${url}/v1/master/transfer`, { method: 'POST', headers, body });
    return status === 200;
  });

/** So that it has one file at least of every kind. */
async function complete(member: ReplicaChild): Promise<void> {
  const lacks = (): FileKind[] => kinds.filter((kind) => fileKinds[kind](member).length === 0);
  for (let tries = 0; ; tries++) {
    // With each case one more, so that the log does not grow from one to the next.
    await post(member, '/v1/snapshots');
    await until(`${member.name} has a segment prepared`, () => !lacks().includes('the prepared log segment'));
    if (lacks().length === 0) return;
    if (tries > 5) throw new Error(`${member.name} lacks ${lacks()}`);
    await write(3);
    await member.kill();
    start(member);
    await outcomeOf(member);
    await write(3);
    await cell.agreement();
  }
}

beforeAll(async () => {
  cell = await CellProcess.prepare({ replicas: 3 });
  client = new CellClient({ urls: cell.urls, random: new Random(1), carriesMarks: true });
  for (const member of cell.members) start(member);
  await cell.master();
  await write(60);
}, 60_000);
afterAll(async () => {
  await client.close();
  await cell.close();
});

// What one case leaves behind, should it fail, is no matter of the next.
beforeEach(async () => {
  for (const member of cell.members) {
    if ((await presentState(member)) === 'goes on') continue;
    if (member.running) await member.kill();
    rmSync(witnessOf(member), { force: true });
    start(member, { rebuild: true });
  }
  for (const member of cell.members) await outcomeOf(member);
}, 60_000);

describe.each(kinds)('of one of three, %s', (kind) => {
  it.each(damages)(
    '%s',
    async (damage) => {
      const master = await cell.master();
      const others = cell.others(master) as [ReplicaChild, ReplicaChild];
      const [victim, other] = damages.indexOf(damage) % 2 === 0 ? others : (others.reverse() as typeof others);
      for (const member of [victim, other]) await complete(member);
      const older = keep(victim, kind);
      // What the files say changes: promises, snapshots, the manifest, the log.
      if (kind.includes('promise')) await handOver(other);
      await write(5);
      if (/snapshot|MANIFEST/.test(kind)) await post(victim, '/v1/snapshots');
      await write(5);
      await cell.agreement();
      await victim.kill();
      const good = keep(victim, kind);
      inflict(victim, kind, damage, keep(other, kind), older);
      const print = directoryPrint(victim.directory);
      await write(5);

      start(victim);
      const outcome = await outcomeOf(victim);
      expect(ofOne(kind, damage), victim.log().slice(-2_000)).toContain(outcome);
      if (outcome !== 'goes on') {
        if (outcome === 20) start(victim, { rebuild: true });
        else {
          // It refuses before it changes anything; of its witness it learns when it has begun.
          if (kind !== 'the witness') expect(directoryPrint(victim.directory)).toEqual(print);
          putBack(victim, good);
          start(victim);
        }
        expect(await outcomeOf(victim)).toBe('goes on');
      }
      await write(5);
      await cell.agreement();
      await readBack();
    },
    90_000,
  );
});

/** Of the whole cell: all vote and have everything, or what it is that ends it. */
async function outcomeOfAll(): Promise<Outcome> {
  let seen: Outcome[] = [];
  const found = await until(
    'all vote, or it is known that they cannot',
    async () => {
      seen = (await Promise.all(cell.members.map(presentState))) as Outcome[];
      const [first] = seen;
      if (seen.every((it) => it === first) && (first === 'goes on' || typeof first === 'number')) return first;
      const strangers = await Promise.all(cell.members.map(missesMembers));
      if (strangers.every((it) => it)) return 'waits';
      return seen.find((it) => it === 'halted' || it === 'frozen') ?? null;
    },
    { timeoutMs: 30_000, explain: () => `${seen.join('; ')}\n${cell.logs(12)}` },
  );
  if (found !== 'goes on') return found;
  // Whoever knows more than the cell says so with the next request.
  const request = { method: 'GET', path: keyPath('k0'), repeatable: true } as const;
  const asked = await client.perform(request, 20_000).catch((error: Error) => error);
  return asked instanceof Error && asked.message.includes('PAXOS_CELL_ROLLED_BACK') ? 'frozen' : found;
}

/** Where each member goes on by itself whatever became of the file, it makes no difference how many do. */
const oftenEnough = (kind: FileKind): readonly Damage[] =>
  /^(IDENTITY|promise-a|the witness|the older snapshot)$/.test(kind) ? ['removed', replaced] : damages;

describe.each(kinds)('of all three, %s', (kind) => {
  it.each(oftenEnough(kind))(
    '%s',
    async (damage) => {
      for (const member of cell.members) await complete(member);
      const older = new Map(cell.members.map((member) => [member, keep(member, kind)]));
      await write(5);
      if (/snapshot|MANIFEST/.test(kind)) for (const member of cell.members) await post(member, '/v1/snapshots');
      if (kind.includes('promise')) {
        const follower = cell.others(await cell.master())[0] as ReplicaChild;
        await handOver(follower);
      }
      await write(5);
      await cell.agreement();
      await cell.killAll();
      // Who takes over what is left of its log has changed more than that when it stands.
      const saved = (member: ReplicaChild): string => path.join(cell.folder, `saved-${member.name}`);
      const mayStand = ofAll(kind, damage).includes('halted');
      if (mayStand) for (const member of cell.members) saveAll(member, saved(member));
      const good = cell.members.map((member) => keep(member, kind));
      for (const [at, member] of cell.members.entries()) {
        inflict(member, kind, damage, good[(at + 1) % 3]!, older.get(member)!);
      }
      for (const member of cell.members) start(member);
      const outcome = await outcomeOfAll();
      expect(ofAll(kind, damage), cell.logs(12)).toContain(outcome);
      if (outcome !== 'goes on') {
        await cell.killAll();
        for (const [at, member] of cell.members.entries()) {
          if (mayStand) restoreAll(member, saved(member));
          else putBack(member, good[at]!);
        }
        for (const member of cell.members) start(member);
        expect(await outcomeOfAll()).toBe('goes on');
      }
      await write(5);
      await cell.agreement();
      await readBack();
    },
    90_000,
  );
});
