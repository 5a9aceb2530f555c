/** Changes of the members as operators ask for them, judged by what is asked at that moment: P49, D10, O9, and upgrades. */
import type { Mutant } from './mutant.ts';

const service = 'src/runtime/membership/membership-service.ts';
const asked = 'test/runtime/membership/membership-service.test.ts';
const plan = 'src/runtime/membership/plan.ts';
const planned = 'test/runtime/membership/plan.test.ts';
const workflows = 'src/operator/members/workflows.ts';
const commands = 'test/operator/members.test.ts';

const blind = { explorer: 'not in the core of consensus' } as const;

export const members: readonly Mutant[] = [
  {
    id: 'D10-hung-disk-is-well',
    pitfalls: ['P49'],
    title:
      'a voter whose disk makes nothing durable counts as well when a change is judged, since it answers and applies',
    wrong: 'A removal leaves fewer than a quorum that can acknowledge anything, and the cell stops.',
    edits: [
      {
        file: service,
        find: "if (!answer.durable) return 'it answers, and its disk makes nothing durable';",
        replace: '',
      },
    ],
    killedBy: [asked],
    blind: {
      ...blind,
      simulator:
        'whoever makes nothing durable for two leases is refused as unheard; a disk that hangs for less could as well begin to hang a moment later',
    },
  },
  {
    id: 'D10-unheard-is-well',
    pitfalls: ['P49', 'P50'],
    title:
      'a voter that has acknowledged nothing for two leases counts as well when a change is judged, since it answers',
    wrong: 'As with a disk that hangs: the master knows better, and does not look.',
    edits: [
      {
        file: service,
        find: 'whySilent(member, answer, unheard.has(id));',
        replace: 'whySilent(member, answer, false);\n        void unheard;',
      },
    ],
    killedBy: [asked],
    blind,
  },
  {
    id: 'P49-what-was-applied-meanwhile',
    pitfalls: ['P49'],
    title: 'members are held against what the master has applied when the last of them has answered',
    wrong: 'Under load all of them look behind, and nobody can be added or removed.',
    edits: [
      {
        file: service,
        find: 'this.#situation({ appliedUpTo, conditions,',
        replace: 'this.#situation({ appliedUpTo: Math.max(appliedUpTo, log.appliedUpTo), conditions,',
      },
    ],
    killedBy: [asked],
    blind: { ...blind, simulator: 'a change that is refused is never wrong there: somebody may just have been slow' },
  },
  {
    id: 'O9-replaced-by-itself',
    pitfalls: [],
    title: 'a member is replaced by itself: it is there, so nothing is left to do but remove OLD',
    wrong: 'Whoever wants to move a member loses it.',
    edits: [{ file: workflows, find: 'if (old === name) {', replace: "if (name === '') {" }],
    killedBy: [commands],
    blind,
  },
  {
    id: 'O9-newcomer-not-looked-at',
    pitfalls: [],
    title: 'whoever has the name of NEW and is a member takes the place of OLD, wherever it is and since when',
    wrong: 'A slip in a name costs a voter, and nobody comes.',
    edits: [
      {
        file: workflows,
        find: 'if (coming !== undefined) refuseStranger(coming, { url, leaving });',
        replace: 'void refuseStranger;',
      },
    ],
    killedBy: [commands],
    blind,
  },
  {
    id: 'O9-dead-by-word-alone',
    pitfalls: ['P45'],
    title: 'whoever is said to be dead goes in the step that admits another, though the master hears it',
    wrong: 'A member that is out of reach of the operator alone is given up before the other one can vote.',
    edits: [
      {
        file: plan,
        find: 'if (leaving !== undefined && isCountedOn(leaving, situation)) {',
        replace: "if (leaving !== undefined && leaving.name === '') {",
      },
    ],
    killedBy: [planned],
    blind,
  },
  {
    id: 'P39-done-before-it-governs',
    pitfalls: ['P39', 'P45'],
    title: 'a change is told as done when the time is up, though it does not govern, or no majority knows it',
    wrong: 'The operator wipes the member that went, and with it the last one who knew who decides.',
    edits: [
      {
        file: service,
        find: 'if (await this.#settled(changeMsMax)) return this.#done(request, plan, asked);',
        replace: 'await this.#settled(changeMsMax);\n    if (Date.now() > 0) return this.#done(request, plan, asked);',
      },
    ],
    killedBy: [asked],
    blind,
  },
  {
    id: 'P45-judged-one-changed-another',
    pitfalls: ['P45'],
    title: 'a change that was refused is proposed again, whatever the members have become since it was judged',
    wrong: 'What is proposed takes back the change that came between.',
    edits: [
      {
        file: service,
        find: "if (this.#latest().from !== judged) return 'refused';",
        replace: 'void judged;',
      },
    ],
    killedBy: [asked],
    blind: {
      ...blind,
      simulator: 'a change that comes in between is of another master, and who is none any more proposes nothing',
    },
  },
  {
    id: 'U4-newcomer-of-another-level',
    pitfalls: [],
    title: 'a replica is admitted whose program does not speak the level of the cell',
    wrong: 'It ends at its first start, and the message says that it does not answer.',
    edits: [
      { file: service, find: 'if (isSupported(level, levels)) return null;', replace: 'if (level > 0) return null;' },
    ],
    killedBy: [asked],
    blind,
  },
  {
    id: 'P50-intended-without-the-rebuilt',
    pitfalls: ['P50'],
    title: 'a member that is rebuilt is not counted among those that the cell was made for',
    wrong: 'With the vote goes the spare failure that it stood for: "tolerates 0 of 0".',
    edits: [
      {
        file: 'src/formats/membership-size.ts',
        find: "voting || role === 'rebuilding'",
        replace: "voting || role === ''",
      },
    ],
    killedBy: ['test/client/cell-status.test.ts'],
    blind: { ...blind, simulator: 'it changes what people are told alone, which nobody there reads' },
  },
  {
    id: 'members-change-in-an-upgrade',
    pitfalls: [],
    title: 'members are added and removed while an upgrade is open',
    wrong: 'It counts on members that are gone, and says that all run the target though one does not.',
    edits: [
      {
        file: plan,
        find: "if (upgrade === null || request.kind === 'rebuild') return null;",
        replace: "if (upgrade === null || request.kind !== 'rebuild') return null;",
      },
    ],
    killedBy: [planned],
    blind,
  },
  {
    id: 'upgrade-begins-in-a-change',
    pitfalls: [],
    title: 'an upgrade begins while a change of the members is on its way',
    wrong: 'Its plan has the members of before.',
    edits: [
      {
        file: 'src/runtime/replica-service.ts',
        find: 'if (this.#options.membership?.isChanging === true) return',
        replace: 'if (this.#options.membership?.isChanging === null) return',
      },
    ],
    killedBy: ['test/runtime/open-upgrade.test.ts'],
    blind,
  },
];
