/**
 * How a member takes part, as the chosen configurations say.
 *
 * Source: PML §6.1 (two states, in and out, switching often), §5.1 (rebuilding without a vote); design §3. The states
 * that need evidence from disk or peers (checking, rebuilding, quarantined, frozen) are entered by the runtime before
 * this replica answers anybody.
 */
import { unreachable } from '../invariant.ts';

export type ParticipationState = 'waiting' | 'learner' | 'voting' | 'removed' | 'halted';

export type ParticipationEvent = 'admitted-as-learner' | 'admitted-as-voter' | 'left' | 'cannot-go-on';

export function nextParticipationState(
  state: ParticipationState,
  event: ParticipationEvent,
): ParticipationState | null {
  switch (state) {
    case 'waiting':
    case 'learner':
    case 'voting':
      switch (event) {
        case 'admitted-as-learner':
          return 'learner';
        case 'admitted-as-voter':
          return 'voting';
        case 'left':
          return state === 'waiting' ? null : 'removed';
        case 'cannot-go-on':
          return 'halted';
        default:
          return unreachable(event);
      }
    case 'removed':
    case 'halted':
      return null;
    default:
      return unreachable(state);
  }
}
