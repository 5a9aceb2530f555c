/**
 * States of the coordinator machine, and the only moves between them: how one replica becomes master, stays it, and
 * hands it over.
 *
 * Written by `npm run machines` from `coordinator.machine`: change that one. Source: PML §6.1; the section of each move
 * stands beside it.
 */

export type CoordinatorState =
  /** Listens to a master, or waits for its turn to become one. */
  | 'following'
  /** Pre-vote, asks whether it could win, raising nobody's promise. */
  | 'asking'
  /** Phase 1 is out. */
  | 'preparing'
  /** Proposes again what phase 1 reported, and no-ops for gaps. */
  | 'recovering'
  /** Its mastership value is proposed, the new epoch is not yet applied. */
  | 'opening'
  /** Master, serves while the lease holds. */
  | 'serving'
  /** Master, in a full round at a higher ballot under an unbroken lease. */
  | 'boosting'
  /** Master, proposes nothing more, lets what is in flight be chosen and the successor apply it. */
  | 'handing-over';

export type CoordinatorEvent =
  /** The lease that it granted is over, and so are its own rest and a draw. */
  | 'election-due'
  /** The outgoing master named it as successor. */
  | 'release-received'
  /** A majority of every configuration concerned would promise. */
  | 'pre-vote-won'
  /** A majority of every configuration concerned has promised. */
  | 'prepared'
  /** All that phase 1 reported is proposed again. */
  | 'recovered'
  /** Its mastership value is applied, and the lease holds. */
  | 'opened'
  /** The interval is over, or somebody promised a higher ballot. */
  | 'boost-due'
  /** A majority has promised the higher ballot. */
  | 'boosted'
  /** An operator, or a clean stop, wants another master, and one can take over. */
  | 'hand-over'
  /** The successor has not applied everything in time. */
  | 'hand-over-failed'
  /** The successor has applied everything. */
  | 'released'
  /** By its own, shorter measure the lease is over. */
  | 'lease-lapsed'
  /** A higher ballot is promised or chosen, or it is no voter any more. */
  | 'outvoted'
  /** No majority in time, a majority refused, or a master was heard. */
  | 'gave-up';

export interface CoordinatorTransition {
  /** The same as long as the names in it are. */
  readonly id: string;
  readonly machine: 'coordinator';
  readonly from: CoordinatorState;
  readonly event: CoordinatorEvent;
  readonly to: CoordinatorState;
  /** Where the papers or the design ask for it. */
  readonly section: string;
}

/** Every move, in the order of the specification. */
export const coordinatorTransitions = [
  {
    id: 'coordinator.following.election-due.asking',
    machine: 'coordinator',
    from: 'following',
    event: 'election-due',
    to: 'asking',
    section: 'PML §4.1; design §3 (pre-vote)',
  },
  {
    id: 'coordinator.following.release-received.preparing',
    machine: 'coordinator',
    from: 'following',
    event: 'release-received',
    to: 'preparing',
    section: 'design §3 (handing over)',
  },
  {
    id: 'coordinator.asking.release-received.preparing',
    machine: 'coordinator',
    from: 'asking',
    event: 'release-received',
    to: 'preparing',
    section: 'design §3 (handing over)',
  },
  {
    id: 'coordinator.asking.pre-vote-won.preparing',
    machine: 'coordinator',
    from: 'asking',
    event: 'pre-vote-won',
    to: 'preparing',
    section: 'PML §4.1; PMS §2.2 phase 1a',
  },
  {
    id: 'coordinator.preparing.prepared.recovering',
    machine: 'coordinator',
    from: 'preparing',
    event: 'prepared',
    to: 'recovering',
    section: 'PML §4.1; PMS §2.2 phase 2a',
  },
  {
    id: 'coordinator.recovering.recovered.opening',
    machine: 'coordinator',
    from: 'recovering',
    event: 'recovered',
    to: 'opening',
    section: 'PML §5.3; design §3 (a new coordinator)',
  },
  {
    id: 'coordinator.opening.opened.serving',
    machine: 'coordinator',
    from: 'opening',
    event: 'opened',
    to: 'serving',
    section: 'PML §5.3; P36',
  },
  {
    id: 'coordinator.serving.boost-due.boosting',
    machine: 'coordinator',
    from: 'serving',
    event: 'boost-due',
    to: 'boosting',
    section: 'PML §5.2',
  },
  {
    id: 'coordinator.boosting.boosted.serving',
    machine: 'coordinator',
    from: 'boosting',
    event: 'boosted',
    to: 'serving',
    section: 'PML §5.2',
  },
  {
    id: 'coordinator.serving.hand-over.handing-over',
    machine: 'coordinator',
    from: 'serving',
    event: 'hand-over',
    to: 'handing-over',
    section: 'design §3 (handing over)',
  },
  {
    id: 'coordinator.handing-over.hand-over-failed.serving',
    machine: 'coordinator',
    from: 'handing-over',
    event: 'hand-over-failed',
    to: 'serving',
    section: 'design §3 (handing over)',
  },
  {
    id: 'coordinator.handing-over.released.following',
    machine: 'coordinator',
    from: 'handing-over',
    event: 'released',
    to: 'following',
    section: 'design §3 (handing over)',
  },
  {
    id: 'coordinator.asking.gave-up.following',
    machine: 'coordinator',
    from: 'asking',
    event: 'gave-up',
    to: 'following',
    section: 'PML §4.1',
  },
  {
    id: 'coordinator.preparing.gave-up.following',
    machine: 'coordinator',
    from: 'preparing',
    event: 'gave-up',
    to: 'following',
    section: 'PML §4.1',
  },
  {
    id: 'coordinator.recovering.gave-up.following',
    machine: 'coordinator',
    from: 'recovering',
    event: 'gave-up',
    to: 'following',
    section: 'PML §4.1',
  },
  {
    id: 'coordinator.opening.gave-up.following',
    machine: 'coordinator',
    from: 'opening',
    event: 'gave-up',
    to: 'following',
    section: 'PML §4.1',
  },
  {
    id: 'coordinator.serving.lease-lapsed.following',
    machine: 'coordinator',
    from: 'serving',
    event: 'lease-lapsed',
    to: 'following',
    section: 'PML §5.2-5.3',
  },
  {
    id: 'coordinator.boosting.lease-lapsed.following',
    machine: 'coordinator',
    from: 'boosting',
    event: 'lease-lapsed',
    to: 'following',
    section: 'PML §5.2-5.3',
  },
  {
    id: 'coordinator.handing-over.lease-lapsed.following',
    machine: 'coordinator',
    from: 'handing-over',
    event: 'lease-lapsed',
    to: 'following',
    section: 'PML §5.2-5.3',
  },
  {
    id: 'coordinator.asking.outvoted.following',
    machine: 'coordinator',
    from: 'asking',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.preparing.outvoted.following',
    machine: 'coordinator',
    from: 'preparing',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.recovering.outvoted.following',
    machine: 'coordinator',
    from: 'recovering',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.opening.outvoted.following',
    machine: 'coordinator',
    from: 'opening',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.serving.outvoted.following',
    machine: 'coordinator',
    from: 'serving',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.boosting.outvoted.following',
    machine: 'coordinator',
    from: 'boosting',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
  {
    id: 'coordinator.handing-over.outvoted.following',
    machine: 'coordinator',
    from: 'handing-over',
    event: 'outvoted',
    to: 'following',
    section: 'PML §4.1; PMS §2.2 phase 1b',
  },
] as const satisfies readonly CoordinatorTransition[];

/** A move, nothing, or: it cannot happen there, and whoever fed it is wrong. */
export type CoordinatorAnswer = CoordinatorTransition | 'ignored' | 'impossible';

/** What `event` does in `state`. */
export function coordinatorMove(state: CoordinatorState, event: CoordinatorEvent): CoordinatorAnswer {
  switch (state) {
    case 'following':
      return whenFollowing(event);
    case 'asking':
      return whenAsking(event);
    case 'preparing':
      return whenPreparing(event);
    case 'recovering':
      return whenRecovering(event);
    case 'opening':
      return whenOpening(event);
    case 'serving':
      return whenServing(event);
    case 'boosting':
      return whenBoosting(event);
    case 'handing-over':
      return whenHandingOver(event);
  }
}

function whenFollowing(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
      return coordinatorTransitions[0];
    case 'release-received':
      return coordinatorTransitions[1];
    case 'pre-vote-won':
    case 'prepared':
    case 'recovered':
    case 'opened':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'lease-lapsed':
    case 'outvoted':
      return 'impossible';
    case 'gave-up':
      return 'ignored';
  }
}

function whenAsking(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'prepared':
    case 'recovered':
    case 'opened':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'lease-lapsed':
      return 'impossible';
    case 'release-received':
      return coordinatorTransitions[2];
    case 'pre-vote-won':
      return coordinatorTransitions[3];
    case 'outvoted':
      return coordinatorTransitions[19];
    case 'gave-up':
      return coordinatorTransitions[12];
  }
}

function whenPreparing(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'recovered':
    case 'opened':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'lease-lapsed':
      return 'impossible';
    case 'prepared':
      return coordinatorTransitions[4];
    case 'outvoted':
      return coordinatorTransitions[20];
    case 'gave-up':
      return coordinatorTransitions[13];
  }
}

function whenRecovering(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'prepared':
    case 'opened':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'lease-lapsed':
      return 'impossible';
    case 'recovered':
      return coordinatorTransitions[5];
    case 'outvoted':
      return coordinatorTransitions[21];
    case 'gave-up':
      return coordinatorTransitions[14];
  }
}

function whenOpening(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'prepared':
    case 'recovered':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'lease-lapsed':
      return 'impossible';
    case 'opened':
      return coordinatorTransitions[6];
    case 'outvoted':
      return coordinatorTransitions[22];
    case 'gave-up':
      return coordinatorTransitions[15];
  }
}

function whenServing(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'prepared':
    case 'recovered':
    case 'opened':
    case 'boosted':
    case 'hand-over-failed':
    case 'released':
    case 'gave-up':
      return 'impossible';
    case 'boost-due':
      return coordinatorTransitions[7];
    case 'hand-over':
      return coordinatorTransitions[9];
    case 'lease-lapsed':
      return coordinatorTransitions[16];
    case 'outvoted':
      return coordinatorTransitions[23];
  }
}

function whenBoosting(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'prepared':
    case 'recovered':
    case 'opened':
    case 'boost-due':
    case 'hand-over':
    case 'hand-over-failed':
    case 'released':
    case 'gave-up':
      return 'impossible';
    case 'boosted':
      return coordinatorTransitions[8];
    case 'lease-lapsed':
      return coordinatorTransitions[17];
    case 'outvoted':
      return coordinatorTransitions[24];
  }
}

function whenHandingOver(event: CoordinatorEvent): CoordinatorAnswer {
  switch (event) {
    case 'election-due':
    case 'release-received':
    case 'pre-vote-won':
    case 'prepared':
    case 'recovered':
    case 'opened':
    case 'boost-due':
    case 'boosted':
    case 'hand-over':
    case 'gave-up':
      return 'impossible';
    case 'hand-over-failed':
      return coordinatorTransitions[10];
    case 'released':
      return coordinatorTransitions[11];
    case 'lease-lapsed':
      return coordinatorTransitions[18];
    case 'outvoted':
      return coordinatorTransitions[25];
  }
}

export const isCandidate = (state: CoordinatorState): boolean =>
  state === 'asking' || state === 'preparing' || state === 'recovering' || state === 'opening';

export const isMaster = (state: CoordinatorState): boolean =>
  state === 'serving' || state === 'boosting' || state === 'handing-over';

export const isProposing = (state: CoordinatorState): boolean =>
  state === 'recovering' ||
  state === 'opening' ||
  state === 'serving' ||
  state === 'boosting' ||
  state === 'handing-over';
