/** Configurations as values in the log, and who is no member: P39, P44 to P50. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const directed = 'test/core/consensus/membership.test.ts';
const lease = 'test/core/consensus/master-lease.test.ts';

const notInCore = { explorer: 'not in the core of consensus' } as const;

export const membership: readonly Mutant[] = [
  {
    id: 'P44-governs-at-once',
    pitfalls: ['P44'],
    title: 'a configuration governs from the instance after its own',
    wrong: 'Instances in flight are decided by two different majorities.',
    edits: [
      {
        file: consensus('configuration-history'),
        find: '(chosenAt + this.at(chosenAt).alpha) as Instance',
        replace: '(chosenAt + 1) as Instance',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P44-counted-on-too-early',
    pitfalls: ['P44'],
    title: 'a replica says that its vote is counted on as soon as it has learned the change that gives it one',
    wrong:
      'A script that goes on with the next member takes the majority away that is wanted until the change governs.',
    edits: [
      {
        file: consensus('replica'),
        find: "this.participation === 'voting' && voters(this.configuration).has(this.#context.self)",
        replace: "this.participation === 'voting'",
      },
    ],
    killedBy: [directed],
    blind: {
      explorer: 'what a status says is not asked there',
      simulator: 'its operators ask what governs',
    },
  },
  {
    id: 'P44-alpha-of-the-new-configuration',
    pitfalls: ['P44'],
    title: 'a configuration governs after its own α, not after that of the one before',
    wrong: 'A smaller α reaches back to instances that are proposed already.',
    edits: [
      {
        file: consensus('configuration-history'),
        find: '(chosenAt + this.at(chosenAt).alpha) as Instance',
        replace: '(chosenAt + configuration.alpha) as Instance',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P44-latest-majority-decides',
    pitfalls: ['P44'],
    title: 'votes are counted in the newest configuration, not in that of their instance',
    wrong: 'A majority of the new members decides an instance of the old ones.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'const configuration = configurations.at(proposal.instance);\n    if (!proposal.chosen) {',
        replace: 'const configuration = configurations.latest.configuration;\n    if (!proposal.chosen) {',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P44-proposes-beyond-alpha',
    pitfalls: ['P44'],
    title: 'proposing does not wait until everything α instances below is applied',
    wrong: 'It is proposed under a configuration that does not govern there.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'if (this.#next > appliedUpTo + configuration.alpha) return false;',
        replace: 'void appliedUpTo;',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P45-two-voters-at-once',
    pitfalls: ['P45'],
    title: 'a change may differ by two voters',
    wrong: 'Majorities before and after need not meet.',
    edits: [{ file: consensus('quorum'), find: 'return different <= 1 &&', replace: 'return different <= 2 &&' }],
    killedBy: [directed],
  },
  {
    id: 'P45-two-changes-at-once',
    pitfalls: ['P45', 'P39'],
    title: 'a second change is proposed while the first is under way and the lease rests on members of before',
    wrong: 'Together they differ by two voters.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'const underWay = this.#change !== null || this.#fillUpTo > log.chosenUpTo;',
        replace: 'const underWay = this.#change !== null;',
      },
      {
        file: consensus('proposer'),
        find: 'present.from <= log.chosenUpTo && present.from <= this.#renewedBy;',
        replace: 'present.from > 0 || this.#renewedBy > 0;',
      },
    ],
    killedBy: [directed, lease],
  },
  {
    id: 'P45-new-members-not-asked',
    pitfalls: ['P45', 'P44'],
    title: 'a coordinator that learns a configuration proposes in it without promises of its members',
    wrong: 'They may have promised, and accepted, something else.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'if (isQuorum(configuration, this.#promisers)) return true;',
        replace: 'if (this.#promisers.size > 0) return true;',
      },
    ],
    killedBy: [directed],
    blind: {
      explorer:
        'who leads has caught up first, so it learns one change at most, and majorities of two that differ by one voter meet',
      simulator: 'as the explorer',
    },
  },
  {
    id: 'P45-one-configuration-asked',
    pitfalls: ['P45'],
    title: 'phase 1 needs a majority of one of the configurations in question, not of each',
    wrong: 'Instances of the other one are proposed without having asked.',
    edits: [
      {
        file: consensus('campaign'),
        find: 'return configurations.every(({ configuration }) => isQuorum(configuration, this.promises));',
        replace: 'return configurations.some(({ configuration }) => isQuorum(configuration, this.promises));',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P46-change-to-come-not-in-the-handle',
    pitfalls: ['P46'],
    title: 'a snapshot stands for the configuration in force, not for the one chosen and to come',
    wrong: 'A replica restored from it never hears of the change.',
    edits: [
      {
        file: consensus('applying'),
        find: 'configurations: configurations.from(appliedUpTo + 1) };',
        replace: 'configurations: configurations.from(appliedUpTo + 1).slice(0, 1) };',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P46-phantom-configuration-kept',
    pitfalls: ['P46'],
    title: 'an installed snapshot leaves the configurations as this replica knew them',
    wrong: 'It counts majorities of members that are long out.',
    edits: [
      {
        file: consensus('applying'),
        find: 'this.#context.configurations = new ConfigurationHistory(handle.configurations);',
        replace: '',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P46-configuration-of-the-formation',
    pitfalls: ['P46'],
    title: 'a restart takes the members from the formation, not from the snapshot',
    wrong: 'Members that were removed have a vote again.',
    edits: [
      {
        file: 'src/runtime/recovered-state.ts',
        find: 'const handle = recovered.snapshot?.handle ?? recovered.formation;',
        replace:
          'const handle = { ...(recovered.snapshot?.handle ?? recovered.formation), configurations: recovered.formation.configurations };',
      },
    ],
    killedBy: ['test/runtime/restored-state.test.ts'],
  },
  {
    id: 'P47-change-is-told-with-the-next-accept',
    pitfalls: ['P47'],
    title: 'that a change of the membership is chosen waits for an accept to ride on, like everything else',
    wrong: 'Who votes by now learns of it late, and so does who is out.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'if (configurations.at(this.#toldUpTo + 1) !== configurations.latest.configuration) return this.#nowMs;',
        replace: 'void configurations;',
      },
    ],
    killedBy: ['test/core/consensus/commits.test.ts'],
    blind: {
      explorer: 'nothing but a few milliseconds is lost',
      simulator: 'nothing but a few milliseconds is lost',
    },
  },
  {
    id: 'P47-removed-members-have-a-say',
    pitfalls: ['P47', 'P05'],
    title: 'messages of replicas that are no members are taken like those of members',
    wrong: 'A removed replica deposes the master and is granted leases.',
    edits: [
      {
        file: consensus('reception'),
        find: 'if (!configurations.isMemberFrom(log.chosenUpTo + 1, from)) return this.#onStranger(from, message);',
        replace: 'void configurations;\n    void log;\n    void this.#onStranger;',
      },
    ],
    killedBy: ['test/core/consensus/bad-input.test.ts', directed],
    blind: {
      explorer: 'who is out is behind too, and refused for that before it can do harm',
      simulator: 'connections turn away who is out, and who is still connected is behind',
    },
  },
  {
    id: 'P47-removed-member-is-not-told',
    pitfalls: ['P47'],
    title: 'a replica that is no member gets no answer at all',
    wrong: 'It never learns that it is out, and asks for ever.',
    edits: [
      {
        file: consensus('reception'),
        find: 'return this.#onStranger(from, message);',
        replace: 'return void this.ignored++;\n    void this.#onStranger;',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P47-removed-master-goes-on',
    pitfalls: ['P47'],
    title: 'a master that is removed leads on where the change governs',
    wrong: 'It serves until its lease ends, and the members wait for it.',
    edits: [
      {
        file: consensus('coordinator'),
        find: 'if (isProposing(this.#state) && !voters(this.#configuration).has(this.#context.self)) {',
        replace: 'if (isProposing(this.#state) && this.#configuration.alpha < 0) {',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P47-removed-member-leaves-at-once',
    pitfalls: ['P47'],
    title: 'a removed member ends as soon as it knows that it is out',
    wrong: 'The others crash before they know it too, and a majority of the old members is not there.',
    edits: [
      {
        file: consensus('parting'),
        find: 'if (before !== undefined && before.from <= this.#last && !voters(before.configuration).has(self)) this.#end();',
        replace: 'if (before !== undefined || self !== null) this.#end();',
      },
    ],
    killedBy: ['test/core/consensus/parting.test.ts'],
  },
  {
    id: 'P47-parting-believes-memory',
    pitfalls: ['P47'],
    title: 'a removed member is told what the others have in memory, and not what is on their disks',
    wrong: 'It ends, the others crash, and nobody knows any more what was chosen with its vote.',
    edits: [
      {
        file: consensus('catch-up'),
        find: 'nonce === partingNonce ? outbox.durablyChosenUpTo : log.chosenUpTo',
        replace: 'nonce < partingNonce ? outbox.durablyChosenUpTo : log.chosenUpTo',
      },
    ],
    killedBy: ['test/core/consensus/parting.test.ts'],
  },
  {
    id: 'P47-parting-takes-any-answer',
    pitfalls: ['P47'],
    title: 'answers of those that catch others up count as what is on their disks',
    wrong: 'They say what is in memory, and the removed member ends too early.',
    edits: [
      {
        file: consensus('reception'),
        find: 'if (message.nonce === partingNonce) this.#parts.participation.heardOf',
        replace: 'if (message.nonce >= partingNonce) this.#parts.participation.heardOf',
      },
    ],
    killedBy: ['test/core/consensus/parting.test.ts'],
  },
  {
    id: 'P47-turned-away-by-memory',
    pitfalls: ['P47'],
    title: 'who is out is turned away by what is in memory',
    wrong: 'It writes down that it is out, the other crashes and wants its vote again.',
    edits: [
      {
        file: 'src/runtime/membership/belonging.ts',
        find: 'core?.durableConfigurations.some(',
        replace: 'core?.configurations.some(',
      },
    ],
    killedBy: ['test/runtime/membership/belonging.test.ts'],
  },
  {
    id: 'P47-removed-for-ever',
    pitfalls: ['P47'],
    title: 'a removed member waits for the others without an end',
    wrong: 'They have been replaced as well, and its process never ends.',
    edits: [
      {
        file: 'src/runtime/membership/belonging.ts',
        find: 'this.#staying = clocks.schedule(at, () => this.#end({ known: false }));',
        replace: 'void at;',
      },
    ],
    killedBy: ['test/runtime/membership/belonging.test.ts'],
  },
  {
    id: 'P48-votes-by-name',
    pitfalls: ['P48'],
    title: 'votes are counted by name, whatever the incarnation',
    wrong: 'A disk that was lost and one that took its place vote as one, or twice.',
    edits: [
      {
        file: consensus('quorum'),
        find: 'for (const id of voters(configuration)) if (votes.has(id)) count++;',
        replace: `const names = new Set([...votes].map((vote) => vote.split('#')[0]));
  for (const id of voters(configuration)) if (names.has(id.split('#')[0])) count++;`,
      },
      {
        file: consensus('configuration-history'),
        find: 'return this.#membershipFrom(instance).members.has(id);',
        replace:
          "return [...this.#membershipFrom(instance).members].some((known) => known.split('#')[0] === id.split('#')[0]);",
      },
    ],
    killedBy: ['test/core/consensus/promises-and-ballots.test.ts', 'test/core/consensus/bad-input.test.ts'],
    blind: {
      explorer:
        'who proposes asks by the full identity: no life that is out says anything of an instance at which the next one votes',
      simulator: 'as the explorer',
    },
  },
  {
    id: 'P47-learner-does-not-ask',
    pitfalls: ['P47'],
    title: 'a replica without a vote asks nobody when it hears nothing',
    wrong: 'A learner that was removed while it was cut off waits for ever.',
    edits: [
      {
        file: consensus('replica'),
        find: 'mustInquire: () => this.#participation.mustInquire,',
        replace: 'mustInquire: () => false,',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P47-vote-to-come-does-not-ask',
    pitfalls: ['P47'],
    title: 'a replica whose vote is chosen and does not count yet asks nobody when it hears nothing',
    wrong: 'Cut off right then and removed, it neither asks for votes nor what is chosen, and waits for ever.',
    edits: [
      {
        file: consensus('participation'),
        find: "return this.#state !== 'voting' || !voters(presentConfiguration(this.#context)).has(this.#context.self);",
        replace: "void voters;\n    return this.#state !== 'voting';",
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P47-asks-one-of-all',
    pitfalls: ['P47'],
    title: 'a replica that hears nothing asks one of those whom it knows, the same each time',
    wrong:
      'A voter that compares itself with members who are gone waits for ever: a learner alone knows that they are out.',
    edits: [
      {
        file: consensus('catch-up'),
        find: 'for (const id of configurations.othersFrom(next, self)) {',
        replace: 'for (const id of configurations.othersFrom(next, self).slice(0, 1)) {',
      },
    ],
    killedBy: ['test/core/consensus/fence.test.ts'],
  },
  {
    id: 'P48-life-not-numbered-by-its-instance',
    pitfalls: ['P48'],
    title: 'a life that is admitted gets the number that follows the formation, not that of the instance',
    wrong: 'The next life of the same name gets it again.',
    edits: [
      {
        file: consensus('configuration'),
        find: '{ ...member, incarnation: instance } : member;',
        replace: '{ ...member, incarnation: 2 } : member;\n  void instance;',
      },
    ],
    killedBy: [directed],
  },
  {
    id: 'P21-rebuilt-with-its-vote',
    pitfalls: ['P21', 'P20'],
    title: 'the next life of a member whose disk was lost is admitted as a voter',
    wrong: 'It votes with nothing remembered, in majorities that need not meet those of the life before.',
    edits: [
      {
        file: 'src/runtime/membership/plan.ts',
        find: "const role = member.role === 'learner' ? 'learner' : 'rebuilding';",
        replace: 'const { role } = member;',
      },
    ],
    killedBy: ['test/runtime/membership/plan.test.ts'],
    blind: notInCore,
  },
  {
    id: 'P49-vote-before-catching-up',
    pitfalls: ['P49'],
    title: 'a member gets its vote however far behind it is',
    wrong: 'The quorum grows by one that cannot help: the next failure stops writes.',
    edits: [
      {
        file: 'src/runtime/membership/plan.ts',
        find: 'if (lag > lagInstancesMax) {',
        replace: 'if (lag > 2 ** 40) {',
      },
    ],
    killedBy: ['test/runtime/membership/plan.test.ts'],
    blind: notInCore,
  },
  {
    id: 'P49-remembered-not-asked',
    pitfalls: ['P49'],
    title: 'a voter that does not answer at that moment counts as well when a change is judged',
    wrong: 'A removal leaves fewer than a quorum, and the cell stops.',
    edits: [
      {
        file: 'src/runtime/membership/plan.ts',
        find: 'return isWell(condition, appliedUpTo) && condition.voting;',
        replace: 'return condition !== undefined;',
      },
    ],
    killedBy: ['test/runtime/membership/plan.test.ts'],
    blind: notInCore,
  },
  {
    id: 'P50-never-heard-counts-as-heard',
    pitfalls: ['P50'],
    title: 'a voter that has never acknowledged anything is not named as unheard',
    wrong: 'A misspelt member looks fine: five are listed and one failure is one too many.',
    edits: [
      {
        file: consensus('peers'),
        find: '(this.#progress.get(id)?.heardMs ?? -1) < sinceMs',
        replace: '(this.#progress.get(id)?.heardMs ?? sinceMs) < sinceMs',
      },
    ],
    killedBy: [directed],
  },
];
