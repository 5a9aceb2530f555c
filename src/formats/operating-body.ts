/**
 * The part of `GET /v1/status` that says how well a replica is placed: its machine, its connections, its settings. Read by
 * `status`, `doctor` and the metrics, never by the protocol.
 *
 * Everything here may be absent: a replica that waits for its cell knows little, and an older version says less.
 */
import type { BackupsDocument } from './backup-body.ts';

/** One peer, as this replica is connected to it in each direction. */
export interface LinkDocument {
  readonly name: string;
  readonly incarnation: number;
  /** Where this replica dials it. */
  readonly url: string;
  /** Our connection to it is open: what we say arrives. */
  readonly reached: boolean;
  /** Its connection to us is open: what it says arrives. */
  readonly reaches: boolean;
  /** How long one of the two has been missing; 0 while both are open. */
  readonly brokenMs: number;
  /** True once either direction was open since this replica started. */
  readonly met: boolean;
  /** Why it is not reached, in the words of the last attempt; null while it is. */
  readonly trouble: string | null;
}

/** The machine and the process. Null where the system does not tell. */
export interface MachineDocument {
  readonly hostname: string;
  /** The same for all processes on one running kernel, containers included. */
  readonly kernelId: string | null;
  readonly pid: number;
  readonly residentBytes: number;
  /** The lowest of the limits that apply: container, machine. */
  readonly memoryBytesMax: number | null;
  readonly descriptors: number | null;
  readonly descriptorsMax: number | null;
  /** Of the file system that holds the data directory. */
  readonly diskFreeBytes: number | null;
  readonly diskBytes: number | null;
}

/** Mastership is kept away from this member for a while. */
export interface DrainDocument {
  readonly member: string;
  /** RFC 3339, by the clock of the replica that says so. */
  readonly until: string;
  readonly remainingMs: number;
}

export interface NewestSnapshotDocument {
  readonly instance: number;
  readonly bytes: number;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly verified: boolean;
}

/** Another process under the identity of a member that is connected: it is turned away, and keeps coming. */
export interface SecondProcessDocument {
  readonly name: string;
  readonly incarnation: number;
  /** Its boot id, and that of the process that is heard as this member. */
  readonly boot: string;
  readonly connectedBoot: string;
  /** Where it dialled from; null when this replica dialled it. */
  readonly address: string | null;
  readonly forMs: number;
}

/** The newest full check of what is stored, at an instance at which every replica makes one. */
export interface LastCheckDocument {
  readonly instance: number;
  /** RFC 3339, by this replica's clock. */
  readonly at: string;
  readonly log: string;
  readonly database: string;
}

/** The upgrade that is open, as this replica knows the journal. */
export interface OpenUpgradeDocument {
  readonly attempt: string;
  readonly state: string;
  readonly from: string;
  readonly to: string;
  /** RFC 3339, by the driver's clock. */
  readonly changedAt: string;
}

export interface OperatingDocument {
  /** Null while none is open. */
  readonly upgrade?: OpenUpgradeDocument | null;
  /** What the cell knows of its backups, and this replica of their directory. */
  readonly backups?: BackupsDocument;
  /** This replica's wall clock when it answered, RFC 3339. */
  readonly at?: string;
  /** Length of the master lease in this cell. */
  readonly leaseMs?: number;
  readonly links?: readonly LinkDocument[];
  /** Empty where every member is one process, as far as this replica was dialled. */
  readonly secondProcesses?: readonly SecondProcessDocument[];
  readonly machine?: MachineDocument;
  /** Null before the first one. */
  readonly newestSnapshot?: NewestSnapshotDocument | null;
  /** Log that a restart would have to read although no snapshot holds it. */
  readonly logBytesSinceSnapshot?: number;
  /** The log is so long when the next snapshot is due. */
  readonly snapshotLogBytes?: number;
  /** A chosen membership that does not govern yet. */
  readonly pendingMembership?: { readonly from: number; readonly members: readonly string[] } | null;
  /** Of the whole cell, as far as this replica has applied it. */
  readonly drains?: readonly DrainDocument[];
  /** Null before the first one of this process. */
  readonly lastCheck?: LastCheckDocument | null;
  /** Files in the data directory that do not belong, and folders of things that were set aside. */
  readonly leftovers?: readonly string[];
  /** How `--cell` of this process differs from the recorded membership. */
  readonly hintsDiffer?: readonly string[];
}
