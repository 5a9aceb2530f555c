/** The commands of an upgrade against a real cell: puts cell, restarts and claim together for one of the workflows. */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import { stateDirectory } from '../../client/state-file.ts';
import { CheckIncompleteError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import { supportedLevels } from '../../formats/levels.ts';
import { survey } from '../cell-status.ts';
import { type CellFlags, withCell } from '../connect.ts';
import type { SaveOptions } from '../snapshot-save.ts';
import { cellWorld, staleJournal } from './cell-world.ts';
import { type JournalState, journalOf } from './claim.ts';
import type { Driven, DriverEvents } from './driver.ts';
import { type Attempt, nextCommands } from './journal.ts';
import { type LocalProgram, localRestart, refuseOtherCell } from './local-restart.ts';
import { preflightDefaults } from './preflight.ts';
import { checkCommand } from './restart-command.ts';
import { scanAll } from './scan-all.ts';
import { seenIn, spokenByAll } from './seen.ts';
import type { VerifiedScan } from './verified-scan.ts';
import { type Continue, type Plan, plan, type RunRequest, refuseOpen, run } from './workflows.ts';
import type { RestartRequest, UpgradeWorld } from './world.ts';

export interface UpgradeFlags extends CellFlags {
  readonly exec: string | undefined;
  readonly manual: boolean;
  readonly cellDir: string | undefined;
  readonly backupDir: string | undefined;
  readonly minTolerance: number | undefined;
  readonly soakMs: number | undefined;
}

export interface Surroundings {
  /** Of the program that runs now: what a local cell is upgraded to. */
  readonly own: LocalProgram;
  readonly verifySnapshot: SaveOptions['verify'];
  readonly events: DriverEvents;
  readonly onManual: (request: RestartRequest) => void;
}

/** How members are restarted: COMMAND, by hand, or the built-in way of a local cell. */
export function howOf({ exec, manual }: Pick<UpgradeFlags, 'exec' | 'manual'>): Attempt['how'] {
  if (exec !== undefined && manual) throw new UsageError('Give --exec or --manual, not both.');
  if (exec !== undefined) checkCommand(exec);
  return exec !== undefined ? 'exec' : manual ? 'manual' : 'local';
}

export const localCellDirectory = (asked: string | undefined): string =>
  path.resolve(asked ?? process.env.PAXOSCTL_CELL_DIR ?? path.join(stateDirectory(), 'local-cells', 'default'));

/** Runs `work` with the world of this cell and everything that a workflow asks for. */
export function withUpgrade<Result>(
  flags: UpgradeFlags,
  around: Surroundings,
  work: (world: UpgradeWorld, request: Continue) => Promise<Result>,
): Promise<Result> {
  // A slip in COMMAND is found before the cell is asked for anything.
  howOf(flags);
  return withCell(flags, (client) => {
    const directory = localCellDirectory(flags.cellDir);
    let restartLocally: ReturnType<typeof localRestart> | null = null;
    const world = cellWorld({
      client,
      flags,
      backupDir: flags.backupDir ?? path.join(stateDirectory(), 'upgrade-backups'),
      verifySnapshot: around.verifySnapshot,
      local: (member, version) => {
        restartLocally ??= localRestart(directory, around.own);
        return restartLocally(member, version);
      },
      onManual: around.onManual,
    });
    return work(world, {
      driver: driverName(),
      nonce: `${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`,
      events: around.events,
      options: {
        stepTimeoutMs: flags.timeout,
        minTolerance: flags.minTolerance ?? preflightDefaults.minTolerance,
        diskFreeBytesMin: preflightDefaults.diskFreeBytesMin,
        soakMs: flags.soakMs ?? 0,
      },
      ...(flags.exec === undefined ? {} : { exec: flags.exec, how: 'exec' as const }),
      ...(flags.manual ? { how: 'manual' as const } : {}),
    });
  });
}

const driverName = (): string => `${os.userInfo().username}@${os.hostname()}, process ${process.pid}`;

/** Before anything is written anywhere. @throws {UsageError | RefusedError} */
function checkedHow(flags: RunFlags, { own }: Surroundings): Attempt['how'] {
  const how = howOf(flags);
  if (flags.rehearse !== undefined) checkCommand(flags.rehearse);
  if (how !== 'local') return how;
  localRestart(localCellDirectory(flags.cellDir), own);
  if (own.version !== flags.to) {
    throw new UsageError(
      `This program is version ${own.version}; a local cell is upgraded by the program of the target itself, version ${flags.to}.`,
    );
  }
  return how;
}

/** Before anything is begun. @throws {RefusedError} where the built-in restart would be that of another cell. */
async function refuseOtherFolder(how: Attempt['how'], { cellDir }: RunFlags, world: UpgradeWorld): Promise<void> {
  if (how !== 'local') return;
  const { members } = await world.see([]);
  refuseOtherCell(
    localCellDirectory(cellDir),
    members.map(({ member }) => member),
  );
}

const ownLevels = (to: string, { own }: Surroundings): Pick<RunRequest, 'levels'> =>
  own.version === to ? { levels: supportedLevels } : {};

type RunFlags = UpgradeFlags & { readonly to: string; readonly rehearse: string | undefined };

/** What would be done and what is in its way. `run`: also what only a run needs, as `--dry-run` of it. */
export function planUpgrade(flags: RunFlags, around: Surroundings, { run: dry }: { run: boolean }): Promise<Plan> {
  const isAsked = dry || flags.exec !== undefined || flags.manual;
  const how = isAsked ? checkedHow(flags, around) : null;
  if (how === null && flags.rehearse !== undefined) checkCommand(flags.rehearse);
  return withUpgrade(flags, around, async (world, { options }) => {
    const { to, rehearse = null } = flags;
    const levels = ownLevels(to, around);
    const { journal, seen: _, ...planned } = await plan(world, { to, options, rehearse, thorough: true, ...levels });
    if (dry) refuseOpen(journal);
    if (how !== null) await refuseOtherFolder(how, flags, world);
    return planned;
  });
}

export function runUpgrade(flags: RunFlags, around: Surroundings): Promise<Driven> {
  const how = checkedHow(flags, around);
  return withUpgrade(flags, around, async (world, request) => {
    await refuseOtherFolder(how, flags, world);
    const { exec = null } = request;
    const levels = ownLevels(flags.to, around);
    if (levels.levels === undefined && flags.rehearse === undefined) {
      around.events.waiting(
        `which levels version ${flags.to} speaks is not checked before its first start: --rehearse does`,
      );
    }
    const asked: RunRequest = { ...request, ...levels, to: flags.to, how, exec, rehearse: flags.rehearse ?? null };
    return run(world, asked);
  });
}

/** What the exit code of a driver says, as the error that it stands for; nothing when all is well. */
export function refuseUnfinished({ attempt, code, level, reason, recorded }: Driven): void {
  if (code === 0) return;
  const { attempt: id, state } = attempt;
  const what = `Upgrade ${id} is ${state}: ${(reason ?? 'see its journal').replace(/\.$/, '')}. The cell serves.`;
  const facts = { attempt: id, state, reason, recorded, stop: attempt.stop };
  const left = reason?.includes(' attempts/') ? ['paxosctl upgrade scan', 'paxosctl upgrade scan --clear ATTEMPT'] : [];
  const options = { facts, suggestions: ['paxosctl upgrade status', ...left, ...nextCommands(attempt, level)] };
  if (code === 8) throw new CheckIncompleteError(what.replace(' The cell serves.', ''), options);
  throw new RefusedError(what, options);
}

/** The journal, linearizable; of any replica that tells where nobody is master, which may be older than the last word. */
export async function readJournal(
  flags: CellFlags,
): Promise<{ readonly journal: JournalState; readonly stale: boolean }> {
  try {
    const state = await withCell({ ...flags, timeout: Math.min(flags.timeout, 5_000) }, (client) =>
      client.upgradeState(),
    );
    return { journal: journalOf(state), stale: false };
  } catch (error) {
    const state = await staleJournal(flags.endpoints, 2_000).catch(() => null);
    if (state === null) throw error;
    return { journal: journalOf(state), stale: true };
  }
}

export interface Scanned {
  /** The attempt that is open: what it has on the members belongs there until it ends. */
  readonly open: string | null;
  readonly scans: readonly VerifiedScan[];
  readonly problems: readonly string[];
}

/** What attempts have left on every member; with `clear`, of that one attempt nothing any more. */
export function scanMembers(
  flags: UpgradeFlags,
  around: Surroundings,
  clear: string | undefined,
  dryRun = false,
): Promise<Scanned> {
  return withUpgrade(flags, around, async (world) => {
    const { members, master } = await world.see([]);
    // Nobody was asked, and so nobody has said that nothing is left.
    if (members.length === 0) {
      throw new UnreachableError(`No replica answers at ${flags.endpoints.join(', ')}, so nothing was scanned.`, {
        facts: { endpoints: flags.endpoints },
        suggestions: ['paxosctl status', 'paxosctl wait master --timeout 30s'],
      });
    }
    // Where nobody is master nobody says which is open, and what any has left is residue.
    const current =
      master === null && clear === undefined ? null : (journalOf(await world.readState()).current?.attempt ?? null);
    const open = current?.attempt ?? null;
    if (clear !== undefined) {
      if (current !== null && open === clear) {
        throw new RefusedError(`Upgrade ${clear} is open: it is ended, not cleared.`, {
          suggestions: nextCommands(current),
        });
      }
      for (const { member } of dryRun ? [] : members) {
        // Who does not answer is found by the scan that follows; the others are cleared all the same.
        await world.clear(member as unknown as Parameters<UpgradeWorld['clear']>[0], clear).catch((error: unknown) => {
          if (!(error instanceof UnreachableError)) throw error;
        });
      }
    }
    const { findings, scans } = await scanAll(
      world,
      members.map(({ member }) => member),
    );
    return { open, scans, problems: findings.map(({ member, problem }) => `${member} ${problem}`) };
  });
}

export interface Price {
  readonly text: string;
  readonly attempt: string | null;
  /** Revisions since the backup of the attempt, at the most; null where nobody tells. */
  readonly writesSince: number | null;
  readonly backup: Attempt['backup'];
  /** The level that the cell is raised to; null where a member does not say which it speaks. */
  readonly raiseTo: number | null;
}

/** What finalizing costs: once the level is raised, the way back is the backup that the upgrade began with. */
export async function priceOfFinalizing(flags: CellFlags): Promise<Price> {
  const { journal } = await readJournal(flags);
  const asked = await survey([...flags.endpoints], Math.min(flags.timeout, 2_000)).catch(() => null);
  const revisions = (asked?.answers ?? []).flatMap(({ status }) => (status === null ? [] : [status.revision]));
  const raiseTo = asked === null ? null : spokenByAll(seenIn(asked));
  return priceOf(journal, revisions.length === 0 ? null : Math.max(...revisions), Date.now(), raiseTo);
}

/** `spoken`: the highest level that every member speaks, where that is known. */
export function priceOf(
  journal: JournalState,
  revision: number | null,
  nowMs: number,
  spoken: number | null = null,
): Price {
  const attempt = journal.current?.attempt;
  if (attempt === undefined) {
    return { text: 'No upgrade is open.', attempt: null, writesSince: null, backup: null, raiseTo: null };
  }
  const { backup, from, mark, to } = attempt;
  const writesSince = revision === null || mark === null ? null : Math.max(0, revision - mark.revision);
  const soFar = writesSince === null ? '' : ` (up to ${writesSince} so far)`;
  const hours = backup === null ? 0 : Math.max(0, (nowMs - Date.parse(backup.at)) / 3_600_000);
  const saved =
    backup === null
      ? 'no backup was taken'
      : `${backup.file} on ${backup.host}, of instance ${backup.instance}, taken ${backup.at}, ${hours.toFixed(1)} h ago`;
  const raiseTo = attempt.raiseTo ?? spoken;
  const level = attempt.raiseFrom ?? journal.level;
  const text =
    raiseTo !== null && raiseTo <= level
      ? `Version ${to} brings no new level: nothing is raised, the cell stays at level ${level}, and version ${from} still starts afterwards (another upgrade, --to ${from}, goes back). Backup: ${saved}.`
      : `Until the upgrade to ${to} is finalized, rollback is free; afterwards ${raiseTo === null ? 'the cell may be at a new level' : `the cell is at level ${raiseTo}`}, version ${from} refuses to start on it, and going back costs every write since the backup${soFar}: ${backup === null ? '' : 'that is '}${saved}.`;
  return { text, attempt: attempt.attempt, writesSince, backup, raiseTo };
}
