/** What the members report, at one look: all that an upgrade is judged by. */
import { lagInstancesMax, type Survey } from '../../client/cell-status.ts';
import type { MemberDocument, ReplicaStatusDocument } from '../../formats/http-body.ts';

import type { Finding } from './preflight.ts';

export interface SeenMember {
  readonly member: MemberDocument;
  /** Null when nothing answers at its address. */
  readonly status: ReplicaStatusDocument | null;
  /** Why there is no answer. */
  readonly why: string | null;
}

export interface Seen {
  readonly members: readonly SeenMember[];
  readonly master: string | null;
  readonly epoch: number;
  /** The furthest that anybody has applied. */
  readonly applied: number;
  readonly cell: { readonly id: string | null; readonly name: string; readonly generation: number };
  /** What `doctor` finds failed at this look. */
  readonly doctor?: readonly Finding[];
}

const nowhere = { id: null, name: '', generation: 0 } as const;

export function seenIn({ answers }: Survey): Seen {
  const statuses = answers.flatMap(({ status }) => (status === null ? [] : [status]));
  const masters = statuses.filter(({ role, lease }) => role === 'master' && lease.held);
  const master = masters.sort((a, b) => b.epoch - a.epoch)[0] ?? null;
  const furthest = [...statuses].sort((a, b) => b.instances.applied - a.instances.applied)[0] ?? null;
  const best = master ?? furthest;
  const at = (url: string) => answers.find((it) => it.url === url || it.url === url.replace(/\/$/, ''));
  return {
    members: (best?.members ?? []).map((member) => {
      const answer = at(member.url);
      return { member, status: answer?.status ?? null, why: answer?.why ?? null };
    }),
    master: master?.name ?? null,
    epoch: best?.epoch ?? 0,
    applied: furthest?.instances.applied ?? 0,
    cell: best?.cell ?? nowhere,
  };
}

export const seenMember = (seen: Seen, name: string): SeenMember | null =>
  seen.members.find(({ member }) => member.name === name) ?? null;

/** The highest level that every member speaks; null while one does not say. */
export function spokenByAll({ members }: Seen): number | null {
  const levels = members.flatMap(({ status }) => status?.levels?.max ?? []);
  return levels.length === 0 || levels.length < members.length ? null : Math.min(...levels);
}

const servingRoles: ReadonlySet<string> = new Set(['master', 'replica', 'candidate']);

/** Why a voter cannot be counted on just now; null when it can. `name`: who should answer there. */
export function unwell({ member, status, why }: SeenMember, seen: Seen): string | null {
  if (status === null) return `does not answer at ${member.url}${why === null ? '' : ` (${why})`}`;
  if (status.name !== member.name) return `is not at ${member.url}: ${status.name} answers there`;
  if (status.cell.id !== seen.cell.id) return `belongs to cell ${status.cell.id ?? 'none'}`;
  if (status.incarnation !== member.incarnation) {
    return `runs as incarnation ${status.incarnation}, the cell counts on ${member.incarnation}`;
  }
  if (member.voting) {
    if (!servingRoles.has(status.role)) return `is ${status.role}`;
    if (!status.voting) return 'does not vote';
  }
  if (status.readOnly) return 'is read-only: its disk is nearly full';
  const lag = seen.applied - status.instances.applied;
  return lag > lagInstancesMax ? `is ${lag} instances behind` : null;
}
