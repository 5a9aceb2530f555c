/**
 * Starts that must not be: with a directory that belongs to somebody else, to nobody, or to a process that runs.
 *
 * Source: pitfalls §2, O1, O3 to O5, O7, O8, U3. Each runs the production member up to its refusal, beside the cell at work. The
 * right answer is one named error, and a directory that is as it was.
 */
import type { Random } from '../../core/random.ts';
import { silentLogger } from '../../runtime/logger.ts';
import { ReplicaStorage } from '../../storage/replica-storage.ts';
import { Violation } from '../checkers/violation.ts';
import type { Machine } from '../machine.ts';
import { StartAttempt } from '../start-attempt.ts';
import { diskFor, type Mistake, makeMistake, processFor } from './operator-attempt.ts';
import type { FaultWorld } from './world.ts';
import { fault } from './world.ts';

const anotherCell = 'fedcba9876543210fedcba9876543210';
/** Rounds of a formation, which asks every 100 ms. */
const formationMs = 1_500;

type AtMember = { readonly member: string };
const drawMember = (world: FaultWorld, random: Random): AtMember => ({ member: world.anyone(random) });

type Answer = Pick<Mistake, 'kind' | 'code' | 'needsPeer'> & Partial<Pick<Mistake, 'held' | 'expectCell'>>;

/** On a copy of the disk of `from`, or on an empty one. */
function mistake(
  world: FaultWorld,
  random: Random,
  { member, from, answer }: { readonly member: string; readonly from: string | null; readonly answer: Answer },
): boolean {
  const machine = world.machine(member);
  const source = from === null ? null : world.machine(from);
  if (machine === undefined || source === undefined) return false;
  // A disk that is being made says something else; one that is there, what it always says.
  if (source !== null && source.log === null) return false;
  const process = processFor(world, machine, `${member}/${answer.kind}`);
  const disk = diskFor(world, process, random, source);
  if (answer.kind === 'leftover-files') disk.plant('snapshot-00000000.old', Buffer.from('of an upgrade that failed'));
  makeMistake(world, { ...answer, machine, process, disk, random });
  // Counted when the right answer has come.
  return false;
}

async function formForeign(world: FaultWorld, machine: Machine, answer: Answer, random: Random): Promise<void> {
  const process = processFor(world, machine, `${machine.name}/${answer.kind}`);
  const disk = diskFor(world, process, random, null);
  await ReplicaStorage.form(disk, { ...machine.formation, cell: { ...machine.formation.cell, id: anotherCell } });
  makeMistake(world, { ...answer, machine, process, disk, random });
}

export const operatorFaults = {
  'foreign-directory': fault({
    draw: (world, random) => {
      const [member, from] = world.pair(random);
      return member === from ? null : { member, from };
    },
    strike: (world, { member, from }, random) => {
      // A disk that is bad itself may be refused for that.
      if (world.atlas.isDamaged(from)) return false;
      const answer = { kind: 'foreign-directory', code: 'PAXOS_DATA_DIRECTORY_FOREIGN', needsPeer: false } as const;
      return mistake(world, random, { member, from, answer });
    },
  }),

  'same-directory-twice': fault({
    draw: drawMember,
    strike: (world, { member }, random) => {
      const answer = {
        kind: 'same-directory-twice',
        code: 'PAXOS_DATA_DIRECTORY_IN_USE',
        needsPeer: false,
        held: true,
      } as const;
      return mistake(world, random, { member, from: member, answer });
    },
  }),

  /** Of a member that the others know: its disk is lost, and it is no new one. */
  'empty-directory': fault({
    draw: drawMember,
    strike: (world, { member }, random) => {
      if (world.machines.length === 1) return false;
      // Somebody who is being replaced may be no member at the moment, and who answers may be behind.
      if (world.membershipChanged) return false;
      const answer = { kind: 'empty-directory', code: 'PAXOS_DATA_DIRECTORY_LOST', needsPeer: true } as const;
      return mistake(world, random, { member, from: null, answer });
    },
  }),

  'directory-of-another-cell': fault({
    draw: (world, random) => ({ ...drawMember(world, random), told: random.chance(0.5) }),
    strike: (world, { member, told }, random) => {
      const machine = world.machine(member);
      if (machine === undefined) return false;
      const answer: Answer = {
        kind: 'directory-of-another-cell',
        code: 'PAXOS_DATA_DIRECTORY_FOREIGN',
        needsPeer: !told,
      };
      const expectCell = machine.formation.cell.id;
      void formForeign(world, machine, told ? { ...answer, expectCell } : answer, random);
      return false;
    },
  }),

  'leftover-files': fault({
    draw: drawMember,
    strike: (world, { member }, random) => {
      if (world.atlas.isDamaged(member)) return false;
      const answer = { kind: 'leftover-files', code: 'PAXOS_LEFTOVER_FILES', needsPeer: false } as const;
      return mistake(world, random, { member, from: member, answer });
    },
  }),

  /** Three new members, one of which was told of another cell than the others: no cell may come of it. */
  'formation-disagrees': fault({
    draw: (_world, random) => ({
      odd: random.below(3),
      how: random.pick(['misspelt', 'other-address', 'other-name', 'one-less'] as const),
    }),
    strike: (world, { odd, how }, random) => {
      const names = ['f1', 'f2', 'f3'];
      const list = names.map((name) => ({ name, url: `http://${name}.simulated` }));
      const lists = {
        misspelt: list.map((member) => (member.name === names[(odd + 1) % 3] ? { ...member, name: 'f9' } : member)),
        'other-address': list.map((member) =>
          member.name === names[(odd + 1) % 3] ? { ...member, url: 'http://f9.simulated' } : member,
        ),
        'other-name': list,
        'one-less': list.filter((member) => member.name !== names[(odd + 1) % 3]),
      } as const;
      const hosts = names.map((name, i) => {
        const process = processFor(world, world.machines[0] as Machine, name);
        const disk = diskFor(world, process, random.fork(name), null);
        const attempt: StartAttempt = new StartAttempt({
          name,
          disk,
          cell: i === odd ? lists[how] : list,
          cellName: i === odd && how === 'other-name' ? 'another' : 'new',
          process,
          randomness: { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) },
          ask: (url) =>
            hosts.find((host) => url === `http://${host.name}.simulated`)?.attempt.view() ?? Promise.resolve(null),
          logger: silentLogger,
        });
        return { name, process, disk, attempt };
      });
      const problems: string[] = [];
      for (const { name, attempt } of hosts) {
        attempt
          .run()
          .catch((error: unknown) => problems.push(`${name}: ${error instanceof Error ? error.name : error}`));
      }
      world.note('', 'formation-disagrees', how, odd);
      world.scheduler.settle();
      world.later(formationMs, () => {
        for (const { process } of hosts) process.kill();
        const begun = hosts.filter(({ disk }) => disk.image.names.has('IDENTITY'));
        if (problems.length + begun.length > 0) {
          const facts = { how, problems, formed: begun.map(({ name }) => name) };
          return world.fail(
            new Violation('identity', 'members that were told of different cells have formed one', facts),
          );
        }
        world.count('formation-disagrees');
      });
      return false;
    },
  }),
};
