/** Progress and last words of `kv import --from-etcd`. */
import { type Progress, startProgress } from './progress.ts';
import { bytes, duration, grouped } from './units.ts';

interface At {
  readonly phase: 'looking' | 'copying' | 'comparing';
  readonly entries: number;
  readonly total: number;
  readonly bytes: number;
  readonly tookMs: number;
}

const verbs = { looking: 'Looking at the keys', copying: 'Copying', comparing: 'Comparing' } as const;

export function etcdProgress(): Omit<Progress, 'update'> & { update(at: At): void } {
  const { update, succeed, stop } = startProgress('Asking etcd');
  return { update: (at) => update(etcdProgressText(at)), succeed, stop };
}

export function etcdProgressText({ phase, entries, total, tookMs }: At): string {
  const share = total > 0 ? ` (${Math.floor((entries / total) * 100)} %)` : '';
  const rate = grouped(Math.round(entries / Math.max(0.001, tookMs / 1000)));
  return `${verbs[phase]}: ${grouped(entries)} of ${grouped(total)}${share}, ${rate} a second`;
}

const entriesText = (count: number): string => `${grouped(count)} ${count === 1 ? 'entry' : 'entries'}`;

const leasedText = (leased: number): string =>
  leased === 0 ? '' : `; ${entriesText(leased)} had a lease in etcd and will not go away here`;

export function etcdImportedText(it: {
  readonly etcd: { readonly clusterId: string; readonly revision: number };
  readonly entries: number;
  readonly bytes: number;
  readonly resumedFrom: number;
  readonly leased: number;
  readonly verified: { readonly others: number };
  readonly tookMs: number;
}): string {
  const resumed = it.resumedFrom > 0 ? ` (${grouped(it.resumedFrom)} of them before it was interrupted)` : '';
  const others = it.verified.others === 0 ? '' : `; the cell has ${entriesText(it.verified.others)} beside them`;
  const what = `${entriesText(it.entries)} of etcd at revision ${grouped(it.etcd.revision)}`;
  return `${what} ${it.entries === 1 ? 'is' : 'are'} in the cell${resumed}, compared key by key: ${bytes(it.bytes)} in ${duration(it.tookMs)}${leasedText(it.leased)}${others}`;
}

export function etcdDryRunText(it: {
  readonly etcd: { readonly revision: number };
  readonly entries: number;
  readonly leased: number;
  readonly wouldChange: boolean;
}): string {
  const what = `${entriesText(it.entries)} of etcd at revision ${grouped(it.etcd.revision)}`;
  return `${what} could be written; would change: ${it.wouldChange ? 'yes' : 'no'}${leasedText(it.leased)}`;
}
