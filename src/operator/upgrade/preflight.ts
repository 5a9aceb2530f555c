/**
 * What must hold before anything is touched, and again just before each member's turn (design §6.1). Pure: a look in, findings out.
 */
import type { AttemptScanDocument } from '../../formats/upgrade-body.ts';
import { type Seen, type SeenMember, seenMember, unwell } from './seen.ts';

export interface Finding {
  readonly check: string;
  readonly member: string | null;
  readonly problem: string;
  /** It may be over in a moment: an election, a replica that catches up. */
  readonly passing: boolean;
  /** A member could not be asked: nobody knows. */
  readonly unknown: boolean;
}

const finding = (
  check: string,
  member: string | null,
  problem: string,
  { passing = false, unknown = false } = {},
): Finding => ({ check, member, problem, passing, unknown });

export interface PreflightOptions {
  /** Whose turn it is; null before anything. */
  readonly turn: string | null;
  /** Failures that the others must still stand while one is away. */
  readonly minTolerance: number;
  /** Free bytes that each disk must have. */
  readonly diskFreeBytesMin: number;
  readonly goingBack?: boolean;
}

export const preflightDefaults = { minTolerance: 0, diskFreeBytesMin: 64 * 1024 * 1024 } as const;

export function preflight(seen: Seen, options: PreflightOptions): readonly Finding[] {
  // The way back asks for a quorum alone, and is not to depend on what has nothing to do with it.
  if (options.goingBack === true) return [...oneMaster(seen), ...quorumWithout(seen, options)];
  return [
    ...membersWell(seen),
    ...oneMaster(seen),
    ...membershipEqual(seen),
    ...sameLevel(seen),
    ...reachEachOther(seen),
    ...room(seen, options.diskFreeBytesMin),
    ...quorumWithout(seen, options),
    ...(seen.doctor ?? []),
  ];
}

function membersWell(seen: Seen): Finding[] {
  return seen.members.flatMap((it) => {
    const why = unwell(it, seen);
    if (why === null) return [];
    return [finding('healthy', it.member.name, why, { passing: true, unknown: it.status === null })];
  });
}

function oneMaster(seen: Seen): Finding[] {
  return seen.master === null ? [finding('master', null, 'nobody is master', { passing: true })] : [];
}

/** Members that were removed long ago come back through a second, stale list: every member must know the same one. */
function membershipEqual(seen: Seen): Finding[] {
  const listOf = ({ status }: SeenMember): string =>
    (status?.members ?? [])
      .map(({ name, incarnation, voting }) => `${name}#${incarnation}${voting ? '' : '-'}`)
      .join(' ');
  const lists = new Map<string, string[]>();
  for (const it of seen.members) {
    if (it.status === null) continue;
    const list = listOf(it);
    lists.set(list, [...(lists.get(list) ?? []), it.member.name]);
  }
  if (lists.size <= 1) return [];
  const texts = [...lists].map(([list, names]) => `${names.join(', ')}: ${list}`);
  return [finding('membership', null, `members know different memberships (${texts.join('; ')})`, { passing: true })];
}

function sameLevel(seen: Seen): Finding[] {
  const levels = new Set(seen.members.flatMap(({ status }) => (status === null ? [] : [status.level])));
  if (levels.size <= 1) return [];
  return [finding('level', null, `members are at different levels (${[...levels].join(', ')})`, { passing: true })];
}

function reachEachOther(seen: Seen): Finding[] {
  return seen.members.flatMap(({ member, status }) =>
    (status?.links ?? [])
      .filter(({ reached, reaches, name }) => (!reached || !reaches) && seenMember(seen, name)?.status != null)
      .map(({ name, reached, trouble }) =>
        finding(
          'reach',
          member.name,
          reached ? `hears nothing from ${name}` : `does not reach ${name}${trouble === null ? '' : ` (${trouble})`}`,
          { passing: true },
        ),
      ),
  );
}

function room(seen: Seen, bytes: number): Finding[] {
  return seen.members.flatMap(({ member, status }) => {
    const free = status?.machine?.diskFreeBytes ?? null;
    return free !== null && free < bytes
      ? [finding('disk', member.name, `has ${free} bytes free on its disk, ${bytes} are wanted`)]
      : [];
  });
}

/** While one is away the others must be able to choose, and stand as many failures as was asked for. */
function quorumWithout(seen: Seen, { turn, minTolerance }: PreflightOptions): Finding[] {
  const voters = seen.members.filter(({ member }) => member.voting);
  const quorum = Math.floor(voters.length / 2) + 1;
  const well = voters.filter((it) => unwell(it, seen) === null);
  const without = turn === null ? well.length - 1 : well.filter(({ member }) => member.name !== turn).length;
  const spare = without - quorum;
  if (spare >= minTolerance) return [];
  const away = turn === null ? 'any member' : turn;
  const what =
    spare < 0
      ? `without ${away} only ${without} of ${voters.length} voters are well, ${quorum} are needed`
      : `without ${away} the cell would stand ${spare} further failures, ${minTolerance} are asked for`;
  return [finding('quorum', turn, what, { passing: spare < 0 && voters.length > 1 })];
}

/** What other attempts have left: they block the next one. `own`: the attempt that may have a folder. */
export function residue(scans: readonly AttemptScanDocument[], own: string | null): readonly Finding[] {
  return scans.flatMap(({ member, folders }) =>
    folders
      .filter(({ attempt }) => attempt !== own)
      .map(({ attempt, files, manifest }) => {
        const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
        const newest =
          files
            .map(({ modifiedAt }) => modifiedAt)
            .sort()
            .at(-1) ?? 'unknown';
        const at = manifest === null ? '' : `, begun ${manifest.at} at instance ${manifest.instance}`;
        const what = `attempts/${attempt}: ${files.length} files, ${bytes} bytes, newest ${newest}${at}`;
        return finding('residue', member, what);
      }),
  );
}

export const findingText = ({ member, problem }: Finding): string =>
  `${member === null ? '' : `${member} `}${problem.replace(/\.$/, '')}`;
