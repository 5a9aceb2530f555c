/** Changes of the members as operators ask for them, judged by what is asked at that moment: P49, D10, O9, and upgrades. */
import type { Mutant } from './mutant.ts';

const service = 'src/runtime/membership/membership-service.ts';
const asked = 'test/runtime/membership/membership-service.test.ts';
const plan = 'src/runtime/membership/plan.ts';
const planned = 'test/runtime/membership/plan.test.ts';
const workflows = 'src/operator/members/workflows.ts';
const commands = 'test/operator/members.test.ts';

const blind = { explorer: 'not in the core of consensus' } as const;
const noUpgrade = { ...blind, simulator: 'nobody upgrades there' } as const;

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
    blind,
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
    blind: noUpgrade,
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
    blind: noUpgrade,
  },
];
