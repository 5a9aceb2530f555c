/**
 * The coordinator's states, and the only moves between them.
 *
 * Source: PML §6.1 (explicit state machines), §4.1, §5.2-5.3; design §3. A plain table in the form of a `switch`: given
 * state and event it says the next state, or null when the event means nothing there. What is done on a move stands in
 * `coordinator.ts`.
 *
 * ```
 * following --election-due--> asking --pre-vote-won--> preparing --prepared--> recovering --recovered--> opening
 *     ^  \--release-received--------------------------/                                                     |
 *     |                                                                                            opened   v
 *     +--(outvoted, gave-up, lease-lapsed, released: from every state)--- handing-over <--hand-over-- serving <-> boosting
 * ```
 */
import { unreachable } from '../invariant.ts';

export type CoordinatorState =
  /** Listens to a master, or waits for its turn to become one. */
  | 'following'
  /** Pre-vote: asks whether it could win, raising nobody's promise. */
  | 'asking'
  /** Phase 1 is out. */
  | 'preparing'
  /** Proposes again what phase 1 reported, and no-ops for gaps. */
  | 'recovering'
  /** Its mastership value is proposed: the new epoch is not yet applied. */
  | 'opening'
  /** Master: serves while the lease holds. */
  | 'serving'
  /** Master, in a full round at a higher ballot under an unbroken lease (PML §5.2). */
  | 'boosting'
  /** Master, proposing nothing more: lets what is in flight be chosen and the successor apply it. */
  | 'handing-over';

export type CoordinatorEvent =
  | 'election-due'
  | 'release-received'
  | 'pre-vote-won'
  | 'prepared'
  | 'recovered'
  | 'opened'
  | 'boost-due'
  | 'boosted'
  | 'hand-over'
  | 'hand-over-failed'
  | 'released'
  | 'lease-lapsed'
  | 'outvoted'
  | 'gave-up';

/** The state after `event`, or null when it changes nothing in `state`. */
export function nextCoordinatorState(state: CoordinatorState, event: CoordinatorEvent): CoordinatorState | null {
  switch (state) {
    case 'following':
      switch (event) {
        case 'election-due':
          return 'asking';
        case 'release-received':
          return 'preparing';
        default:
          return null;
      }
    case 'asking':
      switch (event) {
        case 'pre-vote-won':
        case 'release-received':
          return 'preparing';
        case 'outvoted':
        case 'gave-up':
          return 'following';
        default:
          return null;
      }
    case 'preparing':
      switch (event) {
        case 'prepared':
          return 'recovering';
        case 'outvoted':
        case 'gave-up':
          return 'following';
        default:
          return null;
      }
    case 'recovering':
      switch (event) {
        case 'recovered':
          return 'opening';
        case 'outvoted':
        case 'gave-up':
          return 'following';
        default:
          return null;
      }
    case 'opening':
      switch (event) {
        case 'opened':
          return 'serving';
        case 'outvoted':
        case 'gave-up':
          return 'following';
        default:
          return null;
      }
    case 'serving':
      switch (event) {
        case 'boost-due':
          return 'boosting';
        case 'hand-over':
          return 'handing-over';
        case 'lease-lapsed':
        case 'outvoted':
          return 'following';
        default:
          return null;
      }
    case 'boosting':
      switch (event) {
        case 'boosted':
          return 'serving';
        case 'lease-lapsed':
        case 'outvoted':
          return 'following';
        default:
          return null;
      }
    case 'handing-over':
      switch (event) {
        case 'hand-over-failed':
          return 'serving';
        case 'released':
        case 'lease-lapsed':
        case 'outvoted':
          return 'following';
        default:
          return null;
      }
    default:
      return unreachable(state);
  }
}

/** Does this replica believe that it is master (whether or not its lease still holds)? */
export const isMasterState = (state: CoordinatorState): boolean =>
  state === 'serving' || state === 'boosting' || state === 'handing-over';

/** Does it propose in its ballot? */
export const isProposing = (state: CoordinatorState): boolean =>
  state === 'recovering' || state === 'opening' || isMasterState(state);
