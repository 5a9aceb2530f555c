/**
 * From what all that could be asked have reported: the state that a new generation begins with, and what it costs.
 *
 * Source: design §3 "Generations": the phase-1 rule over all survivors, not the longest log. Pure and deterministic: the same
 * reports give the same decision, so that a program that was killed goes on where it was.
 */
import { createHash } from 'node:crypto';
import { RefusedError } from '../../errors/index.ts';
import { contains, lostAtLeast, numbersApart, type SeenPoint } from '../../formats/history-points.ts';
import { chained } from '../../formats/log-chain.ts';
import type { AcceptedDocument, GenerationDecision, GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { decodeValue, encodeValue } from '../../formats/value.ts';
import { notAskedOf, readyElsewhere } from './asked.ts';
import { type Candidate, type CollectedCopy, candidatesOf } from './candidates.ts';
import { historyContains, historyOf, toldBy, writtenApart } from './history.ts';
import { takesPart } from './takes-part.ts';

/** Somebody has seen this; if it is not in the history that is gone on from, it is lost. */
export interface Witnessed extends SeenPoint {
  /** Who remembers it. */
  readonly by: string;
}

export interface Price {
  /** What is proven to be lost. Nobody can prove that it is all. */
  readonly revisionsAtLeast: number;
  readonly because: readonly string[];
  /** Members that nobody could ask, or whose disk cannot be relied on to say everything. */
  readonly notAsked: readonly string[];
  /** For each of them, why. */
  readonly unknown: readonly string[];
}

export interface Decided {
  readonly decision: GenerationDecision;
  /** Of the decision, hex: members compare it, so that nobody is ready with another state than the rest. */
  readonly digest: string;
  readonly price: Price;
}

export interface DecideOptions {
  readonly to: GenerationId;
  /** Of those that answer. Who is no member of the newest configuration takes no part, and is asked all the same. */
  readonly reports: readonly RecoverReport[];
  readonly collected?: readonly CollectedCopy[];
  readonly witnessed: readonly Witnessed[];
  /** The numbers of the generation are never lower: what an earlier look has found. */
  readonly numbers?: number;
  /** The member whose history is kept where there are several. */
  readonly branch: string | null;
}

/** @throws {RefusedError} (exit 5) when histories differ and none was chosen. */
export function decide({
  to,
  reports,
  collected = [],
  witnessed,
  numbers: atLeast = 0,
  branch,
}: DecideOptions): Decided {
  const candidates = candidatesOf({ to, reports, collected });
  const chosen = chooseBase(candidates, branch);
  const { report: base, source, holder } = chosen;
  const all = candidates.map(({ report }) => report);
  const kept = all.filter((it) => historyContains(base, it.applied) || it === base);
  const tail = tailOf(base, kept);
  const numbers = numbersAbove(to, all, witnessed, [atLeast - 1]);
  const members = membersOf(base, reports, numbers);
  const decision: GenerationDecision = {
    ...to,
    cellId: base.cell.id,
    base: holder ?? (members[0] as (typeof members)[number]).name,
    offered: source === 'own' ? null : source,
    baseApplied: base.applied.instance,
    tail,
    numbers,
    members,
  };
  const price = priceOf(chosen, tail, { to, all, reports, witnessed });
  return { decision, digest: digestOf(base, decision), price };
}

/** Those of the newest configuration that take part, as they begin the generation. */
export function membersOf(
  newest: RecoverReport,
  live: readonly RecoverReport[],
  numbers: number,
): GenerationDecision['members'] {
  const members = newest.members.filter(({ name }) => live.some((it) => it.member === name && takesPart(newest, it)));
  if (!members.some(({ role }) => role === 'voter')) {
    const names = members.map(({ name }) => name);
    throw new RefusedError(
      `Of the members that answer (${names.join(', ')}) none votes: nobody could decide anything.`,
      {
        facts: { members: names },
        suggestions: ['paxosctl status'],
      },
    );
  }
  return members.map(({ name, url, role }) => ({
    name,
    url,
    role: role === 'voter' ? 'voter' : 'learner',
    incarnation: numbers,
  }));
}

/** A multiple that no number of any kind that anybody knows of has reached. */
export function numbersAbove(
  to: GenerationId,
  all: readonly RecoverReport[],
  witnessed: readonly SeenPoint[],
  further: readonly number[] = [],
): number {
  const reached = [
    ...all.flatMap((it) => [
      it.highest,
      it.attempt?.generationId === to.generationId ? 0 : (it.attempt?.state?.instance ?? 0),
    ]),
    ...witnessed.flatMap(({ instance, epoch, revision }) => [instance, epoch, revision]),
    ...further,
  ];
  return (Math.floor(Math.max(...reached) / numbersApart) + 1) * numbersApart;
}

/**
 * Of what comes of it, not of how: a member that was restarted meanwhile may know less as chosen than before, and another one
 * be the base then, while the state that is arrived at is the same, byte for byte.
 */
export function digestOf(
  base: Pick<RecoverReport, 'logChain'>,
  { tail, baseApplied, generation, generationId, cellId, numbers, members }: GenerationDecision,
): string {
  const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  let chain: Uint8Array = Buffer.from(base.logChain, 'hex');
  for (const { instance, valueBase64 } of tail) {
    const value = decodeValue(Buffer.from(valueBase64, 'base64'));
    chain = chained({ sha256 }, chain, { instance: instance as never, value });
  }
  const last = baseApplied + tail.length;
  const outcome = {
    cellId,
    generation,
    generationId,
    numbers,
    members,
    last,
    chain: Buffer.from(chain).toString('hex'),
  };
  return sha256(Buffer.from(JSON.stringify(outcome))).toString('hex');
}

/**
 * The furthest of those whose history all others' are part of. What is set aside teaches nobody unasked (pitfall P30), and a
 * copy without its state cannot be gone on from.
 */
function chooseBase(candidates: readonly Candidate[], branch: string | null): Candidate {
  const able = candidates.filter(
    ({ source, report, label }) => source !== null && (!report.setAside || label === branch),
  );
  if (able.length === 0) {
    throw new RefusedError('Nobody holds a state that a generation could begin with.', {
      facts: { members: candidates.map(({ label }) => label) },
      suggestions: ['paxosctl status', 'paxosctl recover collect --data-dir DIR', 'paxosctl cell restore FILE'],
    });
  }
  const furthest = [...able].sort((a, b) => b.report.applied.instance - a.report.applied.instance);
  const chosen = branch === null ? furthest[0] : furthest.find(({ label }) => label === branch);
  if (chosen === undefined) throw new RefusedError(`${branch} does not answer: its history cannot be gone on from.`);
  // Whoever has all of the chosen branch and more of it, in the generation that was chosen.
  const sameLine = ({ report }: Candidate): boolean =>
    branch === null || report.generation === chosen.report.generation;
  const base = furthest.find((it) => sameLine(it) && historyContains(it.report, chosen.report.applied)) ?? chosen;
  const others = able.filter((it) => !historyContains(base.report, it.report.applied) && !gaveUp(base, it));
  if (others.length === 0 || branch !== null) return base;
  const branches = [base, ...others];
  const text = branches
    .map(
      ({ label, report: { applied } }) =>
        `${label}: epoch ${applied.epoch}, instance ${applied.instance}, revision ${applied.revision}`,
    )
    .join('; ');
  throw new RefusedError(`The members hold different histories, and one has to be chosen (${text}).`, {
    facts: { branches: branches.map(({ label, report: { applied } }) => ({ member: label, ...applied })) },
    suggestions: branches.map(({ label }) => `paxosctl recover plan --keep-present --branch ${label}`),
  });
}

/** A generation that may have begun has given up what its parent held beyond: that was shown, and accepted, when it was made. */
const gaveUp = ({ mayHaveBegun, report }: Candidate, other: Candidate): boolean =>
  mayHaveBegun && other.report.generation < report.generation;

/**
 * A record further above the state is no continuation of it: it is of a member that has lost its own state, and what lies between is lost
 * with it. Applying is never as far behind.
 */
const tailInstancesMax = 100_000;

/**
 * PMS §2.2: what is known as chosen; else the value of the highest ballot; a no-op where nobody accepted anything. It ends before what is
 * known to be chosen and nobody has any more: what follows would be applied to a state that never was.
 */
export function tailOf(base: RecoverReport, kept: readonly RecoverReport[]): GenerationDecision['tail'] {
  const best = new Map<number, { readonly entry: AcceptedDocument; readonly chosen: boolean }>();
  const { instance: applied } = base.applied;
  for (const report of kept) {
    for (const entry of report.entries) {
      if (entry.instance <= applied || entry.instance > applied + tailInstancesMax) continue;
      const chosen = entry.instance <= report.chosenUpTo;
      const known = best.get(entry.instance);
      const better =
        known === undefined || (chosen && !known.chosen) || (chosen === known.chosen && above(entry, known.entry));
      if (better && !(known?.chosen === true && !chosen)) best.set(entry.instance, { entry, chosen });
    }
  }
  const last = [...best.keys()].reduce((highest, it) => Math.max(highest, it), applied);
  const chosenUpTo = Math.max(0, ...kept.map(({ missingUpTo = 0 }) => missingUpTo));
  const nothing = Buffer.from(encodeValue({ kind: 'noop' })).toString('base64');
  const tail: { instance: number; valueBase64: string }[] = [];
  for (let instance = applied + 1; instance <= last; instance++) {
    const known = best.get(instance)?.entry.valueBase64;
    if (known === undefined && instance <= chosenUpTo) break;
    tail.push({ instance, valueBase64: known ?? nothing });
  }
  return tail;
}

function above({ ballot: a }: AcceptedDocument, { ballot: b }: AcceptedDocument): boolean {
  if (a.round !== b.round) return a.round > b.round;
  if (a.name !== b.name) return a.name > b.name;
  return a.incarnation > b.incarnation;
}

function priceOf(
  { report: base, mayHaveBegun }: Candidate,
  tail: GenerationDecision['tail'],
  {
    to,
    all,
    reports,
    witnessed,
  }: { readonly all: readonly RecoverReport[] } & Pick<DecideOptions, 'to' | 'reports' | 'witnessed'>,
): Price {
  const own = historyOf(base);
  // Each item of the tail may be one more revision: a lower bound of the loss must allow for all of them.
  const kept = tail.reduce((sum, { valueBase64 }) => {
    const value = decodeValue(Buffer.from(valueBase64, 'base64'));
    return sum + (value.kind === 'submitted' ? value.items.length : 0);
  }, 0);
  const history = { ...own, revision: own.revision + kept };
  // A mark is of its own generation alone; a report tells what those before it have written, too.
  const branches = all.map((it) => ({
    ...{ ...it.applied, generation: it.generation, by: it.member },
    apart: writtenApart(toldBy(it), { ...toldBy(base), revision: history.revision }),
  }));
  const because: string[] = [];
  let revisionsAtLeast = 0;
  // What an older generation had beyond was given up when the next one began, if it did.
  const present = Math.max(...reports.map(({ generation }) => generation));
  const goneOnFrom = mayHaveBegun ? base.generation : Math.min(base.generation, present);
  for (const { apart, ...point } of [...witnessed.map((it) => ({ ...it, apart: 0 })), ...branches]) {
    if (contains(history, base.applied.instance, point) || point.instance === 0) continue;
    if (point.generation < goneOnFrom) continue;
    const lost = Math.max(lostAtLeast(point, history), apart);
    revisionsAtLeast = Math.max(revisionsAtLeast, lost);
    because.push(
      `${point.by} has seen epoch ${point.epoch}, instance ${point.instance}, revision ${point.revision}: at least ${lost} revisions more`,
    );
  }
  const elsewhere = readyElsewhere(to, base, reports);
  because.push(...elsewhere.map(({ text }) => text));
  const notAsked = notAskedOf(to, base, { reports, elsewhere });
  return {
    revisionsAtLeast,
    because,
    notAsked: notAsked.map(({ member }) => member),
    unknown: notAsked.map(({ why }) => why),
  };
}
