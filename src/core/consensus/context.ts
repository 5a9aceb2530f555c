/** What the parts of one replica share. Only `replica.ts` makes one. */

import type { Random } from '../random.ts';
import type { DigestOfValue } from './bad-item.ts';
import type { Ballot } from './ballot.ts';
import type { ChosenLog } from './chosen-log.ts';
import type { Configuration } from './configuration.ts';
import type { ConfigurationHistory } from './configuration-history.ts';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from './identity.ts';
import type { Clocks } from './input.ts';
import type { Limits } from './limits.ts';
import type { Outbox } from './outbox.ts';

export interface ReplicaContext {
  readonly self: ReplicaId;
  readonly limits: Limits;
  readonly random: Random;
  readonly log: ChosenLog;
  readonly outbox: Outbox;
  configurations: ConfigurationHistory;
  /** Promises, accepts and campaigns for nobody, itself included; learns on. */
  silent: boolean;
  /** The clocks of the present input. */
  now: Clocks;
  /** Executed on the application. `appliedUpTo <= log.chosenUpTo`. */
  appliedUpTo: Instance;
  /** Raised by each applied mastership value. */
  epoch: Epoch;
  cellTimeMs: CellTimeMs;
  /** Of values, for telling copies of what is bad (design §4). */
  readonly digestOf: DigestOfValue;
  /** False while its database is not the majority's: no promise and no vote is given, and no mastership sought (design §5). */
  mayVote: boolean;
  /** An operator keeps mastership away from this replica: it lets everybody else campaign first. */
  drained: boolean;
  /** The acceptor raised its promise: a coordinator at a lower ballot is out. */
  onPromised(ballot: Ballot): void;
}

/** What governs the first instance that is not known as chosen. */
export const presentConfiguration = ({ configurations, log }: ReplicaContext): Configuration =>
  configurations.at(log.chosenUpTo + 1);

/** The longest a lost message is waited for before it is sent again. */
export const resendMs = (context: ReplicaContext): number => Math.max(20, presentConfiguration(context).leaseMs / 5);
