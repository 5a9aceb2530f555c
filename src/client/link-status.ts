/**
 * Who reaches whom: a replica that is heard but does not hear, or that two others do not reach, looks well to everybody who asks
 * it, and costs the cell its spare failures all the same (PML §6.3: fault tolerance masks faults).
 */
import type { LinkDocument, ReplicaStatusDocument } from '../formats/http-body.ts';

/** Connections come and go when a replica starts; only what lasts is a fault. */
export const linkBrokenMsMin = 3_000;

/** Two members that both run, of which one does not reach the other. */
export interface BrokenLink {
  /** Cannot send to `to`. */
  readonly from: string;
  readonly to: string;
  /** `to` does not reach `from` either. */
  readonly bothWays: boolean;
  readonly brokenMs: number;
  readonly url: string;
  /** In the words of the replica that dials. */
  readonly trouble: string | null;
  /** They were connected at some time since `from` started. */
  readonly met: boolean;
}

/** Only between replicas that answered, and that count each other as members. Sorted by names; both ways only once. */
export function brokenLinks(statuses: readonly ReplicaStatusDocument[]): readonly BrokenLink[] {
  const broken: BrokenLink[] = [];
  const sorted = [...statuses].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const from of sorted) {
    for (const to of sorted) {
      const link = linkBetween(from, to);
      if (link === null || link.reached || link.brokenMs < linkBrokenMsMin) continue;
      const back = linkBetween(to, from);
      const bothWays = back !== null && !back.reached && back.brokenMs >= linkBrokenMsMin;
      if (bothWays && to.name < from.name) continue;
      const { brokenMs, url, trouble, met } = link;
      broken.push({ from: from.name, to: to.name, bothWays, brokenMs, url, trouble, met });
    }
  }
  return broken;
}

function linkBetween(from: ReplicaStatusDocument, to: ReplicaStatusDocument): LinkDocument | null {
  if (from.name === to.name) return null;
  return from.links?.find(({ name, incarnation }) => name === to.name && incarnation === to.incarnation) ?? null;
}

/** The fewest members, about, without which all the others reach each other: those are as good as failed. */
export function cutOffAtLeast(links: readonly BrokenLink[]): number {
  let left = [...links];
  let taken = 0;
  while (left.length > 0) {
    const counts = new Map<string, number>();
    for (const { from, to } of left) for (const name of [from, to]) counts.set(name, (counts.get(name) ?? 0) + 1);
    const [[worst] = ['']] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    left = left.filter(({ from, to }) => from !== worst && to !== worst);
    taken += 1;
  }
  return taken;
}

/** How long nobody who answers has been connected to `name`: the shortest of what they say; null when nobody knows. */
export function silence(
  name: string,
  statuses: readonly ReplicaStatusDocument[],
): { readonly ms: number; readonly met: boolean } | null {
  const links = statuses.flatMap(({ links }) => links?.filter((it) => it.name === name) ?? []);
  if (links.length === 0 || links.some(({ reached, reaches }) => reached && reaches)) return null;
  return { ms: Math.min(...links.map(({ brokenMs }) => brokenMs)), met: links.some(({ met }) => met) };
}
