/**
 * `cell restore`: a backup becomes a new generation of the whole cell (design §3 "Generations"): price, fence, price once more, the
 * present saved, then the steps that every new generation takes. The file is the plan: killed anywhere it is run again and goes on.
 *
 * Keeps: until the loss was typed nothing is changed; above what was typed the fence is lifted; what the cell holds when it is
 * fenced lies in a file of its own, and in every member's former/, before anything else is done.
 */
import { NotAllowedError, RefusedError, UsageError } from '../../errors/index.ts';
import type { GenerationId, RecoverReport } from '../../formats/recovery.ts';
import type { CellFlags } from '../connect.ts';
import { realWorld } from '../recovery/real-world.ts';
import { type Acceptance, acceptingFlags, refuseDearer, Steps } from '../recovery/steps.ts';
import type { GenerationWorld } from '../recovery/world.ts';
import { askMembers, attemptFor, awayOf } from './attempt.ts';
import { type PresentOptions, refuseInTheWay, savePresent } from './present.ts';
import { type Backup, beganWith, decideRestore, isBlank, type RestoreDecided, type RestorePrice } from './price.ts';

export interface RestoreOptions extends Acceptance, PresentOptions {
  /** The name of the cell, typed; null when nothing was typed. */
  readonly confirm: string | null;
  readonly dryRun: boolean;
  /** Also when the present generation began with this very file, or another attempt is under way. */
  readonly again: boolean;
  /** The id, typed, of a cell that was lost whole, and whose place this one is to take; null without. */
  readonly inPlaceOf: string | null;
  /** Where the present state is saved; null for names of its own in the present folder. */
  readonly saveTo: string | null;
  /** With each price, before it is judged. */
  readonly onPrice: (price: RestorePrice) => void | Promise<void>;
  /** Before each step. What it throws ends the program there. */
  readonly onStep: (what: string) => void;
}

/** The JSON document of `cell restore`. */
export interface RestoreResult {
  readonly cell: { readonly id: string; readonly name: string };
  readonly generation: number;
  readonly members: readonly string[];
  readonly dryRun: boolean;
  /** It was found done: the present generation began with this file. */
  readonly foundDone: boolean;
  readonly price: RestorePrice | null;
  readonly file: { readonly instance: number; readonly generation: number; readonly revision: number };
  /** What the cell held; null where it held nothing, or it was not saved by this run. */
  readonly saved: string | null;
}

const aliveMsMax = 2_000;

/** @throws {RefusedError} (exit 5) when more would be lost than was accepted: the cell is then as it was before. */
export async function restoreCell(
  cell: CellFlags,
  options: RestoreOptions,
  world: GenerationWorld = realWorld,
): Promise<RestoreResult> {
  const { backup, onStep } = options;
  const asked = await askMembers(cell, options, world);
  const { newest, reports, witnessed } = asked;
  await refuseForeign(backup, reports, { ...options, world });
  refuseLevel(backup, asked.statuses);
  refuseName(newest, options);
  const done = reports.filter((it) => beganWith(it, backup));
  const once = `paxosctl cell restore ${backup.file} --confirm ${newest.cell.name}`;
  const command = `${once}${options.again ? ' --again' : ''}`;
  const stepsFor = (to: GenerationId): Steps =>
    new Steps({
      to,
      members: newest.members,
      cell: newest.cell,
      becomes: backup.cell,
      timeoutMs: cell.timeout,
      source: backup.digest,
      again: command,
      anew: `${once} --again`,
      onStep,
      world,
    });
  const [first] = done;
  if (first !== undefined && !options.again) return foundDone(first, stepsFor(idOf(first)), options);

  const { to, isOther } = attemptFor(asked, options, { command, world });
  const steps = stepsFor(to);
  const decide = (now: readonly RecoverReport[]): RestoreDecided =>
    decideRestore({ to, backup, reports: now, witnessed });
  const asking = { what: `Going back to ${backup.file}`, command };
  const taking = await steps.compared(reports);
  const before = decide(taking);
  await options.onPrice(before.price);
  if (isOther !== null) throw isOther;
  refuseDearer(before.price, options, asking);
  refuseUnconfirmed(before.price, options, asking.command);
  const away = awayOf(newest, taking);
  await steps.refuseAlive(taking, away);
  const result = (price: RestorePrice, saved: string | null, members: readonly string[]): RestoreResult => ({
    ...resultOf(newest, to.generation, options),
    members,
    price,
    saved,
  });
  if (options.dryRun) return result(before.price, null, namesOf(before));
  const { saveTo } = options;
  if (saveTo !== null) await refuseInTheWay(saveTo, newest, options, world);
  const files = saveTo === null ? saveNamesOf(newest, to) : [saveTo];

  const fenced = await steps.fence(reports);
  const begun = steps.begunBy(fenced);
  if (begun !== null) return result(before.price, null, await steps.allActive(begun));
  const orLift = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw await steps.givenUp(error, fenced);
    }
  };
  const decided = await orLift(async () => {
    const now = decide(await steps.compared(fenced));
    // The same price is not shown twice.
    if (now.price.revisionsAtLeast !== before.price.revisionsAtLeast) await options.onPrice(now.price);
    refuseDearer(now.price, options, asking);
    return now;
  });
  onStep('saving the present state');
  const saved = await orLift(() => savePresent(cell, { fenced, beyond: decided.beyond, files }, options, world));
  // Somebody may have come back meanwhile; and again when the file lies there: from then on the members go on by themselves.
  const look = (): Promise<void> => orLift(() => steps.refuseAlive(fenced, away));
  await look();
  return result(decided.price, saved, await steps.carryOut(decided, { file: backup.file }, look));
}

async function foundDone(report: RecoverReport, steps: Steps, options: RestoreOptions): Promise<RestoreResult> {
  // Some may be about to follow.
  const names = report.members.map(({ name }) => name);
  const members = options.dryRun ? names : await steps.allActive(names);
  return { ...resultOf(report, report.generation, options), members, price: null, saved: null, foundDone: true };
}

const resultOf = ({ cell }: RecoverReport, generation: number, { dryRun, backup }: RestoreOptions) => ({
  cell: { id: backup.cell, name: cell.name },
  generation,
  dryRun,
  foundDone: false,
  file: { instance: backup.instance, generation: backup.generation, revision: backup.revision },
});

const idOf = ({ generation, generationId }: RecoverReport): GenerationId => ({ generation, generationId });
const namesOf = ({ decision }: RestoreDecided): readonly string[] => decision.members.map(({ name }) => name).sort();

// --- refusals -----------------------------------------------------------------------------------------------------------

async function refuseForeign(
  backup: Backup,
  reports: readonly RecoverReport[],
  { inPlaceOf, world }: Pick<RestoreOptions, 'inPlaceOf'> & { readonly world: GenerationWorld },
): Promise<void> {
  const [first] = reports;
  if (first === undefined || backup.cell === first.cell.id) return;
  const facts = { file: backup.file, known: backup.cell, found: first.cell.id };
  const inspect = `paxosctl snapshot inspect ${backup.file}`;
  if (inPlaceOf === null || !reports.every(isBlank)) {
    const blank = reports.every(isBlank);
    const more = blank ? 'nothing was written to it yet' : 'it was written to, and cannot take the place of another';
    throw new NotAllowedError(
      `File ${backup.file} is a backup of cell ${backup.cell}; this is cell ${first.cell.id}: ${more}.`,
      {
        code: 'PAXOS_WRONG_CELL',
        facts,
        suggestions: blank
          ? [inspect, `paxosctl cell restore ${backup.file} --in-place-of ${backup.cell}`]
          : [inspect, 'paxosctl status'],
      },
    );
  }
  if (inPlaceOf !== backup.cell) {
    throw new UsageError(`The backup is of cell ${backup.cell}; --in-place-of says ${inPlaceOf}.`, { facts });
  }
  const alive = await aliveElsewhere(backup.cell, world);
  if (alive.length === 0) return;
  throw new RefusedError(`Cell ${backup.cell} is not lost: it answers at ${alive.join(', ')}.`, {
    facts: { ...facts, alive },
    suggestions: [`paxosctl status --endpoints ${alive.join(',')}`],
  });
}

/** Where this tool has met its members before. */
async function aliveElsewhere(cellId: string, world: GenerationWorld): Promise<readonly string[]> {
  const known = await world.knownCell(cellId);
  const urls = known?.members ?? [];
  const statuses = await Promise.all(urls.map((url) => world.status(url, aliveMsMax)));
  return urls.filter((_, at) => statuses[at]?.cell.id === cellId);
}

function refuseLevel(
  { file, level }: Backup,
  statuses: readonly { readonly name: string; readonly levels?: { readonly min: number; readonly max: number } }[],
): void {
  const cannot = statuses.filter(({ levels }) => levels !== undefined && (level < levels.min || level > levels.max));
  if (cannot.length === 0) return;
  const names = cannot.map(({ name }) => name).join(', ');
  throw new RefusedError(`File ${file} is of level ${level}, which ${names} cannot read.`, {
    facts: { file, level, cannot: cannot.map(({ name, levels }) => ({ name, levels })) },
    suggestions: ['paxosctl status', `paxosctl snapshot inspect ${file}`],
  });
}

function refuseName({ cell }: RecoverReport, { confirm }: RestoreOptions): void {
  if (confirm === null || confirm === cell.name) return;
  throw new UsageError(`This is cell ${cell.name}; --confirm says ${confirm}.`, {
    facts: { cell: cell.name, confirm },
  });
}

/** Also where nothing would be lost: it is the whole cell. */
function refuseUnconfirmed(price: RestorePrice, { confirm, backup }: RestoreOptions, command: string): void {
  if (confirm !== null) return;
  throw new RefusedError(`Going back to ${backup.file} makes a new generation of the whole cell: confirm it by name.`, {
    facts: { price },
    suggestions: [`${command}${acceptingFlags(price)}`],
  });
}

/** An earlier run of the attempt may have saved what the cell held then, and was given up: what it has saved stays. */
function* saveNamesOf({ cell, generation }: RecoverReport, to: GenerationId): Generator<string> {
  const name = `${cell.name}-generation-${generation}-before-${to.generationId.slice(0, 8)}`;
  yield `${name}.snapshot`;
  for (let more = 2; ; more++) yield `${name}-${more}.snapshot`;
}
