/** The commands of an upgrade: each reads the journal, refuses what must not be, and lets the driver go on from there. */
import { CheckIncompleteError, RefusedError } from '../../errors/index.ts';
import { isSupported, type LevelRange, levelsText } from '../../formats/levels.ts';
import { drivenBy, hasLapsed, type JournalState, journalOf, untilLapsed } from './claim.ts';
import { type Driven, type DriverEvents, drive } from './driver.ts';
import { type Foreseen, foresee } from './foresee.ts';
import { type Attempt, endStates, isRaised, type MemberProgress, nextCommands, withStep } from './journal.ts';
import { progressOf, uncleared } from './membership.ts';
import { type Finding, findingText, preflight, residue } from './preflight.ts';
import { scanAll } from './scan-all.ts';
import { type Seen, seenMember, spokenByAll, unwell } from './seen.ts';
import type { Goal, Options } from './situation.ts';
import { leavesUnknown, type UpgradeWorld } from './world.ts';

export interface Plan {
  readonly from: string;
  readonly to: string;
  readonly cell: { readonly id: string | null; readonly name: string };
  readonly level: number;
  /** Canary first; who is master now, last. */
  readonly order: readonly { readonly name: string; readonly version: string; readonly role: string }[];
  readonly findings: readonly Finding[];
}

export interface RunRequest {
  readonly to: string;
  /** That the target speaks, where its own program asks. */
  readonly levels?: LevelRange;
  readonly how: Attempt['how'];
  readonly exec: string | null;
  readonly rehearse: string | null;
  readonly driver: string;
  readonly nonce: string;
  readonly options: Omit<Options, 'goal'>;
  readonly events: DriverEvents;
}

/** Everything that can be known before anything is done: nothing is changed. */
export async function plan(
  world: UpgradeWorld,
  request: Pick<RunRequest, 'to' | 'options' | 'levels'> & {
    readonly rehearse?: string | null;
    /** Every member's data is asked about, and not that of the canary alone. */
    readonly thorough?: boolean;
  },
): Promise<Plan & { readonly journal: JournalState; readonly seen: Seen }> {
  const seen = await world.see([]);
  const journal = journalOf(await world.readState());
  const { minTolerance, diskFreeBytesMin } = request.options;
  const scans = await scanAll(
    world,
    seen.members.map(({ member }) => member),
  );
  const voters = seen.members.filter(({ member }) => member.voting);
  const others = seen.members.filter(({ member }) => !member.voting);
  const followers = voters.filter(({ member }) => member.name !== seen.master);
  const masters = voters.filter(({ member }) => member.name === seen.master);
  const ordered = [...others, ...followers, ...masters];
  const versions = new Set(seen.members.flatMap(({ status }) => (status === null ? [] : [status.version])));
  const [from = ''] = [...versions].filter((version) => versions.size === 1 || version !== request.to);
  const asked =
    request.rehearse == null || versions.size !== 1 ? [] : ordered.slice(0, request.thorough ? undefined : 1);
  const spoken = await Promise.all(
    asked.map(({ member }) => targetFindings(world, request, { journal, seen, from, member })),
  );
  const current = journal.current?.attempt ?? null;
  const open = current === null || endStates.has(current.state) ? null : current;
  const mixed: Finding[] =
    versions.size <= 1 || open !== null
      ? []
      : [
          plain(
            'versions',
            `members run different versions (${[...versions].map((it) => runners(seen, it)).join('; ')}), and no upgrade is open: start them all with one of these by hand first`,
          ),
        ];
  return {
    from,
    to: request.to,
    cell: seen.cell,
    level: journal.level,
    order: ordered.map(({ member, status }) => ({
      name: member.name,
      version: status?.version ?? 'unknown',
      role: member.name === seen.master ? 'master' : member.voting ? 'follower' : 'learner',
    })),
    findings: [
      ...(open === null
        ? []
        : [plain('open', `upgrade ${open.attempt} to version ${open.to} is ${open.state}; it has to end first`)]),
      ...(from === request.to ? nothingToDo(seen, journal.level, request.to) : []),
      ...mixed,
      ...unspoken(journal.level, request),
      ...spoken.flat(),
      ...preflight(seen, { turn: null, minTolerance, diskFreeBytesMin }),
      ...scans.findings,
      ...residue(scans.scans, open?.attempt ?? null),
    ],
    journal,
    seen,
  };
}

/** `n1, n3: 0.1.0` */
function runners(seen: Seen, version: string): string {
  const names = seen.members.filter(({ status }) => status?.version === version).map(({ member }) => member.name);
  return `${names.join(', ')}: ${version}`;
}

/** Members that came to run one version by hand may speak more than the cell is at: an upgrade to that version raises it. */
function nothingToDo(seen: Seen, level: number, to: string): readonly Finding[] {
  const spoken = spokenByAll(seen);
  if (spoken !== null && spoken > level) return [];
  return [plain('target', `every member runs version ${to} already`)];
}

function unspoken(level: number, { levels, to }: Pick<RunRequest, 'to' | 'levels'>): readonly Finding[] {
  if (levels === undefined || isSupported(level, levels)) return [];
  return [plain('target', `version ${to} speaks ${levelsText(levels)}, the cell is at level ${level}`)];
}

/** The target is asked by COMMAND of `--rehearse`, on a member's own data and before anything is begun. */
async function targetFindings(
  world: UpgradeWorld,
  { options, rehearse = null, to }: Parameters<typeof plan>[1],
  { journal, seen, from, member }: { journal: JournalState; seen: Seen; from: string; member: { name: string } },
): Promise<readonly Finding[]> {
  const progress = progressOf(seen, member.name);
  const attempt = { ...noAttempt, cell: seen.cell.id ?? '', from, to, rehearse, members: [progress] };
  const request = { attempt, member: progress, version: to, role: 'canary', timeoutMs: options.stepTimeoutMs } as const;
  try {
    return unspoken(journal.level, { to, levels: await world.levelsOf(request) });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const problem = `the rehearsal of version ${to} there: ${error.message}`;
    return [{ check: 'target', member: member.name, problem, passing: false, unknown: leavesUnknown(error) }];
  }
}

/** Nothing is begun: what COMMAND is told of an attempt. */
const noAttempt: Attempt = {
  ...{ attempt: 'none', state: 'running', cell: '', from: '', to: '', how: 'exec', exec: null, rehearse: null },
  ...{ startedBy: '', startedAt: '', changedAt: '', generation: 0, mark: null, backup: null, members: [], steps: [] },
  ...{ stop: null, upgradedAt: null, raiseTo: null },
};

const plain = (check: string, problem: string): Finding => ({
  check,
  member: null,
  problem,
  passing: false,
  unknown: false,
});

/** @throws {RefusedError} (exit 5); {CheckIncompleteError} (exit 8) when a member could not be checked. */
export async function run(world: UpgradeWorld, request: RunRequest): Promise<Driven> {
  const planned = await plan(world, request);
  refuseOpen(planned.journal);
  refuseFindings(planned.findings);
  const { seen } = planned;
  const at = world.at();
  const attempt: Attempt = {
    attempt: `u-${request.nonce}`,
    state: 'running',
    cell: planned.cell.id ?? '',
    from: planned.from,
    to: request.to,
    how: request.how,
    exec: request.exec,
    rehearse: request.rehearse,
    startedBy: request.driver,
    startedAt: at,
    changedAt: at,
    generation: seen.cell.generation,
    mark: null,
    backup: null,
    members: planned.order.map(({ name }) => progressOf(seen, name)),
    steps: [
      { member: null, step: 'preflight', state: 'done', at, detail: `${planned.order.length} members, nothing found` },
    ],
    stop: null,
    upgradedAt: null,
    raiseTo: null,
  };
  return driveFrom(world, planned.journal, attempt, request, 'run');
}

export type Continue = Omit<RunRequest, 'to' | 'how' | 'rehearse' | 'exec'> & {
  readonly exec?: string | null;
  readonly how?: Attempt['how'];
};

/** Goes on with whatever was going on, once its driver is gone. @throws {RefusedError} */
export async function resume(world: UpgradeWorld, request: Continue): Promise<Driven> {
  return goOn(world, request, await prepared(world, request, 'resume'));
}

/** Every member back on the version from before; `abort` leaves nothing of the attempt behind as well. @throws {RefusedError} */
export async function goBack(world: UpgradeWorld, request: Continue, goal: 'rollback' | 'abort'): Promise<Driven> {
  return goOn(world, request, await prepared(world, request, goal));
}

/** @throws {RefusedError} while not every member has run the target for long enough, or they do not agree. */
export async function finalize(world: UpgradeWorld, request: Continue): Promise<Driven> {
  return goOn(world, request, await prepared(world, request, 'finalize'));
}

/** What one of them would do: nothing is changed. @throws {RefusedError} as they do. */
export async function dryRun(world: UpgradeWorld, request: Continue, command: GoOnCommand): Promise<Foreseen> {
  const { attempt, goal } = await prepared(world, request, command);
  return foresee(world, attempt, { ...request.options, goal }, request.events.waiting);
}

export type GoOnCommand = 'resume' | 'rollback' | 'abort' | 'finalize';

interface Prepared {
  readonly journal: JournalState;
  /** As it is to be when the command begins. */
  readonly attempt: Attempt;
  readonly goal: Goal;
}

async function prepared(world: UpgradeWorld, request: Continue, command: GoOnCommand): Promise<Prepared> {
  const { journal, attempt } = await opened(world, request, command);
  switch (command) {
    case 'resume': {
      const goal = resumedGoals[attempt.state] ?? 'run';
      const next = goal === 'run' && attempt.state !== 'upgraded' ? forward(attempt, world.at()) : attempt;
      if (goal === 'run') await refuseResidue(world, attempt);
      return { journal, attempt: next, goal };
    }
    case 'finalize':
      if (attempt.state !== 'upgraded' && attempt.state !== 'finalizing') {
        throw new RefusedError(`Upgrade ${attempt.attempt} is ${attempt.state}: there is nothing to finalize yet.`, {
          facts: { attempt: attempt.attempt, state: attempt.state },
          suggestions: nextCommands(attempt),
        });
      }
      return { journal, attempt, goal: 'finalize' };
    default:
      return { journal, attempt: withdrawn(attempt, journal.level, world.at()), goal: command };
  }
}

/**
 * As it is to be when it goes back. What finalizing announced is taken out of the cell in the same write, against the level as it is here:
 * a raise that comes in between lets it fail. @throws {RefusedError} once the level was raised.
 */
function withdrawn(attempt: Attempt, level: number, at: string): Attempt {
  if (attempt.state !== 'finalizing') return attempt;
  if (isRaised(attempt, level)) {
    throw new RefusedError(
      `Upgrade ${attempt.attempt} is being finalized: the level was raised to ${level}, and version ${attempt.from} refuses to start on it.`,
      { facts: { attempt: attempt.attempt, state: attempt.state, level }, suggestions: ['paxosctl upgrade finalize'] },
    );
  }
  const { raiseFrom: _, ...rest } = attempt;
  const members = attempt.members.map(uncleared);
  const back = { ...rest, members, state: 'rolling-back', stop: null, raiseTo: null } as const;
  const detail = `to version ${attempt.from}; finalizing is called off, nothing was raised: the cell is at level ${level}`;
  return withStep(back, { member: null, step: 'rollback', state: 'begun', at, detail });
}

const resumedGoals: Partial<Record<Attempt['state'], Goal>> = {
  'rolling-back': 'rollback',
  'rolled-back': 'run',
  aborting: 'abort',
  finalizing: 'finalize',
};

const goOn = (world: UpgradeWorld, request: Continue, { journal, attempt, goal }: Prepared): Promise<Driven> =>
  driveFrom(world, journal, attempt, request, goal);

/** Of other attempts: it may have come since this one began. Who cannot be asked has no turn while it does not answer. */
async function refuseResidue(world: UpgradeWorld, { attempt }: Attempt): Promise<void> {
  const { members } = await world.see([]);
  const { scans } = await scanAll(
    world,
    members.map(({ member }) => member),
  );
  refuseFindings(residue(scans, attempt));
}

/**
 * Members that were put back have their turn again. One that is half done is looked at first; of one that could not be put back the
 * operator was told, and that is mended or not: what was doubted then is no reason to stop again.
 */
function forward(attempt: Attempt, at: string): Attempt {
  const told = attempt.state === 'stopped';
  const members = attempt.members.map((member) => {
    if (member.state === 'back') return { ...member, state: 'waiting' as const, before: null, doubt: null };
    return member.state === 'putting-back' && told ? { ...member, doubt: null } : member;
  });
  const again = { ...attempt, state: 'running' as const, stop: null, members };
  const anew = isOld(attempt, at) ? { mark: null, backup: null, members: members.map(unrehearsed) } : {};
  const detail = `from ${attempt.state}${isOld(attempt, at) ? '; mark, backup and rehearsals are made anew' : ''}`;
  return withStep({ ...again, ...anew }, { member: null, step: 'resume', state: 'note', at, detail });
}

/** After it the backup of an attempt that goes on is made anew: what it is to save is what was written since. */
const backupAgeMsMax = 24 * 3_600_000;

const isOld = ({ backup }: Attempt, at: string): boolean =>
  backup !== null && Date.parse(at) - Date.parse(backup.at) > backupAgeMsMax;

const unrehearsed = (member: MemberProgress): MemberProgress =>
  member.state === 'waiting' ? { ...member, rehearsed: false } : member;

async function opened(
  world: UpgradeWorld,
  { events }: Continue,
  what: string,
): Promise<{ readonly journal: JournalState; readonly attempt: Attempt }> {
  const journal = await untilLapsed(world, (driver) =>
    events.waiting(`${driver} was driving; waiting whether it still does`),
  );
  if (journal.current === null) {
    throw new RefusedError(`No upgrade is open, so there is nothing to ${what}.`, {
      suggestions: ['paxosctl upgrade history', 'paxosctl upgrade plan --to VERSION'],
    });
  }
  return { journal, attempt: journal.current.attempt };
}

function driveFrom(
  world: UpgradeWorld,
  journal: JournalState,
  attempt: Attempt,
  { driver, events, nonce, options, ...request }: Continue | RunRequest,
  goal: Goal,
): Promise<Driven> {
  const claim = { attempt: attempt.attempt, driver, nonce };
  const exec = request.exec ?? attempt.exec;
  const how = request.how ?? attempt.how;
  return drive({ world, journal, attempt: { ...attempt, exec, how }, claim, options: { ...options, goal }, events });
}

/**
 * Puts one member back without asking anybody, the cell included: the way back must not need what it is to restore. What came of
 * it is read from the member; the journal is brought up to date by the next command that finds a master.
 *
 * @throws {CheckIncompleteError} (exit 8) when the member does not say in time that it runs the version from before.
 */
export async function putBackAlone(
  world: UpgradeWorld,
  request: {
    readonly attempt: Attempt;
    /** Of the cell, by the same journal: a member that reports a higher one has gone on since. */
    readonly level: number;
    readonly name: string;
    readonly timeoutMs: number;
    readonly events: DriverEvents;
    /** Only whether it would be: nothing is restarted. */
    readonly dryRun?: boolean;
  },
): Promise<PutBack> {
  const { attempt, name, timeoutMs, events } = request;
  const member = attempt.members.find((it) => it.name === name);
  if (member === undefined) {
    throw new RefusedError(`Upgrade ${attempt.attempt} has no member ${name}.`, { code: 'PAXOS_MEMBER_UNKNOWN' });
  }
  const first = await world.see(attempt.members);
  const level = Math.max(0, ...first.members.map(({ status }) => status?.level ?? 0));
  if (attempt.state === 'finalizing' || endStates.has(attempt.state) || level > request.level) {
    throw new RefusedError(
      `${name} stays: upgrade ${attempt.attempt} is ${attempt.state} and the cell at level ${Math.max(level, request.level)}; version ${attempt.from} may refuse to start on its data.`,
      {
        facts: { attempt: attempt.attempt, state: attempt.state, level, member: name },
        suggestions: ['paxosctl upgrade status', ...nextCommands(attempt, Math.max(level, request.level))],
      },
    );
  }
  const before = seenMember(first, name)?.status ?? null;
  const put = (seen: Seen, fresh: boolean): PutBack | string => {
    const it = seenMember(seen, name);
    if (it === null) return 'is not a member';
    const { status } = it;
    if (status === null) return unwell(it, seen) ?? 'does not answer';
    if (status.name !== name) return `is not at ${it.member.url}: ${status.name} answers there`;
    if (status.version !== attempt.from) return `runs version ${status.version}`;
    if (fresh && status.boot.id === before?.boot.id) return 'was not restarted';
    const incarnation = seen.master === null ? member.incarnation : it.member.incarnation;
    if (status.incarnation !== incarnation) return `runs as incarnation ${status.incarnation}, it was ${incarnation}`;
    if (!rolesAlone.has(status.role)) return `is ${status.role}`;
    return { member: name, version: status.version, boot: status.boot.number, wouldChange: false };
  };
  const there = put(first, false);
  if (typeof there !== 'string') return there;
  if (request.dryRun === true) {
    return { member: name, version: attempt.from, boot: before?.boot.number ?? 0, wouldChange: true };
  }
  const already = before?.name === name && before.version === attempt.from;
  const end = already
    ? 'nothing was restarted'
    : await world.restart({ attempt, member, version: attempt.from, role: 'follower', timeoutMs });
  const deadline = world.nowMs() + timeoutMs;
  for (;;) {
    const why = put(await world.see(attempt.members), !already);
    if (typeof why !== 'string') return why;
    if (world.nowMs() >= deadline) {
      throw new CheckIncompleteError(
        `${name} is not known to run version ${attempt.from} as it should: it ${why}; ${end}.`,
        {
          facts: { member: name, why, end },
          suggestions: ['paxosctl status', `paxosctl upgrade rollback --member ${name}`],
        },
      );
    }
    events.waiting(`${name} ${why}`);
    await world.sleep(200);
  }
}

export interface PutBack {
  readonly member: string;
  readonly version: string;
  readonly boot: number;
  /** Of a dry run: it does not run that version yet. */
  readonly wouldChange: boolean;
}

/** What a good member may be while there is no quorum to compare itself with. */
const rolesAlone: ReadonlySet<string> = new Set([
  'master',
  'replica',
  'candidate',
  'checking',
  'learner',
  'rebuilding',
]);

// ---- refusals ----

export function refuseOpen(journal: JournalState): void {
  if (journal.claim !== null && !hasLapsed(journal)) throw drivenBy(journal.claim);
  if (journal.current === null) return;
  const { attempt } = journal.current;
  if (endStates.has(attempt.state)) return;
  throw new RefusedError(
    `Upgrade ${attempt.attempt} to version ${attempt.to}, begun by ${attempt.startedBy} at ${attempt.startedAt}, is ${attempt.state}; it has to end first.`,
    {
      facts: {
        attempt: attempt.attempt,
        state: attempt.state,
        startedBy: attempt.startedBy,
        changedAt: attempt.changedAt,
      },
      suggestions: ['paxosctl upgrade status', ...nextCommands(attempt, journal.level)],
    },
  );
}

export function refuseFindings(findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  const text = findings.map(findingText).join('; ');
  const facts = { findings };
  if (findings.some(({ unknown }) => unknown)) {
    throw new CheckIncompleteError(`Not every member could be checked, so nothing was begun: ${text}.`, {
      facts,
      suggestions: ['paxosctl status', 'paxosctl wait healthy --timeout 2m'],
    });
  }
  const left = findings.filter(({ check }) => check === 'residue');
  throw new RefusedError(`Nothing was begun: ${text}.`, {
    facts,
    suggestions:
      left.length > 0 ? ['paxosctl upgrade scan', 'paxosctl upgrade scan --clear ATTEMPT'] : ['paxosctl status'],
  });
}
