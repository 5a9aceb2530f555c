/** The moves of all state machines of a replica, as their specifications (`*.machine`) have them. */
import { type CoordinatorTransition, coordinatorTransitions } from './coordinator-machine.ts';
import { type ParticipationTransition, participationTransitions } from './participation-machine.ts';

export type Transition = CoordinatorTransition | ParticipationTransition;

/** Each once, in the order of the specifications; ids are unique. */
export const allTransitions: readonly Transition[] = [...coordinatorTransitions, ...participationTransitions];
