/** What a member is made with, what its surroundings hear of it, and what it is made of once it takes part. */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { Limits } from '../core/consensus/limits.ts';
import type { MemberRemovedError } from '../errors/index.ts';
import type { LevelRange } from '../formats/levels.ts';
import type { Manifest } from '../formats/manifest.ts';
import type { HostedNetwork } from '../ports/world.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import type { LogApplication } from './application.ts';
import type { Fencing } from './fencing.ts';
import type { ListedMember } from './formation.ts';
import type { LogReplica } from './log-replica.ts';
import type { LogReplicaOptions } from './log-replica-options.ts';
import type { LogStorage } from './log-storage.ts';
import type { MembershipService } from './membership/membership-service.ts';
import type { PeerQuestions } from './membership/peer-questions.ts';
import type { OpenUpgrade } from './open-upgrade.ts';
import type { GenerationView } from './recovery.ts';
import type { WitnessKeeper } from './witness-keeper.ts';

export interface MemberOptions {
  readonly name: string;
  readonly dataDir: string;
  /** Listed members, this one included. Obeyed once, when the cell is formed. */
  readonly cell: readonly ListedMember[];
  readonly cellName: string;
  readonly expectCell: string | null;
  /** Proves membership beyond loopback; null on loopback. */
  readonly secret: Uint8Array | null;
  readonly quarantineLeftovers: boolean;
  /** Where members of the cell are that is to admit this replica; `cell` is empty then. */
  readonly join?: readonly string[];
  /** The boot of the directory that an operator has moved here. */
  readonly moved?: string;
  /** Where a witness is kept, on other storage than the data directory. */
  readonly witness?: string;
  /** A lost, older or damaged disk is rebuilt from the others, as a new incarnation. Changes nothing for a sound one. */
  readonly rebuild?: boolean;
  readonly version: string;
  /** That this program speaks; those of this build where absent. */
  readonly levels?: LevelRange;
  readonly snapshotLogBytes?: number;
  readonly segmentBytes?: number;
  readonly limits?: Partial<Limits>;
}

/** What the log tells, unchanged. */
const logHooks = [
  'onMastership',
  'onEpoch',
  'onDelivered',
  'onCompared',
  'onSetAside',
  'onCheckWanted',
  'onStep',
] as const;

type LogHooks<Result> = Pick<LogReplicaOptions<Result>, (typeof logHooks)[number]>;

/** Those that are there. */
export const forwarded = <Result>(hooks: LogHooks<Result>): LogHooks<Result> =>
  Object.fromEntries(logHooks.flatMap((name) => (hooks[name] === undefined ? [] : [[name, hooks[name]]])));

export interface MemberHooks<Result, Application extends LogApplication<Result>> extends LogHooks<Result> {
  /** The simulator sees what the log asks of its disk. */
  storageFor?(storage: ReplicaStorage, log: LogStorage): LogStorage;
  /** The state before the first instance; a snapshot, where there is one, is restored into it. */
  makeApplication(manifest: Manifest): Application;
  /** Another one, to be thrown away after a rehearsal; where absent, a new version starts without (design §6). */
  makeRehearsal?(manifest: Manifest): Application;
  /** The log stopped for good. */
  onFatal(error: unknown): void;
  /** The cell has this member no more; its manifest says so by now. Its process ends, not before others could look at it. */
  onRemoved(error: MemberRemovedError): void;
  /** What the others may know of the generations here; null before it takes part. */
  generationView?(): GenerationView | null;
  /** The upgrade that is open, or is being opened. */
  openUpgrade?(): OpenUpgrade | null;
  /** What another member asks of this one about the backup that is due; null for what is no such question. */
  backup?(question: unknown): object | null;
}

export interface JoinedMember<Result, Application> {
  readonly manifest: Manifest;
  readonly storage: ReplicaStorage;
  readonly network: HostedNetwork;
  readonly log: LogReplica<Result>;
  readonly application: Application;
  /** Members that refuse this replica's connection, and why they say so. */
  readonly refusals: ReadonlyMap<ReplicaId, string>;
  readonly membership: MembershipService;
  readonly questions: PeerQuestions;
  readonly fencing: Fencing;
  readonly witness: WitnessKeeper | null;
}
