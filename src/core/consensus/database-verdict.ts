/**
 * Whose database is right, when what replicas hold at one instance is put side by side.
 *
 * Source: design §5; PML §6.2; pitfall P30 (nobody's checksum is taken as truth, the master's neither). Pure: the same
 * reports give the same judgement on every replica and at the operator's.
 * Keeps: whoever was not asked, or did not answer, is no report: never counted as equal, never as a vote.
 */

/** What one member holds at the instance that is judged. Digests are opaque: equal or not. */
export interface DatabaseReport {
  readonly member: string;
  readonly version: string;
  /** Over all values chosen up to the instance. */
  readonly logChain: string;
  readonly database: string;
}

export type Judgement =
  | { readonly kind: 'agree' }
  /**
   * Same log, different databases: local damage. `right` is what is held against the others; null when nothing decides.
   */
  | {
      readonly kind: 'differ';
      readonly right: string | null;
      readonly by: 'majority' | 'version' | null;
      /** Members whose database is not the right one; all that reported when nothing decides. */
      readonly odd: readonly string[];
      /** Those of them that are set aside by themselves: never so many that the right ones are no majority of the voters. */
      readonly quarantine: readonly string[];
    }
  /** Different logs: the cell has forked. No majority decides that. */
  | { readonly kind: 'fork'; readonly branches: readonly (readonly string[])[] };

/** All reports must be of one instance, one a member; `voters` are the configured ones, whether they reported or not. */
export function judgeDatabases(voters: readonly string[], reports: readonly DatabaseReport[]): Judgement {
  const branches = groups(reports, ({ logChain }) => logChain);
  if (branches.size > 1) return { kind: 'fork', branches: [...branches.values()].map(names) };
  const databases = groups(reports, ({ database }) => database);
  if (databases.size <= 1) return { kind: 'agree' };

  const votes = (members: readonly DatabaseReport[]): number =>
    members.filter(({ member }) => voters.includes(member)).length;
  const isMajority = (members: readonly DatabaseReport[]): boolean => votes(members) * 2 > voters.length;
  const oldest = followsVersions(reports, databases);
  if (oldest !== null) return against(oldest, 'version', reports, isMajority);
  for (const members of databases.values())
    if (isMajority(members)) return against(members, 'majority', reports, isMajority);
  return { kind: 'differ', right: null, by: null, odd: names(reports), quarantine: [] };
}

function against(
  right: readonly DatabaseReport[],
  by: 'majority' | 'version',
  reports: readonly DatabaseReport[],
  isMajority: (members: readonly DatabaseReport[]) => boolean,
): Judgement {
  const { database } = right[0] as DatabaseReport;
  const odd = names(reports.filter((report) => report.database !== database));
  return { kind: 'differ', right: database, by, odd, quarantine: isMajority(right) ? odd : [] };
}

/**
 * While versions are mixed, a difference that follows them is the newer one's, however many run it: the reports of the oldest
 * version, when all of one version agree and no two versions do. Null when the difference does not follow the versions.
 */
function followsVersions(
  reports: readonly DatabaseReport[],
  databases: ReadonlyMap<string, readonly DatabaseReport[]>,
): readonly DatabaseReport[] | null {
  const versions = groups(reports, ({ version }) => version);
  if (versions.size < 2 || databases.size !== versions.size) return null;
  for (const members of databases.values()) {
    if (members.some(({ version }) => version !== (members[0] as DatabaseReport).version)) return null;
  }
  const [oldest] = [...versions.keys()].sort(compareVersions);
  return versions.get(oldest as string) ?? null;
}

/** Numbers by number, from the left; a pre-release (`1.2.0-rc.1`) before its release. */
export function compareVersions(a: string, b: string): number {
  const [coreA = '', preA = ''] = split(a);
  const [coreB = '', preB = ''] = split(b);
  const order = compareParts(coreA, coreB);
  if (order !== 0) return order;
  if (preA === '' || preB === '') return (preA === '' ? 1 : 0) - (preB === '' ? 1 : 0);
  return compareParts(preA, preB);
}

function split(version: string): readonly [string, string] {
  const [whole = ''] = version.split('+');
  const at = whole.indexOf('-');
  return at === -1 ? [whole, ''] : [whole.slice(0, at), whole.slice(at + 1)];
}

function compareParts(a: string, b: string): number {
  const partsA = a.split('.');
  const partsB = b.split('.');
  for (let i = 0; i < Math.max(partsA.length, partsB.length); i++) {
    const partA = partsA[i] ?? '';
    const partB = partsB[i] ?? '';
    if (partA === partB) continue;
    const order = Number(partA) - Number(partB);
    return Number.isNaN(order) ? (partA < partB ? -1 : 1) : order;
  }
  return 0;
}

function groups<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const found = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = found.get(key);
    if (group === undefined) found.set(key, [item]);
    else group.push(item);
  }
  return found;
}

const names = (reports: readonly DatabaseReport[]): readonly string[] => reports.map(({ member }) => member);
