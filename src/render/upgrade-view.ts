/** What the upgrade commands show: steps as they happen, the journal, the plan, the residue. */
import type { AttemptScanDocument } from '../formats/upgrade-body.ts';
import { type Attempt, nextCommands, type Step } from '../operator/upgrade/journal.ts';
import { findingText } from '../operator/upgrade/preflight.ts';
import type { Plan } from '../operator/upgrade/workflows.ts';
import { printable } from './escape.ts';
import { coloured, mayColour, writeResult } from './output.ts';
import { type Progress, startProgress } from './progress.ts';
import { table } from './table.ts';

/** The document of `upgrade status` (contract §1). */
export interface UpgradeDocument {
  readonly attempt: string | null;
  readonly state: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly startedBy: string | null;
  readonly startedAt: string | null;
  readonly changedAt: string | null;
  readonly level: number | null;
  readonly mark: Attempt['mark'];
  readonly backup: Attempt['backup'];
  readonly stop: Attempt['stop'];
  readonly members: readonly { readonly name: string; readonly state: string; readonly doubt: string | null }[];
  /** When it was heard last nobody knows without a master. */
  readonly driver: { readonly name: string; readonly heardMsAgo: number | null } | null;
  readonly steps: readonly Step[];
  readonly next: readonly string[];
}

export function documentOf(
  attempt: Attempt | null,
  level: number | null,
  driver: UpgradeDocument['driver'],
): UpgradeDocument {
  return {
    attempt: attempt?.attempt ?? null,
    state: attempt?.state ?? 'none',
    from: attempt?.from ?? null,
    to: attempt?.to ?? null,
    startedBy: attempt?.startedBy ?? null,
    startedAt: attempt?.startedAt ?? null,
    changedAt: attempt?.changedAt ?? null,
    level,
    mark: attempt?.mark ?? null,
    backup: attempt?.backup ?? null,
    stop: attempt?.stop ?? null,
    members: (attempt?.members ?? []).map(({ name, state, doubt }) => ({ name, state, doubt })),
    driver,
    steps: attempt?.steps ?? [],
    next: attempt === null ? ['paxosctl upgrade plan --to VERSION'] : nextCommands(attempt, level),
  };
}

export interface StepsView {
  step(step: Step): void;
  waiting(why: string): void;
  stop(): void;
}

const marks = { begun: '…', done: '✔', failed: '✖', note: '·' } as const;
const colours = { done: 'green', failed: 'red', note: 'dim' } as const;

/** On a terminal one line a step and what is waited for under it; elsewhere plain lines; with `--json` NDJSON on stdout. */
export function stepsView(json: boolean): StepsView {
  if (json) {
    return {
      step: (step) => void process.stdout.write(`${JSON.stringify({ kind: 'step', ...step })}\n`),
      waiting: () => undefined,
      stop: () => undefined,
    };
  }
  let current: Progress | null = null;
  let last: Step | null = null;
  const onTerminal = process.stderr.isTTY === true && mayColour(process.stderr);
  // A spinner has a sign of its own.
  const shown = (step: Step): string => (onTerminal ? textOf(step) : lineOf(step));
  return {
    step: (step) => {
      last = step;
      current?.stop();
      current = null;
      if (step.state === 'begun') current = startProgress(shown(step));
      else
        process.stderr.write(`${coloured(colours[step.state], marks[step.state], process.stderr)} ${textOf(step)}\n`);
    },
    waiting: (why) => {
      const text = `${last === null ? 'upgrade' : shown(last)}: ${printable(why)}`;
      current ??= startProgress(text);
      current.update(text);
    },
    stop: () => current?.stop(),
  };
}

const columns = (...titles: readonly string[]) => titles.map((title) => ({ title }));

const textOf = ({ member, step, detail }: Step): string =>
  printable(`${member === null ? '' : `${member} `}${step}${detail === '' ? '' : `: ${detail}`}`);

const lineOf = (step: Step): string => `${marks[step.state]} ${textOf(step)}`;

const heardText = (msAgo: number | null): string =>
  msAgo === null ? ', heard when a master was there' : `, heard ${Math.round(msAgo / 1000)} s ago`;

/** Of what is shown then, "no upgrade is open" included. */
const tellStale = (stale: boolean): void => {
  if (!stale) return;
  process.stderr.write('Nobody is master: this is what some replica knows, and may be older than the last word.\n');
};

export async function showUpgrade(document: UpgradeDocument, { stale = false } = {}): Promise<void> {
  tellStale(stale);
  if (document.attempt === null) return writeResult('no upgrade is open\n');
  const { attempt, driver, from, level, startedAt, startedBy, state, stop, to } = document;
  const lines = [
    `upgrade  ${attempt}  ${from} -> ${to}  ${state.toUpperCase()}  level ${level ?? 'unknown'}`,
    `begun    by ${startedBy} at ${startedAt}`,
    ...(driver === null ? [] : [`driver   ${driver.name}${heardText(driver.heardMsAgo)}`]),
    ...(document.mark === null ? [] : [`mark     instance ${document.mark.instance}, epoch ${document.mark.epoch}`]),
    ...(document.backup === null ? [] : [`backup   ${document.backup.file}, instance ${document.backup.instance}`]),
    ...(stop === null ? [] : [`stopped  ${stop.member ?? 'the cell'}: ${stop.reason}`]),
  ];
  const steps = table(
    columns('AT', 'MEMBER', 'STEP', 'STATE', 'DETAIL'),
    document.steps.map(({ at, member, step, state: how, detail }) => [at, member ?? '-', step, how, detail]),
  );
  const next = document.next.map((command) => `next     ${command}`);
  await writeResult(`${[...lines.map(printable), steps, ...next].join('\n')}\n`);
}

export async function showPlan(plan: Plan): Promise<void> {
  const rows = plan.order.map(({ name, role, version }, i) => [String(i + 1), name, role, version, plan.to]);
  const findings = plan.findings.map((finding) => `refused  ${printable(findingText(finding))}`);
  const head = `upgrade ${plan.from} -> ${plan.to} of cell ${plan.cell.name}, level ${plan.level}`;
  const turns = table(columns('TURN', 'NAME', 'ROLE', 'RUNS', 'WILL RUN'), rows);
  await writeResult(`${[printable(head), turns, ...findings].join('\n')}\n`);
}

export async function showHistory(attempts: readonly Attempt[], { stale }: { readonly stale: boolean }): Promise<void> {
  tellStale(stale);
  const rows = attempts.map(({ attempt, endedBy, from, to, state, startedBy, startedAt, changedAt, stop }) => [
    attempt,
    `${from} -> ${to}`,
    endedBy === undefined ? state : `${state}, ended by a new generation`,
    startedBy,
    startedAt,
    changedAt,
    stop?.reason ?? '',
  ]);
  if (rows.length === 0) return writeResult('no upgrade was ever begun\n');
  await writeResult(
    `${table(columns('ATTEMPT', 'VERSIONS', 'STATE', 'BY', 'BEGUN', 'CHANGED', 'WHY IT STOPPED'), rows)}\n`,
  );
}

interface ScanView extends AttemptScanDocument {
  readonly verifiedBy: string;
}

export async function showScan(
  scans: readonly ScanView[],
  problems: readonly string[],
  open: string | null,
): Promise<void> {
  const rows = scans.flatMap(({ member, folders, verifiedBy }) =>
    folders.length === 0
      ? [[member, '-', '0', '', '', verifiedBy]]
      : folders.map(({ attempt, files, manifest }) => [
          member,
          attempt === open ? `${attempt} (open)` : attempt,
          String(files.length),
          manifest === null ? '' : `instance ${manifest.instance}`,
          files
            .map(({ modifiedAt }) => modifiedAt)
            .sort()
            .at(-1) ?? '',
          verifiedBy,
        ]),
  );
  const found = table(columns('MEMBER', 'ATTEMPT', 'FILES', 'BEGUN AT', 'NEWEST FILE', 'VERIFIED BY'), rows);
  await writeResult(`${[found, ...problems.map(printable)].join('\n')}\n`);
}
