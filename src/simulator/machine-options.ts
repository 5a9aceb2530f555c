/** What a machine of a simulated cell is made with. */
import type { Configuration } from '../core/consensus/configuration.ts';
import type { EntryStoreMaker } from '../core/database/record.ts';
import type { Random } from '../core/random.ts';
import type { Machine } from './machine.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Observer } from './observer.ts';
import type { Profile } from './profile.ts';
import type { Program } from './program.ts';
import type { Scheduler } from './virtual-clock.ts';

export interface MachineOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: SimulatedNetwork;
  readonly profile: Profile;
  readonly formation: Configuration;
  /** Of the cell; 1 where absent. */
  readonly formedLevel?: number;
  readonly observer: Observer;
  /** What the replica logs. */
  readonly note: (who: string, what: string, ...parts: readonly (string | number)[]) => void;
  /** Where a replica keeps the entries in memory; of the core's own making where absent. */
  readonly makeEntryStore?: (member: string) => ReturnType<EntryStoreMaker>;
  /** Other machines, by name. */
  readonly peers: (name: string) => Machine | undefined;
  /** The process ended by itself, which nothing but a fault of its disk excuses. */
  readonly onFatal: (machine: Machine, error: Error) => void;
  /** A process goes on from what it has found on its disk. */
  readonly onRecovered: (machine: Machine) => void;
  /** That it runs at first. */
  readonly program?: Program;
  /** No member of the formation: it has a disk, and waits for an operator. */
  readonly spare?: boolean;
  /** The directory of this machine says who it is, from now on. */
  readonly onEntered?: (machine: Machine, before: number) => void;
}
