/**
 * States of the participation machine, and the only moves between them: whether one incarnation of a member votes,
 * learns, or is set aside.
 *
 * Written by `npm run machines` from `participation.machine`: change that one. Source: PML §6.1; the section of each
 * move stands beside it.
 */

export type ParticipationState =
  /** Started; what its configurations say of it comes next. */
  | 'waiting'
  /** Was a member before this start, and compares with enough others before it may vote. */
  | 'checking'
  /** Catches up and stays warm, without a vote. */
  | 'learner'
  /** A learner that replaces an incarnation that voted and whose disk was lost. */
  | 'rebuilding'
  /** Promises and accepts. */
  | 'voting'
  /** Its database differs from the majority's; no votes and no reads, the evidence is kept. */
  | 'quarantined'
  /** A rollback or fork of the cell was seen; only a new generation goes on. */
  | 'frozen'
  /** No configuration names it any more; a next incarnation may be admitted. */
  | 'removed'
  /** Cannot go on safely, and says why. */
  | 'halted';

export type ParticipationEvent =
  /** A configuration in force or to come has it as a learner. */
  | 'admitted-as-learner'
  /** A configuration in force or to come has it as a voter. */
  | 'admitted-as-voter'
  /** No configuration in force or to come has it. */
  | 'left'
  /** Its disk has it as a member, which may have voted before this start. */
  | 'restarted'
  /** With it, a majority of its configuration remembers nothing above its last flush, and the others had their time. */
  | 'compared'
  /** A peer or a witness remembers a flush or boot that its disk does not. */
  | 'rolled-back'
  /** Same log and another database than the majority's. */
  | 'database-differs'
  /** It has the majority's database again. */
  | 'database-rebuilt'
  /** Two values are chosen for one instance, or a mark belongs to no history of this cell. */
  | 'fork-seen'
  /** All members have answered, and what its disk lost is nowhere. */
  | 'cannot-go-on';

export interface ParticipationGuards {
  /** It was admitted in the place of an incarnation that voted. */
  readonly newIncarnation: boolean;
}

export interface ParticipationTransition {
  /** The same as long as the names in it are. */
  readonly id: string;
  readonly machine: 'participation';
  readonly from: ParticipationState;
  readonly event: ParticipationEvent;
  readonly to: ParticipationState;
  /** Where the papers or the design ask for it. */
  readonly section: string;
}

/** Every move, in the order of the specification. */
export const participationTransitions = [
  {
    id: 'participation.waiting.restarted.checking',
    machine: 'participation',
    from: 'waiting',
    event: 'restarted',
    to: 'checking',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.waiting.admitted-as-learner[new-incarnation].rebuilding',
    machine: 'participation',
    from: 'waiting',
    event: 'admitted-as-learner',
    to: 'rebuilding',
    section: 'PML §5.1; design §3',
  },
  {
    id: 'participation.waiting.admitted-as-learner[otherwise].learner',
    machine: 'participation',
    from: 'waiting',
    event: 'admitted-as-learner',
    to: 'learner',
    section: 'PML §5.4 and footnote 8',
  },
  {
    id: 'participation.waiting.admitted-as-voter.voting',
    machine: 'participation',
    from: 'waiting',
    event: 'admitted-as-voter',
    to: 'voting',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.learner.admitted-as-voter.voting',
    machine: 'participation',
    from: 'learner',
    event: 'admitted-as-voter',
    to: 'voting',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.rebuilding.admitted-as-voter.voting',
    machine: 'participation',
    from: 'rebuilding',
    event: 'admitted-as-voter',
    to: 'voting',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.voting.admitted-as-learner.learner',
    machine: 'participation',
    from: 'voting',
    event: 'admitted-as-learner',
    to: 'learner',
    section: 'PML §6.1 (in and out)',
  },
  {
    id: 'participation.checking.compared.waiting',
    machine: 'participation',
    from: 'checking',
    event: 'compared',
    to: 'waiting',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.waiting.rolled-back.halted',
    machine: 'participation',
    from: 'waiting',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.checking.rolled-back.halted',
    machine: 'participation',
    from: 'checking',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.learner.rolled-back.halted',
    machine: 'participation',
    from: 'learner',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.rebuilding.rolled-back.halted',
    machine: 'participation',
    from: 'rebuilding',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.voting.rolled-back.halted',
    machine: 'participation',
    from: 'voting',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.quarantined.rolled-back.halted',
    machine: 'participation',
    from: 'quarantined',
    event: 'rolled-back',
    to: 'halted',
    section: 'design §4 (fence)',
  },
  {
    id: 'participation.learner.database-differs.quarantined',
    machine: 'participation',
    from: 'learner',
    event: 'database-differs',
    to: 'quarantined',
    section: 'PML §6.2; design §5',
  },
  {
    id: 'participation.rebuilding.database-differs.quarantined',
    machine: 'participation',
    from: 'rebuilding',
    event: 'database-differs',
    to: 'quarantined',
    section: 'PML §6.2; design §5',
  },
  {
    id: 'participation.voting.database-differs.quarantined',
    machine: 'participation',
    from: 'voting',
    event: 'database-differs',
    to: 'quarantined',
    section: 'PML §6.2; design §5',
  },
  {
    id: 'participation.quarantined.database-rebuilt.waiting',
    machine: 'participation',
    from: 'quarantined',
    event: 'database-rebuilt',
    to: 'waiting',
    section: 'PML §5.1; design §5',
  },
  {
    id: 'participation.checking.left.removed',
    machine: 'participation',
    from: 'checking',
    event: 'left',
    to: 'removed',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.learner.left.removed',
    machine: 'participation',
    from: 'learner',
    event: 'left',
    to: 'removed',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.rebuilding.left.removed',
    machine: 'participation',
    from: 'rebuilding',
    event: 'left',
    to: 'removed',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.voting.left.removed',
    machine: 'participation',
    from: 'voting',
    event: 'left',
    to: 'removed',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.quarantined.left.removed',
    machine: 'participation',
    from: 'quarantined',
    event: 'left',
    to: 'removed',
    section: 'PML §5.4, §6.1',
  },
  {
    id: 'participation.waiting.fork-seen.frozen',
    machine: 'participation',
    from: 'waiting',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.checking.fork-seen.frozen',
    machine: 'participation',
    from: 'checking',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.learner.fork-seen.frozen',
    machine: 'participation',
    from: 'learner',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.rebuilding.fork-seen.frozen',
    machine: 'participation',
    from: 'rebuilding',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.voting.fork-seen.frozen',
    machine: 'participation',
    from: 'voting',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.quarantined.fork-seen.frozen',
    machine: 'participation',
    from: 'quarantined',
    event: 'fork-seen',
    to: 'frozen',
    section: 'design §4-5',
  },
  {
    id: 'participation.voting.cannot-go-on.halted',
    machine: 'participation',
    from: 'voting',
    event: 'cannot-go-on',
    to: 'halted',
    section: 'PML §5.1; design §4',
  },
] as const satisfies readonly ParticipationTransition[];

/** A move, nothing, or: it cannot happen there, and whoever fed it is wrong. */
export type ParticipationAnswer = ParticipationTransition | 'ignored' | 'impossible';

/** What `event` does in `state`. */
export function participationMove(
  state: ParticipationState,
  event: ParticipationEvent,
  guards: ParticipationGuards,
): ParticipationAnswer {
  switch (state) {
    case 'waiting':
      return whenWaiting(event, guards);
    case 'checking':
      return whenChecking(event);
    case 'learner':
      return whenLearner(event);
    case 'rebuilding':
      return whenRebuilding(event);
    case 'voting':
      return whenVoting(event);
    case 'quarantined':
      return whenQuarantined(event);
    case 'frozen':
      return whenFrozen(event);
    case 'removed':
      return whenRemoved(event);
    case 'halted':
      return whenHalted(event);
  }
}

function whenWaiting(event: ParticipationEvent, guards: ParticipationGuards): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
      if (guards.newIncarnation) return participationTransitions[1];
      return participationTransitions[2];
    case 'admitted-as-voter':
      return participationTransitions[3];
    case 'left':
      return 'ignored';
    case 'restarted':
      return participationTransitions[0];
    case 'compared':
    case 'database-differs':
    case 'database-rebuilt':
    case 'cannot-go-on':
      return 'impossible';
    case 'rolled-back':
      return participationTransitions[8];
    case 'fork-seen':
      return participationTransitions[23];
  }
}

function whenChecking(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
    case 'admitted-as-voter':
      return 'ignored';
    case 'left':
      return participationTransitions[18];
    case 'restarted':
    case 'database-differs':
    case 'database-rebuilt':
    case 'cannot-go-on':
      return 'impossible';
    case 'compared':
      return participationTransitions[7];
    case 'rolled-back':
      return participationTransitions[9];
    case 'fork-seen':
      return participationTransitions[24];
  }
}

function whenLearner(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
      return 'ignored';
    case 'admitted-as-voter':
      return participationTransitions[4];
    case 'left':
      return participationTransitions[19];
    case 'restarted':
    case 'compared':
    case 'database-rebuilt':
    case 'cannot-go-on':
      return 'impossible';
    case 'rolled-back':
      return participationTransitions[10];
    case 'database-differs':
      return participationTransitions[14];
    case 'fork-seen':
      return participationTransitions[25];
  }
}

function whenRebuilding(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
      return 'ignored';
    case 'admitted-as-voter':
      return participationTransitions[5];
    case 'left':
      return participationTransitions[20];
    case 'restarted':
    case 'compared':
    case 'database-rebuilt':
    case 'cannot-go-on':
      return 'impossible';
    case 'rolled-back':
      return participationTransitions[11];
    case 'database-differs':
      return participationTransitions[15];
    case 'fork-seen':
      return participationTransitions[26];
  }
}

function whenVoting(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
      return participationTransitions[6];
    case 'admitted-as-voter':
      return 'ignored';
    case 'left':
      return participationTransitions[21];
    case 'restarted':
    case 'compared':
    case 'database-rebuilt':
      return 'impossible';
    case 'rolled-back':
      return participationTransitions[12];
    case 'database-differs':
      return participationTransitions[16];
    case 'fork-seen':
      return participationTransitions[27];
    case 'cannot-go-on':
      return participationTransitions[29];
  }
}

function whenQuarantined(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
    case 'admitted-as-voter':
      return 'ignored';
    case 'left':
      return participationTransitions[22];
    case 'restarted':
    case 'compared':
    case 'database-differs':
    case 'cannot-go-on':
      return 'impossible';
    case 'rolled-back':
      return participationTransitions[13];
    case 'database-rebuilt':
      return participationTransitions[17];
    case 'fork-seen':
      return participationTransitions[28];
  }
}

function whenFrozen(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
    case 'admitted-as-voter':
    case 'left':
    case 'restarted':
    case 'compared':
    case 'rolled-back':
    case 'database-differs':
    case 'database-rebuilt':
    case 'fork-seen':
    case 'cannot-go-on':
      return 'ignored';
  }
}

function whenRemoved(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
    case 'admitted-as-voter':
    case 'left':
    case 'restarted':
    case 'compared':
    case 'rolled-back':
    case 'database-differs':
    case 'database-rebuilt':
    case 'fork-seen':
    case 'cannot-go-on':
      return 'ignored';
  }
}

function whenHalted(event: ParticipationEvent): ParticipationAnswer {
  switch (event) {
    case 'admitted-as-learner':
    case 'admitted-as-voter':
    case 'left':
    case 'restarted':
    case 'compared':
    case 'rolled-back':
    case 'database-differs':
    case 'database-rebuilt':
    case 'fork-seen':
    case 'cannot-go-on':
      return 'ignored';
  }
}

export const isMember = (state: ParticipationState): boolean =>
  state === 'checking' ||
  state === 'learner' ||
  state === 'rebuilding' ||
  state === 'voting' ||
  state === 'quarantined';

export const isAlive = (state: ParticipationState): boolean =>
  state === 'waiting' ||
  state === 'checking' ||
  state === 'learner' ||
  state === 'rebuilding' ||
  state === 'voting' ||
  state === 'quarantined';
