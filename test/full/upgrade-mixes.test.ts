/** Every mix of two versions over three replicas, each of them master in turn, while clients write (pitfall U1). */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { type BundledProgram, bundleProgram } from '../support/bundle-program.ts';
import { CellClient, keyPath } from '../support/cell-client.ts';
import { type CellProcess, withCell } from '../support/cell-process.ts';
import { Counters } from '../support/counters.ts';
import { Hooks } from '../support/hooks/hooks.ts';
import type { ReplicaChild } from '../support/replica-child.ts';
import { tunedEnv } from '../support/tuned-program.ts';
import { until } from '../support/until.ts';
import {
  buildNewVersion,
  newLevel,
  newVersion,
  type OtherVersion,
  oldLevel,
  oldVersion,
  UpgradeCell,
} from '../support/upgrade-cell.ts';

let other: OtherVersion;
/** With hooks, in both versions. */
let hooked: Readonly<Record<string, BundledProgram>> = {};
beforeAll(async () => {
  other = await buildNewVersion();
  hooked = {
    [oldVersion]: await bundleProgram('tuned-replica.ts', { min: 1, max: oldLevel }),
    [newVersion]: await bundleProgram('tuned-replica.ts', { min: 1, max: newLevel }),
  };
});
afterAll(() => {
  other.remove();
  for (const program of Object.values(hooked)) program.remove();
});

it('any mix serves with any master, and loses nothing', { timeout: 240_000 }, async () => {
  await withCell({ replicas: 3 }, async (cell) => {
    const upgrade = await UpgradeCell.of(cell, other);
    const acknowledged = new Map<string, string>();
    let stopping = false;
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      const client = new CellClient({ urls: cell.urls, random: new Random(`writer ${writer}`), wanders: 0 });
      for (let n = 0; !stopping; n++) {
        const key = `mix/${writer}/${n % 50}`;
        const body = `${writer} ${n}`;
        const outcome = await client.perform({ method: 'PUT', path: keyPath(key), body, repeatable: true }, 20_000);
        if (outcome.kind === 'answer' && outcome.status === 200) acknowledged.set(key, body);
      }
      await client.close();
    });
    try {
      // In Gray code, so that each mix is one restart from the one before.
      for (let i = 0; i < 8; i++) {
        const mix = i ^ (i >> 1);
        for (const [at, member] of cell.members.entries()) {
          const version = ((mix >> at) & 1) === 1 ? newVersion : oldVersion;
          if ((await member.status())?.version === version) continue;
          await member.terminate();
          member.program = upgrade.program(version);
          member.start();
          await until(`${member.name} votes`, async () => (await member.status())?.voting === true);
        }
        for (const { name } of cell.members) {
          const seen = acknowledged.size === 0 ? 0 : Number([...acknowledged.values()].at(-1)?.split(' ')[1]);
          await until(
            `${name} is master of mix ${mix}`,
            async () => {
              await upgrade.run(['master', 'transfer', '--to', name]);
              return (await cell.statuses()).some((it) => it?.name === name && it.role === 'master');
            },
            { timeoutMs: 20_000 },
          );
          await until('writes go on', () => Number([...acknowledged.values()].at(-1)?.split(' ')[1]) !== seen);
        }
      }
    } finally {
      stopping = true;
      await Promise.all(writers);
      upgrade.close();
    }
    await cell.agreement();
    const reader = new CellClient({ urls: cell.urls, random: new Random('reader'), wanders: 0 });
    for (const [key, body] of acknowledged) {
      const got = await reader.perform({ method: 'GET', path: keyPath(key), repeatable: true }, 20_000);
      expect(got.kind === 'answer' ? got.body : got.why, key).toBe(body);
    }
    await reader.close();
  });
});

/** Runs this version from now on. */
function begin(member: ReplicaChild, version: string): void {
  member.program = hooked[version]?.program ?? member.program;
  member.start({}, tunedEnv({ version }));
}

const versionOf = async (member: ReplicaChild): Promise<string> => (await member.status())?.version ?? '';

async function makeMaster(cell: CellProcess, name: string): Promise<void> {
  await until(`${name} is master`, async () => {
    const master = await cell.master();
    if (master.name === name) return true;
    const body = JSON.stringify({ to: name });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${master.url}/v1/master/transfer`, { method: 'POST', body, headers }).catch(() => undefined);
    return false;
  });
}

const allVote = (cell: CellProcess): Promise<unknown> =>
  until('everybody votes', async () => (await cell.statuses()).every((status) => status?.voting === true), {
    timeoutMs: 30_000,
  });

type Fault = (cell: CellProcess, master: ReplicaChild, load: Counters) => Promise<void>;

/** What happens to a master, or to one that follows it, each until writes have gone on for a while. */
const faults: Readonly<Record<string, Fault>> = {
  'the master is killed': async (cell, master, load) => {
    const version = await versionOf(master);
    await master.kill();
    await goesOn(load);
    begin(master, version);
    await allVote(cell);
  },
  'a follower is killed': async (cell, master, load) => {
    const [follower] = cell.others(master) as [ReplicaChild];
    const version = await versionOf(follower);
    await follower.kill();
    await goesOn(load);
    begin(follower, version);
    await allVote(cell);
  },
  'the master is paused': async (cell, master, load) => {
    master.pause();
    await goesOn(load);
    master.resume();
    await allVote(cell);
  },
  'the link to one follower is cut': async (cell, master, load) => {
    const [, follower] = cell.others(master) as [ReplicaChild, ReplicaChild];
    await new Hooks(master).cut([follower]);
    await goesOn(load);
    await new Hooks(master).heal();
    await allVote(cell);
  },
  'the master is cut off from both': async (cell, master, load) => {
    await new Hooks(master).cut(cell.others(master));
    await goesOn(load);
    await new Hooks(master).heal();
    await allVote(cell);
  },
};

async function goesOn(load: Counters): Promise<void> {
  const { total } = load;
  await until('writes go on', () => load.total >= total + 30, { timeoutMs: 30_000 });
}

it('any mix, with any master, goes on under faults: no write lost, no read of anything older', {
  timeout: 900_000,
}, async () => {
  const env = tunedEnv({ version: oldVersion });
  await withCell({ replicas: 3, programOf: () => hooked[oldVersion]?.program, env }, async (cell) => {
    const load = new Counters(cell.urls, 4);
    let rounds = 0;
    for (let i = 0; i < 8; i++) {
      const mix = i ^ (i >> 1);
      for (const [at, member] of cell.members.entries()) {
        const version = ((mix >> at) & 1) === 1 ? newVersion : oldVersion;
        if ((await versionOf(member)) === version) continue;
        await member.terminate();
        begin(member, version);
        await allVote(cell);
      }
      for (const { name } of cell.members) {
        for (const [what, strike] of Object.entries(faults)) {
          await makeMaster(cell, name);
          const master = cell.member(name);
          await strike(cell, master, load).catch((error: Error) => {
            throw new Error(`mix ${mix.toString(2)}, master ${name}, ${what}: ${error.message}`, { cause: error });
          });
          rounds++;
        }
      }
      await cell.agreement();
    }
    expect(await load.stop()).toEqual([]);
    await cell.agreement();
    process.stderr.write(`8 mixes, each member master, ${rounds} faults: ${load.total} writes, none lost\n`);
    expect(rounds).toBe(8 * 3 * Object.keys(faults).length);
  });
});
