/**
 * From what all that could be asked have reported: the state that a new generation begins with, and what it costs.
 *
 * Source: design §3 "Generations": the phase-1 rule over all survivors, not the longest log. Pure and deterministic: the same
 * reports give the same decision, so that a program that was killed goes on where it was.
 */
import { createHash } from 'node:crypto';
import { RefusedError } from '../../errors/index.ts';
import {
  contains,
  type KnownHistory,
  lostAtLeast,
  numbersApart,
  type SeenPoint,
} from '../../formats/history-points.ts';
import { chained } from '../../formats/log-chain.ts';
import type { AcceptedDocument, GenerationDecision, GenerationId, RecoverReport } from '../../formats/recovery.ts';
import { decodeValue, encodeValue } from '../../formats/value.ts';

/** Somebody has seen this; if it is not in the history that is gone on from, it is lost. */
export interface Witnessed extends SeenPoint {
  /** Who remembers it. */
  readonly by: string;
}

export interface Price {
  /** What is proven to be lost. Nobody can prove that it is all. */
  readonly revisionsAtLeast: number;
  readonly because: readonly string[];
  /** Members that nobody could ask, or whose disk could not say everything. */
  readonly notAsked: readonly string[];
}

export interface Decided {
  readonly decision: GenerationDecision;
  /** Of the decision, hex: members compare it, so that nobody is ready with another state than the rest. */
  readonly digest: string;
  readonly price: Price;
}

export interface DecideOptions {
  readonly to: GenerationId;
  readonly reports: readonly RecoverReport[];
  readonly witnessed: readonly Witnessed[];
  /** The member whose history is kept where there are several. */
  readonly branch: string | null;
}

/** @throws {RefusedError} (exit 5) when histories differ and none was chosen. */
export function decide({ to, reports, witnessed, branch }: DecideOptions): Decided {
  const all = [...reports].sort((a, b) => (a.member < b.member ? -1 : 1));
  const base = chooseBase(all, branch);
  const kept = all.filter((it) => historyContains(base, it.applied) || it === base);
  const tail = tailOf(base, kept);
  const answering = new Set(all.map(({ member }) => member));
  const members = base.members.filter(({ name }) => answering.has(name));
  const reached = [
    ...all.flatMap((it) => [
      it.highest,
      it.attempt?.generationId === to.generationId ? 0 : (it.attempt?.state?.instance ?? 0),
    ]),
    ...witnessed.flatMap(({ instance, epoch, revision }) => [instance, epoch, revision]),
  ];
  const numbers = (Math.floor(Math.max(...reached) / numbersApart) + 1) * numbersApart;
  const decision: GenerationDecision = {
    generation: to.generation,
    generationId: to.generationId,
    base: base.member,
    baseApplied: base.applied.instance,
    tail,
    numbers,
    members: members.map(({ name, url, role }) => ({
      name,
      url,
      role: role === 'voter' ? 'voter' : 'learner',
      incarnation: numbers,
    })),
  };
  return { decision, digest: digestOf(base, decision), price: priceOf(base, tail, { all, witnessed }) };
}

/**
 * Of what comes of it, not of how: a member that was restarted meanwhile may know less as chosen than before, and another one
 * be the base then, while the state that is arrived at is the same, byte for byte.
 */
function digestOf(
  base: RecoverReport,
  { tail, generation, generationId, numbers, members }: GenerationDecision,
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
  const last = base.applied.instance + tail.length;
  const outcome = { generation, generationId, numbers, members, last, chain: Buffer.from(chain).toString('hex') };
  return sha256(Buffer.from(JSON.stringify(outcome))).toString('hex');
}

/** As the runtime judges marks, from what a report tells. */
function historyOf(report: RecoverReport): KnownHistory {
  const { epochs, generation, applied } = report;
  return {
    generation,
    revision: applied.revision,
    epochAt: (n) => epochs.find(({ epoch }) => epoch === n) ?? null,
    epochAfter: (n) => epochs.find(({ epoch }) => epoch > n) ?? null,
  };
}

const historyContains = (report: RecoverReport, point: RecoverReport['applied']): boolean =>
  point.instance === 0 || contains(historyOf(report), report.applied.instance, { generation: 0, ...point });

/** The furthest of those whose history all others' are part of. */
function chooseBase(all: readonly RecoverReport[], branch: string | null): RecoverReport {
  const furthest = [...all].sort((a, b) => b.applied.instance - a.applied.instance);
  const chosen = branch === null ? furthest[0] : furthest.find(({ member }) => member === branch);
  if (chosen === undefined) throw new RefusedError(`${branch} does not answer: its history cannot be gone on from.`);
  // Whoever has all of the chosen branch and more of it.
  const base = furthest.find((it) => historyContains(it, chosen.applied)) ?? chosen;
  const others = all.filter((it) => !historyContains(base, it.applied));
  if (others.length === 0 || branch !== null) return base;
  const text = [base, ...others]
    .map(
      ({ member, applied }) =>
        `${member}: epoch ${applied.epoch}, instance ${applied.instance}, revision ${applied.revision}`,
    )
    .join('; ');
  throw new RefusedError(`The members hold different histories, and one has to be chosen (${text}).`, {
    facts: { branches: [base, ...others].map(({ member, applied }) => ({ member, ...applied })) },
    suggestions: [base, ...others].map(({ member }) => `paxosctl recover plan --keep-present --branch ${member}`),
  });
}

/** PMS §2.2: what is known as chosen; else the value of the highest ballot; a no-op where nobody accepted anything. */
function tailOf(base: RecoverReport, kept: readonly RecoverReport[]): GenerationDecision['tail'] {
  const best = new Map<number, { readonly entry: AcceptedDocument; readonly chosen: boolean }>();
  for (const report of kept) {
    for (const entry of report.entries) {
      if (entry.instance <= base.applied.instance) continue;
      const chosen = entry.instance <= report.chosenUpTo;
      const known = best.get(entry.instance);
      const better =
        known === undefined || (chosen && !known.chosen) || (chosen === known.chosen && above(entry, known.entry));
      if (better && !(known?.chosen === true && !chosen)) best.set(entry.instance, { entry, chosen });
    }
  }
  const last = Math.max(base.applied.instance, ...best.keys());
  const nothing = Buffer.from(encodeValue({ kind: 'noop' })).toString('base64');
  const tail: { instance: number; valueBase64: string }[] = [];
  for (let instance = base.applied.instance + 1; instance <= last; instance++) {
    tail.push({ instance, valueBase64: best.get(instance)?.entry.valueBase64 ?? nothing });
  }
  return tail;
}

function above({ ballot: a }: AcceptedDocument, { ballot: b }: AcceptedDocument): boolean {
  if (a.round !== b.round) return a.round > b.round;
  if (a.name !== b.name) return a.name > b.name;
  return a.incarnation > b.incarnation;
}

function priceOf(
  base: RecoverReport,
  tail: GenerationDecision['tail'],
  { all, witnessed }: { readonly all: readonly RecoverReport[]; readonly witnessed: readonly Witnessed[] },
): Price {
  const own = historyOf(base);
  // Each item of the tail may be one more revision: a lower bound of the loss must allow for all of them.
  const kept = tail.reduce((sum, { valueBase64 }) => {
    const value = decodeValue(Buffer.from(valueBase64, 'base64'));
    return sum + (value.kind === 'submitted' ? value.items.length : 0);
  }, 0);
  const history = { ...own, revision: own.revision + kept };
  const branches = all.map(({ member, generation, applied }): Witnessed => ({ ...applied, generation, by: member }));
  const because: string[] = [];
  let revisionsAtLeast = 0;
  for (const point of [...witnessed, ...branches]) {
    if (contains(history, base.applied.instance, point) || point.instance === 0) continue;
    if (point.generation < base.generation) continue;
    const lost = lostAtLeast(point, history);
    revisionsAtLeast = Math.max(revisionsAtLeast, lost);
    because.push(
      `${point.by} has seen epoch ${point.epoch}, instance ${point.instance}, revision ${point.revision}: at least ${lost} revisions more`,
    );
  }
  const answering = new Map(all.map((report) => [report.member, report]));
  const notAsked = base.members.map(({ name }) => name).filter((name) => (answering.get(name)?.unreadable ?? 1) > 0);
  return { revisionsAtLeast, because, notAsked };
}
