/**
 * What the status of this replica looks like to Prometheus. The status is read once for all of it.
 *
 * Names end in their unit; what is not known is NaN, which no rule takes for a number.
 */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ReplicaStatus } from './service.ts';

const roles: readonly ReplicaStatus['role'][] = [
  ...(['master', 'replica', 'candidate', 'waiting', 'learner', 'checking'] as const),
  ...(['rebuilding', 'quarantined', 'frozen', 'removed', 'halted'] as const),
];

export interface StatusSource {
  /** The same for all metrics of one scrape. */
  status(): ReplicaStatus;
  /** Epochs that this replica saw begin, by cause. */
  epochCauses(): ReadonlyMap<string, number>;
}

type Read = (status: ReplicaStatus) => number | undefined | null;

const flag = (is: boolean): number => (is ? 1 : 0);
const seconds = (ms: number): number => ms / 1000;
/** Seconds between a time of the replica's own clock and now. */
const age = ({ at }: ReplicaStatus, time: string | undefined): number | undefined =>
  at === undefined || time === undefined ? undefined : Math.max(0, seconds(Date.parse(at) - Date.parse(time)));

/** One number each. */
const numbers: readonly (readonly [name: string, help: string, read: Read])[] = [
  ['voting', '1 while this replica votes.', (it) => flag(it.voting)],
  ['voters', 'Voters of the membership in force.', (it) => it.members.filter(({ voting }) => voting).length],
  [
    'membership_pending',
    '1 while a chosen membership does not govern yet.',
    (it) => flag(it.pendingMembership != null),
  ],
  ['lease_held', '1 while this replica holds the master lease.', (it) => flag(it.lease.held)],
  ['lease_remaining_seconds', 'Time left of it.', (it) => seconds(it.lease.remainingMs)],
  ['lease_seconds', 'Length of the master lease.', (it) => (it.leaseMs === undefined ? null : seconds(it.leaseMs))],
  ['master_known', '1 while this replica knows a master.', (it) => flag(it.master !== null)],
  ['epoch', 'Epoch at the last applied instance.', (it) => it.epoch],
  ['instance_chosen', 'Last instance known as chosen.', (it) => it.instances.chosen],
  ['instance_applied', 'Last instance applied.', (it) => it.instances.applied],
  ['instances_to_apply', 'Chosen and not applied yet.', (it) => it.instances.chosen - it.instances.applied],
  ['instance_first_retained', 'First instance in the log.', (it) => it.instances.firstRetained],
  ['instance_snapshot', 'Instance of the newest snapshot.', (it) => it.instances.snapshot],
  ['snapshot_age_seconds', 'Age of the newest snapshot.', (it) => age(it, it.newestSnapshot?.createdAt)],
  ['snapshot_verified', '0 when the newest snapshot was found bad.', (it) => verified(it)],
  ['log_since_snapshot_bytes', 'Log that no snapshot holds.', (it) => it.logBytesSinceSnapshot],
  ['log_per_snapshot_bytes', 'A snapshot is due at so much log.', (it) => it.snapshotLogBytes],
  ['backup_saved_age_seconds', 'Since the newest backup was saved.', (it) => age(it, it.backups?.saved?.at)],
  [
    'backup_scheduled_age_seconds',
    'Since the last backup by the schedule.',
    (it) => age(it, it.backups?.scheduled?.at),
  ],
  ['backup_every_seconds', 'How often the schedule wants one.', (it) => everySeconds(it)],
  ['backup_rehearsed_age_seconds', 'Since a backup was last rehearsed.', (it) => age(it, it.backups?.rehearsed?.at)],
  ['backup_directory_good', '0 when this replica can write no backup.', (it) => directoryGood(it)],
  ['backup_directory_free_bytes', 'Free where its backups go.', (it) => it.backups?.here?.freeBytes],
  ['checksum_age_seconds', 'Since the last full check of what is stored.', (it) => age(it, it.lastCheck?.at)],
  ['checksum_instance', 'Instance of that check.', (it) => it.lastCheck?.instance],
  ['revision', 'Revision of the database.', (it) => it.revision],
  ['entries', 'Entries in the database.', (it) => it.entries],
  ['peers_connected', 'Peers with a connection in either direction.', (it) => it.peers.length],
  ['voters_unheard', 'At a master: voters that acknowledged nothing for two leases.', (it) => it.unheard?.length],
  [
    'second_processes',
    'Other processes of members that are connected, which this replica turns away.',
    (it) => it.secondProcesses?.length,
  ],
  ['writes_queued', 'Writes that wait to be proposed or answered.', (it) => it.load.queuedWrites],
  ['items_per_instance', 'Writes that share an instance.', (it) => it.load.itemsPerInstance],
  ['flush_seconds_p50', 'Flush of the log, median.', (it) => seconds(it.load.flushMsP50)],
  ['flush_seconds_p99', 'Flush of the log, 99th percentile.', (it) => seconds(it.load.flushMsP99)],
  ['event_loop_lag_seconds_p99', 'Lag of the event loop, 99th percentile.', (it) => seconds(it.load.eventLoopLagMsP99)],
  ['read_only', '1 when the disk is nearly full.', (it) => flag(it.readOnly)],
  ['disk_free_bytes', 'Free on the file system of the data directory.', (it) => it.machine?.diskFreeBytes],
  ['disk_bytes', 'Size of that file system.', (it) => it.machine?.diskBytes],
  ['memory_max_bytes', 'Memory that this process may use.', (it) => it.machine?.memoryBytesMax],
  ['frozen', '1 while the cell is frozen.', (it) => flag(it.frozen != null)],
  [
    'drained',
    '1 while mastership is kept away from this replica.',
    (it) => flag(it.drains?.some(({ member }) => member === it.name) ?? false),
  ],
  ['leftovers', 'Files in the data directory that do not belong, or were set aside.', (it) => it.leftovers?.length],
  ['warnings', 'Warnings of this replica.', (it) => it.warnings.length],
];

const everySeconds = ({ backups }: ReplicaStatus): number | undefined =>
  backups?.schedule == null ? undefined : seconds(backups.schedule.everyMs);

const directoryGood = ({ backups }: ReplicaStatus): number | undefined =>
  backups?.here == null ? undefined : flag(backups.here.problem === null);

const verified = ({ newestSnapshot }: ReplicaStatus): number | undefined =>
  newestSnapshot == null ? undefined : flag(newestSnapshot.verified);

export function observeStatus(registry: Registry, source: StatusSource): void {
  const registers = [registry];
  for (const [name, help, read] of numbers) {
    new Gauge({
      name: `paxosctl_${name}`,
      help,
      registers,
      collect() {
        this.set(read(source.status()) ?? Number.NaN);
      },
    });
  }
  const labelled = (
    name: string,
    help: string,
    labelNames: readonly string[],
    rows: (status: ReplicaStatus) => readonly (readonly [labels: Record<string, string>, value: number])[],
  ) =>
    new Gauge({
      name: `paxosctl_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [labels, value] of rows(source.status())) this.set(labels, value);
      },
    });
  labelled('info', 'Who this is; always 1.', ['name', 'cell', 'cell_name', 'version', 'level'], (it) => [
    [
      { name: it.name, cell: it.cell.id ?? '', cell_name: it.cell.name, version: it.version, level: String(it.level) },
      1,
    ],
  ]);
  labelled('role', '1 for the present role.', ['role'], (it) =>
    roles.map((role) => [{ role }, flag(it.role === role)]),
  );
  const links = (it: ReplicaStatus) => it.links ?? [];
  labelled('peer_reached', '1 while what this replica sends reaches the peer.', ['peer'], (it) =>
    links(it).map(({ name, reached }) => [{ peer: name }, flag(reached)]),
  );
  labelled('peer_reaches', '1 while what the peer sends reaches this replica.', ['peer'], (it) =>
    links(it).map(({ name, reaches }) => [{ peer: name }, flag(reaches)]),
  );
  labelled(
    'checksum_info',
    'The last full check, to be compared; always 1.',
    ['cell', 'checked', 'digest'],
    ({ lastCheck, cell }) =>
      lastCheck == null
        ? []
        : [[{ cell: cell.id ?? '', checked: String(lastCheck.instance), digest: lastCheck.database }, 1]],
  );
  new Counter({
    name: 'paxosctl_epoch_changes_total',
    help: 'Epochs that this replica saw begin, by what began them.',
    labelNames: ['cause'] as const,
    registers,
    collect() {
      this.reset();
      // There from the start, so that the first one shows as an increase.
      for (const cause of ['election', 'hand-over']) this.inc({ cause }, 0);
      for (const [cause, n] of source.epochCauses()) this.inc({ cause }, n);
    },
  });
}
