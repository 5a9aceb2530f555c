/** The master lease, the epoch and reads, stability: P31 to P43. */
import type { Mutant } from './mutant.ts';

const consensus = (name: string): string => `src/core/consensus/${name}.ts`;
const lease = 'test/core/consensus/master-lease.test.ts';
const papers = 'test/papers/paxos-made-live.test.ts';
const stability = 'test/core/consensus/stability.test.ts';
const phaseOne = 'test/core/consensus/phase-one-and-requests.test.ts';
const logReplica = 'test/runtime/log-replica-effects.test.ts';

export const leases: readonly Mutant[] = [
  {
    id: 'P31-lease-from-the-ack',
    pitfalls: ['P31'],
    title: 'the lease counts from when its value was chosen, not from before it was sent',
    wrong: 'The grantors’ end comes first, and another master is elected meanwhile.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'this.lease.renew(proposal.sentAt, configuration);',
        replace: 'this.lease.renew(this.#context.now, configuration);',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P31-lease-from-the-last-copy',
    pitfalls: ['P31'],
    title: 'sending an accept again moves the beginning of the lease',
    wrong: 'The acknowledgement may be that of the first copy, whose grant began long before.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'proposal.lastSentMs = now;',
        replace: 'proposal.lastSentMs = now;\n      Object.assign(proposal, { sentAt: this.#context.now });',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P31-holder-believes-as-long-as-the-grantor',
    pitfalls: ['P31'],
    title: 'the holder’s lease is as long as the grantors’, without drift and margin',
    wrong: 'With a slow clock it outlives them.',
    edits: [
      {
        file: consensus('master-lease'),
        find: '(configuration.leaseMs * (1 - drift)) / (1 + drift) - marginMs',
        replace: 'configuration.leaseMs + 0 * drift',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P32-served-by-state-not-by-clock',
    pitfalls: ['P32'],
    title: 'whether to serve is what the last step found, not what the clock says now',
    wrong: 'After a pause the first read is answered before any timer has looked at the lease.',
    edits: [
      {
        file: consensus('coordinator'),
        find: 'return isMaster(this.#state) && this.#proposer.lease.remainingMs(now) > 0;',
        replace: 'return isMaster(this.#state) && now !== null;',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P32-lapsed-lease-revived',
    pitfalls: ['P32', 'P41'],
    title: 'a lease that lapsed is revived by acknowledgements that come later',
    wrong: 'Mastership was broken, another may have been master, and the epoch is the same.',
    edits: [{ file: consensus('replica'), find: 'this.#coordinator.checkLease();', replace: '' }],
    killedBy: [lease],
  },
  {
    id: 'P33-lease-on-the-monotonic-clock-alone',
    pitfalls: ['P33'],
    title: 'the holder looks at its monotonic clock alone',
    wrong: 'It stands still while the machine sleeps, and the lease looks fresh afterwards.',
    edits: [
      {
        file: consensus('master-lease'),
        find: 'const wall = now.wallMs - this.#from.wallMs;',
        replace: 'const wall = monotonic;',
      },
      {
        file: consensus('master-lease'),
        find: 'const boot = now.bootMs - this.#from.bootMs;',
        replace: 'const boot = monotonic;',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P33-boot-clock-kept',
    pitfalls: ['P33'],
    title: 'the boot-time clock is read once and kept over the end of the turn',
    wrong: 'A suspend between two turns is not seen.',
    edits: [
      {
        file: 'src/adapters/clocks-node/node-clocks.ts',
        find: 'setImmediate(this.#forgetBoot);',
        replace: 'void this.#forgetBoot;',
      },
    ],
    killedBy: ['test/adapters/node-clocks.test.ts'],
  },
  {
    id: 'P34-restarted-grantor-forgets',
    pitfalls: ['P34'],
    title: 'a replica that restarts has granted nothing',
    wrong: 'It helps to elect another while the master still serves reads.',
    edits: [
      {
        file: consensus('acceptor'),
        find: 'if (promise.ballot.round > 0) {',
        replace: 'if (promise.ballot.round < 0) {',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P34-grantor-promises-to-others',
    pitfalls: ['P34', 'P31'],
    title: 'a grant holds against pre-votes, not against prepares',
    wrong: 'A prepare that was on its way, or of a replica that asked before, gets a promise under a lease.',
    edits: [
      {
        file: consensus('acceptor'),
        find: "if (this.granted.forbids(from, now.monotonicMs, message.release)) return refuse('lease');",
        replace: 'void now;',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P35-epoch-kept-by-the-same-owner',
    pitfalls: ['P35', 'P41'],
    title: 'a master that is elected again goes on in the epoch that it had',
    wrong: 'Mastership was broken; what clients read before and after is told apart by nothing.',
    edits: [
      {
        file: consensus('applying'),
        find: 'this.#context.epoch = (this.#context.epoch + 1) as Epoch;',
        replace: `if (value.owner !== (this as unknown as { lastOwner?: string }).lastOwner) {
          (this as unknown as { lastOwner?: string }).lastOwner = value.owner;
          this.#context.epoch = (this.#context.epoch + 1) as Epoch;
        }`,
      },
      {
        file: 'src/core/state-machine.ts',
        find: 'this.database.openEpoch({ instance, id: value.id, owner: value.owner });',
        replace: `if (this.database.epochAt(this.database.epoch)?.owner !== value.owner) {
          this.database.openEpoch({ instance, id: value.id, owner: value.owner });
        }`,
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P36-serves-before-its-own-epoch',
    pitfalls: ['P36'],
    title: 'a new master serves as soon as it has a lease, before its own epoch is applied',
    wrong: 'Something acknowledged by the one before may not be applied yet: a stale read.',
    edits: [
      {
        file: consensus('coordinator'),
        find: "if (this.#state !== 'opening' || appliedUpTo < this.#proposer.openingInstance) return;",
        replace: "if (this.#state !== 'opening') return;\n    void appliedUpTo;",
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P36-serves-in-the-middle-of-a-step',
    pitfalls: ['P36'],
    title: 'the runtime serves while the application is still behind the core',
    wrong: 'A read in an answer’s callback sees a state before what is acknowledged.',
    edits: [
      {
        file: 'src/runtime/log-replica.ts',
        find: 'return !this.stopped && this.#applied.isCurrent && this.#core.isServing(this.#loop.now());',
        replace: 'return !this.stopped && this.#core.isServing(this.#loop.now());',
      },
    ],
    killedBy: [logReplica],
    blind: { simulator: 'simulated clients ask in events of their own, never within a step' },
  },
  {
    id: 'P37-refusal-renews',
    pitfalls: ['P37'],
    title: 'any answer to the master renews its lease, a refusal too',
    wrong: 'A master that has lost keeps its lease for ever.',
    edits: [
      {
        file: consensus('coordinator'),
        find: "if (message.reason === 'behind') this.#hooks.onBehind(from, message.chosenUpTo);\n    if (message.reason !== 'promised'",
        replace:
          "if (isMaster(this.#state)) this.#proposer.lease.renew(this.#context.now, this.#configuration);\n    if (message.reason === 'behind') this.#hooks.onBehind(from, message.chosenUpTo);\n    if (message.reason !== 'promised'",
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P40-catching-up-grants',
    pitfalls: ['P40'],
    title: 'what is learned by catching up grants a lease to the master of then',
    wrong: 'It takes the place of the grant to the master of now.',
    edits: [
      {
        file: consensus('replica'),
        find: 'this.#coordinator.onChosenElsewhere(entry.ballot);',
        replace: `this.#coordinator.onChosenElsewhere(entry.ballot);
        const { leaseMs } = this.#context.configurations.latest.configuration;
        this.#acceptor.granted.grant(entry.ballot, this.#context.now.monotonicMs, leaseMs);`,
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P41-no-epoch-guard',
    pitfalls: ['P41'],
    title: 'a value proposed in an epoch that is over is executed',
    wrong: 'What a client was told about its epoch is not true when its write takes effect.',
    edits: [
      {
        file: consensus('applying'),
        find: "value.kind !== 'submitted' || value.epoch === this.#context.epoch;",
        replace: "value.kind !== 'submitted' || value.epoch <= this.#context.epoch;",
      },
      {
        file: 'src/runtime/database-application.ts',
        find: 'invariant(current === (value.epoch === this.#database.epoch)',
        replace: 'invariant(current === (value.epoch <= this.#database.epoch)',
      },
    ],
    killedBy: [papers],
  },
  {
    id: 'P41-condition-on-the-epoch-not-looked-at',
    pitfalls: ['P41'],
    title: 'a client’s condition on the epoch is checked before its write is proposed, and not when it is applied',
    wrong: 'Mastership may be lost and regained in between.',
    edits: [
      {
        file: 'src/core/database/database.ts',
        find: 'if (command.ifEpoch !== null && command.ifEpoch !== this.#epoch) {',
        replace: 'if (command.ifEpoch !== null && command.ifEpoch < 0) {',
      },
    ],
    killedBy: ['test/core/database/multi-op.test.ts'],
  },
  {
    id: 'P41-stopped-says-nothing-happened',
    pitfalls: ['P41'],
    title: 'a replica that stops tells everybody who waits that nothing happened',
    wrong: 'What was proposed may still be chosen by the others.',
    edits: [
      {
        file: 'src/runtime/log-answers.ts',
        find: 'unproposed.has(request as RequestId)',
        replace: '(unproposed.has(request as RequestId) || request > 0)',
      },
    ],
    killedBy: [logReplica],
  },
  {
    id: 'P42-no-pre-vote',
    pitfalls: ['P42'],
    title: 'a candidate prepares without asking first',
    wrong: 'A replica that is cut off raises its ballot again and again, and disturbs the master when it is back.',
    edits: [
      {
        file: consensus('election'),
        find: 'this.#sendPreVotes(campaign);\n    this.#checkVotes();',
        replace: "this.#startPreparing('pre-vote-won', null);",
      },
    ],
    killedBy: [stability],
  },
  {
    id: 'P42-master-yields-to-an-inflated-ballot',
    pitfalls: ['P42'],
    title: 'a master that hears of a higher promise lays its mastership down',
    wrong: 'One replica with a bad link changes the master again and again.',
    edits: [
      {
        file: consensus('coordinator'),
        find: "if (this.#state === 'serving') this.#proposer.roundNeeded = true;",
        replace: "if (this.#state === 'serving') this.#move('outvoted', 'higher ballot');",
      },
    ],
    killedBy: [stability],
  },
  {
    id: 'P43-grant-on-the-wall-clock',
    pitfalls: ['P43'],
    title: 'a grantor counts the lease on its wall clock',
    wrong: 'The clock is set ahead by an hour, and the grant has ended.',
    edits: [
      { file: consensus('acceptor'), find: 'now.monotonicMs', replace: 'now.wallMs', every: true },
      {
        file: consensus('proposer'),
        find: 'this.#acceptor.granted.grant(this.#ballot, now.monotonicMs, leaseMs);',
        replace: 'this.#acceptor.granted.grant(this.#ballot, now.wallMs as never, leaseMs);',
      },
      {
        file: consensus('coordinator'),
        find: 'if (granted.holder(now.monotonicMs) === self) granted.end();',
        replace: 'if (granted.holder(now.wallMs as never) === self) granted.end();',
      },
      {
        file: consensus('election'),
        find: 'const held = granted.holder(this.#context.now.monotonicMs);',
        replace: 'const held = granted.holder(this.#context.now.wallMs as never);',
      },
      {
        file: consensus('election'),
        find: '? 0 : granted.untilMs;',
        replace: '? 0 : granted.untilMs - this.#context.now.wallMs + this.#context.now.monotonicMs;',
      },
    ],
    killedBy: [lease],
  },
  {
    id: 'P43-cell-time-is-the-wall-clock',
    pitfalls: ['P43', 'P54'],
    title: 'a new master goes on with cell time from its wall clock',
    wrong: 'The clock is ahead by a year, and every session has ended.',
    edits: [
      {
        file: consensus('proposer'),
        find: 'this.#cellClock.continue(cellTimeMs, now.monotonicMs);',
        replace:
          'this.#cellClock.continue(Math.max(cellTimeMs, Math.floor(now.wallMs)) as CellTimeMs, now.monotonicMs);',
      },
    ],
    killedBy: [lease],
    blind: { explorer: 'it has no sessions, and nothing else looks at cell time' },
  },
  {
    id: 'hand-over-keeps-the-lease',
    pitfalls: [],
    title: 'a master that has released its mastership goes on serving until its lease ends',
    wrong: 'The successor serves at the same time.',
    edits: [
      {
        file: consensus('coordinator'),
        find: "this.#move('released');\n    outbox.send(handOver.to",
        replace: "this.#handOver = null;\n    this.#move('hand-over-failed');\n    outbox.send(handOver.to",
      },
    ],
    killedBy: [stability],
  },
  {
    id: 'replaced-is-not-told',
    pitfalls: [],
    title: 'who waits for a value that lost its instance is never answered',
    wrong: 'A request hangs.',
    edits: [
      {
        file: consensus('proposals'),
        find: 'else replaced.push(...waiting.requests);',
        replace: 'else replaced.push(...waiting.requests.slice(0, 0));',
      },
    ],
    killedBy: [phaseOne],
  },
];
