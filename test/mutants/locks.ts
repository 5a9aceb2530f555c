/** The lock service: exclusion, sequencers, lock-delay, and sessions over a change of masters (CHB §2.4, §2.9; P54). */
import type { Mutant } from './mutant.ts';

const database = (name: string): string => `src/core/database/${name}.ts`;
const lockTests = 'test/core/database/lock.test.ts';
const sweepTests = 'test/runtime/session-sweep.test.ts';

export const locks: readonly Mutant[] = [
  {
    id: 'P54-sequencer-not-looked-at',
    pitfalls: ['P54'],
    title: 'a write is carried out whatever lock it says that it rests on',
    wrong: 'A holder that was paused and lost its lock writes over what the next one has written.',
    edits: [
      {
        file: database('database'),
        find: 'if (command.sequencer !== undefined && !this.#locks.isHeld(command.sequencer))',
        replace: 'if (command.sequencer !== undefined && this.#epoch < 0)',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-sequencer-of-a-lock-for-that-of-its-holder',
    pitfalls: ['P54'],
    title: 'a sequencer holds for as long as anybody has the lock in its mode',
    wrong: 'Whoever lost an exclusive lock writes under that of the next one.',
    edits: [
      {
        file: database('lock'),
        find: 'lock.holders.some((holder) => holder.generation === generation);',
        replace: 'lock.holders.some((holder) => holder.generation >= generation);',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-lock-delay-forgotten',
    pitfalls: ['P54'],
    title: 'a lock is free at once when its session is lost',
    wrong: 'What the holder had sent to others, who know no sequencers, arrives when the next one has begun.',
    edits: [
      {
        file: database('database'),
        find: 'this.#locks.endSessions(this.#sessions.expire(command.sessions, this.#cellTimeMs), this.#cellTimeMs);',
        replace: 'this.#locks.endSessions(this.#sessions.expire(command.sessions, this.#cellTimeMs), null);',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-locks-of-a-lost-session-kept',
    pitfalls: ['P54'],
    title: 'a session is ended, and what it holds is not',
    wrong: 'Nobody ever takes the lock again.',
    edits: [
      {
        file: database('database'),
        find: 'this.#locks.endSessions(this.#sessions.expire(command.sessions, this.#cellTimeMs), this.#cellTimeMs);',
        replace: 'this.#sessions.expire(command.sessions, this.#cellTimeMs);',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-locks-of-a-live-session-freed',
    pitfalls: ['P54'],
    title: 'what the sessions hold that a master has named is freed, also of those that were renewed meanwhile',
    wrong: 'Two hold one lock, and the first was told nothing.',
    edits: [
      {
        file: database('database'),
        find: 'this.#locks.endSessions(this.#sessions.expire(command.sessions, this.#cellTimeMs), this.#cellTimeMs);',
        replace:
          'this.#sessions.expire(command.sessions, this.#cellTimeMs); this.#locks.endSessions(command.sessions, this.#cellTimeMs);',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-generation-of-the-newest-lock',
    pitfalls: ['P54'],
    title: 'the generation of acquisitions goes on from what is held, not from what was given',
    wrong: 'After a restart a sequencer is given a second time, and the first is believed again.',
    edits: [
      {
        file: database('lock-table'),
        find: 'const generation = Math.max(this.#generation + 1, instance);',
        replace: `const given = [...this.#store.from('')].flatMap(([, held]) => held.holders.map((holder) => holder.generation));
    const generation = Math.max(1, ...given.map((one) => one + 1), instance > 2 ** 40 ? instance : 0);`,
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-generation-repeats-after-a-restore',
    pitfalls: ['P54'],
    title: 'the generation of acquisitions only counts on from what the state knows',
    wrong: 'A backup knows less of them: a sequencer from before the restore holds for an acquisition after it.',
    edits: [
      {
        file: database('lock-table'),
        find: 'const generation = Math.max(this.#generation + 1, instance);',
        replace: 'const generation = this.#generation + 1 || instance;',
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'P54-no-fresh-term',
    pitfalls: ['P54'],
    title: 'a new master ends sessions whose time ran out while there was none',
    wrong: 'Nobody could have kept them alive: every change of masters that takes long costs all clients their locks.',
    edits: [
      {
        file: 'src/runtime/session-sweep.ts',
        find: 'database.sessionsDue(now, this.#served.since)',
        replace: 'database.sessionsDue(now, 0 as CellTimeMs)',
      },
    ],
    killedBy: [sweepTests],
  },
  {
    id: 'P54-fresh-term-of-the-first-mastership',
    pitfalls: ['P54'],
    title: 'a replica counts from when it was master for the first time',
    wrong: 'Who becomes master again ends sessions that had nobody to keep them meanwhile.',
    edits: [
      {
        file: 'src/runtime/session-sweep.ts',
        find: 'if (this.#served?.epoch !== database.epoch)',
        replace: 'if (this.#served === null)',
      },
    ],
    killedBy: [sweepTests],
  },
  {
    id: 'I20-shared-beside-exclusive',
    pitfalls: ['P54'],
    title: 'a lock that one holds alone may be shared',
    wrong: 'The holder is not alone.',
    edits: [
      {
        file: database('lock'),
        find: "held !== null && (held === 'exclusive' || mode === 'exclusive');",
        replace: "held !== null && mode === 'exclusive';",
      },
    ],
    killedBy: [lockTests],
  },
  {
    id: 'I20-release-by-another-acquisition',
    pitfalls: ['P54'],
    title: 'a lock is released whatever acquisition was named',
    wrong: 'A late request to let go ends an acquisition that came after it.',
    edits: [
      {
        file: database('lock-table'),
        find: '(generation !== 0 && own.generation !== generation)',
        replace: '(generation !== 0 && own.generation < 0)',
      },
    ],
    killedBy: [lockTests],
  },
];
