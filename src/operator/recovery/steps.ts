/**
 * The steps of making a new generation, as an operator's program asks them of the members: fence, offer, build, take, active (design
 * §3 "Generations"). Each is found done when it was, so that a program that was killed is simply run again.
 */
import { OperatorError, RefusedError, UnreachableError } from '../../errors/index.ts';
import type { GenerationId, OfferedState, RecoverAnswer, RecoverReport, RecoverStep } from '../../formats/recovery.ts';
import type { Decided, Price } from './decide.ts';
import { realWorld } from './real-world.ts';
import { refuseAlive } from './signs-of-life.ts';
import type { GenerationWorld } from './world.ts';

const stepMsMax = 10_000;
const pollMs = 100;
/** For members that were just started to compare their disks: more than a lease and what connecting takes. */
const compareMsMax = 3_000;
/** Of an offered file, in one request: well below what a JSON body may hold. */
const pieceBytes = 256 * 1024;

export interface Acceptance {
  readonly acceptLoss: number | null;
  readonly acceptUnknownLoss: readonly string[];
}

export interface StepsOptions {
  readonly to: GenerationId;
  readonly members: readonly { readonly name: string; readonly url: string }[];
  readonly cell: { readonly id: string; readonly name: string };
  /** The id that the cell has afterwards, where that is another one. */
  readonly becomes?: string;
  readonly timeoutMs: number;
  /** Digest of the file that it is made of; empty for none. */
  readonly source: string;
  /** The command to run again, as far as it is known. */
  readonly again: string;
  /** The one that begins anew, where that cannot go on. */
  readonly anew: string;
  /** Before each step. What it throws ends the program there. */
  readonly onStep: (what: string) => void;
  /** The real one where absent. */
  readonly world?: GenerationWorld;
}

export interface Source {
  /** What is offered where the decision says so. */
  readonly file: string;
}

export class Steps {
  readonly #options: StepsOptions;
  readonly #world: GenerationWorld;
  /** As whom each member reported itself. */
  readonly #known = new Map<string, RecoverReport>();

  constructor(options: StepsOptions) {
    this.#options = options;
    this.#world = options.world ?? realWorld;
  }

  /** Of the members of this cell that answer now. */
  async reports(): Promise<RecoverReport[]> {
    const { members, cell, becomes, timeoutMs } = this.#options;
    const limit = Math.min(timeoutMs, stepMsMax);
    const all = await Promise.all(members.map(({ url }) => this.#world.report(url, limit)));
    const reports = all.flatMap((it) =>
      it === null || (it.cell.id !== cell.id && it.cell.id !== becomes) ? [] : [it],
    );
    for (const report of reports) this.#known.set(report.member, report);
    return reports;
  }

  /** The same, given a while to compare their disks where they were just started. `first`: what they said already. */
  async compared(first: readonly RecoverReport[]): Promise<readonly RecoverReport[]> {
    const deadline = this.#world.nowMs() + Math.min(compareMsMax, this.#options.timeoutMs);
    let reports = first;
    while (reports.some(({ disk }) => disk === 'not-compared') && this.#world.nowMs() < deadline) {
      await this.#world.sleep(pollMs);
      const now = await this.reports();
      reports = first.map((it) => now.find(({ member }) => member === it.member) ?? it);
    }
    return reports;
  }

  allReady(reports: readonly RecoverReport[]): boolean {
    const { generationId } = this.#options.to;
    return reports.every(({ attempt }) => attempt?.generationId === generationId && attempt.step !== 'fenced');
  }

  /**
   * Members that do not take part are lost by somebody's word alone. Whoever is ready goes on by itself: where all are there is
   * nothing left to refuse.
   * @throws {RefusedError} (exit 5) with what speaks against it.
   */
  async refuseAlive(taking: readonly RecoverReport[], lost: readonly string[]): Promise<void> {
    const { members, timeoutMs, again, cell, becomes = cell.id } = this.#options;
    if (this.allReady(taking)) return;
    const names = new Set(taking.map(({ member }) => member));
    const reports = async (): Promise<RecoverReport[]> => (await this.reports()).filter((it) => !names.has(it.member));
    await refuseAlive({
      members,
      lost: lost.filter((name) => !names.has(name)),
      reports,
      cells: [cell.id, becomes],
      timeoutMs,
      again,
      world: this.#world,
    });
  }

  /** All of them: whoever does not answer must have been named as lost, which the price checks. */
  async fence(members: readonly RecoverReport[]): Promise<RecoverReport[]> {
    const { onStep } = this.#options;
    onStep('fencing the members');
    const settled = await Promise.allSettled(members.map((it) => this.#fenceOne(it)));
    const fenced = settled.flatMap((it) => (it.status === 'fulfilled' ? [it.value.report] : []));
    const failed = settled.find((it) => it.status === 'rejected');
    if (failed === undefined) return fenced;
    // Whoever was fenced nevertheless, its answer lost, is asked too.
    throw await this.givenUp(this.#withAgain(failed.reason), members);
  }

  /** What failed, with the command to run again. */
  #withAgain(error: unknown): unknown {
    if (!(error instanceof UnreachableError)) return error;
    const { again } = this.#options;
    return new UnreachableError(error.message, {
      facts: error.facts,
      suggestions: [again, ...error.suggestions],
      cause: error,
    });
  }

  /**
   * Lifts the fence of all that answer, as long as nobody is ready: from then on the members go on by themselves, and only the
   * same command ends it.
   * @returns who is ready, or may be, and who is fenced still.
   */
  async giveUp(members: readonly RecoverReport[]): Promise<Record<'ready' | 'fenced', readonly string[]>> {
    const { to } = this.#options;
    const now = await this.reports();
    const own = now.filter(({ attempt }) => attempt?.generationId === to.generationId);
    // One that does not say now how far it is may be ready.
    const ready = [...own, ...members].filter(
      ({ attempt }) => attempt?.generationId === to.generationId && attempt.step !== 'fenced',
    );
    const lifted = ready.length === 0 ? await this.lift(own) : [];
    const fenced = own.map(({ member }) => member).filter((it) => !lifted.includes(it));
    return { ready: [...new Set(ready.map(({ member }) => member))].sort(), fenced };
  }

  /** Ends what was begun, as far as it can be, and says with the error what has become of it. */
  async givenUp(error: unknown, fenced: readonly RecoverReport[]): Promise<unknown> {
    const { ready, fenced: left } = await this.giveUp(fenced);
    const { to, again } = this.#options;
    if (!(error instanceof RefusedError) && !(error instanceof UnreachableError)) return error;
    const { generation } = to;
    const message =
      ready.length === 0
        ? `${error.message} ${left.length === 0 ? 'The fence is lifted: the cell is as it was before.' : `${left.join(', ')} did not take the lift, and stays fenced until this is run again.`}`
        : `${error.message} ${ready.join(', ')} ${ready.length === 1 ? 'is' : 'are'} ready for generation ${generation} already, and ` +
          'the members stay silent until all are: the same command ends it.';
    const { facts, suggestions, cause } = error;
    const all = ready.length === 0 || suggestions.includes(again) ? suggestions : [...suggestions, again];
    const options = { facts: { ...facts, ready, generation }, suggestions: all, cause };
    return error instanceof RefusedError ? new RefusedError(message, options) : new UnreachableError(message, options);
  }

  async #fenceOne(report: RecoverReport): Promise<RecoverAnswer> {
    const { to, source } = this.#options;
    this.#known.set(report.member, report);
    try {
      return await this.#askPatiently(report.member, { op: 'fence', source, ...to });
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code !== 'PAXOS_REFUSED') throw error;
      const { message, facts, cause } = error;
      throw new RefusedError(message, { facts, cause, suggestions: this.#beginAnew });
    }
  }

  /** It may be opening its directory, as one does that was ready and begins the generation, or end what an earlier attempt began. */
  async #askPatiently(member: string, step: RecoverStep): Promise<RecoverAnswer> {
    const { timeoutMs } = this.#options;
    const deadline = this.#world.nowMs() + Math.min(timeoutMs, stepMsMax);
    for (;;) {
      try {
        return await this.#ask(member, step);
      } catch (error) {
        const opening = error instanceof OperatorError && error.code === 'PAXOS_NOT_SERVING';
        if (!opening || this.#world.nowMs() >= deadline) throw error;
      }
      await this.#world.sleep(pollMs);
    }
  }

  /** Names of the generation's members when one of these has begun it: then all that are ready follow. Null before. */
  begunBy(reports: readonly RecoverReport[]): readonly string[] | null {
    const { generation, generationId } = this.#options.to;
    const begun = reports.find((it) => it.generation === generation && it.generationId === generationId);
    return begun === undefined ? null : begun.members.map(({ name }) => name);
  }

  /** As it was before, where nothing else was done. @returns who has taken it. */
  async lift(fenced: readonly RecoverReport[]): Promise<readonly string[]> {
    const { to } = this.#options;
    const taken: string[] = [];
    for (const { member, attempt } of fenced) {
      if (attempt?.step !== 'fenced') continue;
      const answer = await this.#ask(member, { op: 'lift', ...to }).catch(() => null);
      if (answer !== null) taken.push(member);
    }
    return taken;
  }

  /**
   * Until all members of the decision are active. `lastLook` comes right before the first of them may be ready: bringing a large file there
   * takes long, and whoever was called lost may be back by then. What it throws ends the attempt, with nobody ready.
   * @returns their names.
   */
  async carryOut(
    { decision, digest }: Pick<Decided, 'decision' | 'digest'>,
    source: Source | null,
    lastLook: () => Promise<void> = async () => undefined,
  ): Promise<string[]> {
    const { to, onStep } = this.#options;
    const { base, members, cellId } = decision;
    const { instance, sha256 } = await this.#built({ decision, digest }, source, lastLook);
    for (const { name } of members) {
      if (name === base) continue;
      onStep(`bringing it to ${name}`);
      const take: RecoverStep = { op: 'take', ...to, cellId, from: base, instance, sha256, digest };
      await this.#untilReady(name, take).catch((error: unknown) => this.#refused(error));
    }
    onStep('waiting until all are active');
    return this.allActive(members.map(({ name }) => name));
  }

  /** The first that is ready. A refusal before that leaves nobody in a generation that nobody is making. */
  async #built(
    { decision, digest }: Pick<Decided, 'decision' | 'digest'>,
    source: Source | null,
    lastLook: () => Promise<void>,
  ) {
    const { to, onStep } = this.#options;
    const { base, offered } = decision;
    const offer = async (): Promise<void> => {
      if (offered !== null && source !== null) await this.#offer(base, offered, source.file);
    };
    if (offered !== null && source !== null) onStep(`offering the file to ${base}`);
    await offer().catch((error: unknown) => this.#refused(error));
    await lastLook();
    try {
      onStep(`making the state of generation ${to.generation} on ${base}`);
      return await this.#untilReady(base, { op: 'build', decision, digest }, offer);
    } catch (error) {
      return this.#refused(error);
    }
  }

  /** A member's refusal, with what has become of the attempt. Who does not answer may be at work still. */
  async #refused(error: unknown): Promise<never> {
    if (!(error instanceof OperatorError) || error.code !== 'PAXOS_REFUSED') throw this.#withAgain(error);
    const { message, facts, cause } = error;
    throw await this.givenUp(new RefusedError(message, { facts, cause, suggestions: this.#beginAnew }), []);
  }

  get #beginAnew(): readonly string[] {
    return ['paxosctl status', this.#options.anew];
  }

  /** In pieces; gone on with where the member is, from the beginning when it was restarted. */
  async #offer(name: string, offered: OfferedState, file: string): Promise<void> {
    const { to } = this.#options;
    const handle = await this.#world.openFile(file);
    try {
      const piece = Buffer.alloc(pieceBytes);
      // At most so often is more than one piece sent for each that the file has.
      let restarts = 0;
      for (let offset = 0; offset < offered.bytes; ) {
        const { bytesRead } = await handle.read(piece, 0, pieceBytes, offset);
        const pieceBase64 = piece.toString('base64', 0, bytesRead);
        const step: RecoverStep = { op: 'offer', ...to, ...offered, offset, pieceBase64 };
        const { offered: has, state } = await this.#askPatiently(name, step);
        if (state !== null) return;
        if (has <= offset && ++restarts > 5) throw new UnreachableError(`${name} does not take the file.`);
        offset = has;
      }
    } finally {
      await handle.close();
    }
  }

  /** Asks again until the member says that it is ready. */
  async #untilReady(
    name: string,
    step: RecoverStep,
    offerAgain: () => Promise<void> = async () => undefined,
  ): Promise<NonNullable<RecoverAnswer['state']>> {
    const { timeoutMs, again } = this.#options;
    const deadline = this.#world.nowMs() + timeoutMs;
    let why = 'it is at work';
    while (this.#world.nowMs() < deadline) {
      try {
        const { state } = await this.#ask(name, step);
        if (state !== null) return state;
      } catch (error) {
        if (!(error instanceof OperatorError) || error.code !== 'PAXOS_REFUSED') why = (error as Error).message;
        else if (error.facts.notOffered === true) await offerAgain();
        else throw error;
      }
      await this.#world.sleep(pollMs);
    }
    throw new UnreachableError(
      `${name} is not ready for the new generation within ${timeoutMs} ms (${why}). Run it again.`,
      { facts: { member: name, timeoutMs }, suggestions: [again] },
    );
  }

  /** They become active by themselves, once all are ready. */
  async allActive(wanted: readonly string[]): Promise<string[]> {
    const { to, timeoutMs } = this.#options;
    const deadline = this.#world.nowMs() + timeoutMs;
    while (this.#world.nowMs() < deadline) {
      const active = (await this.reports()).filter(
        (it) => it.generation === to.generation && it.generationId === to.generationId && wanted.includes(it.member),
      );
      if (active.length === wanted.length) return [...wanted].sort();
      await this.#world.sleep(pollMs);
    }
    throw new UnreachableError(
      `Not all of ${wanted.join(', ')} are active within ${timeoutMs} ms; they go on by themselves.`,
      { facts: { members: wanted, generation: to.generation }, suggestions: ['paxosctl status'] },
    );
  }

  urlOf(name: string): string {
    return this.#options.members.find((it) => it.name === name)?.url ?? '';
  }

  async #ask(name: string, step: RecoverStep): Promise<RecoverAnswer> {
    const known = this.#known.get(name);
    if (known === undefined) throw new UnreachableError(`${name} does not answer.`, { facts: { member: name } });
    const { cell, member, incarnation } = known;
    const request = { ...step, cell: cell.id, member, incarnation };
    const answer = await this.#world.step(this.urlOf(name), request, Math.min(this.#options.timeoutMs, stepMsMax));
    this.#known.set(name, answer.report);
    return answer;
  }
}

/** @throws {RefusedError} (exit 5) with the price, when less was accepted. `flags`: the command as it would have to be. */
export function refuseDearer(
  price: Price,
  accepted: Acceptance,
  { what, command }: { readonly what: string; readonly command: string },
): void {
  const { acceptLoss, acceptUnknownLoss } = accepted;
  const unnamed = price.notAsked.filter((name) => !acceptUnknownLoss.includes(name));
  const missing = price.because.length > 0 && (acceptLoss ?? -1) < price.revisionsAtLeast;
  if (!missing && unnamed.length === 0) return;
  const lost = missing ? `at least ${price.revisionsAtLeast} revisions would be lost` : '';
  const why = price.unknown.filter((_, at) => unnamed.includes(price.notAsked[at] ?? ''));
  const unknown = unnamed.length > 0 ? `what only ${unnamed.join(', ')} had cannot be known (${why.join('; ')})` : '';
  throw new RefusedError(`${what}: ${[lost, unknown].filter((it) => it !== '').join('; ')}.`, {
    facts: { price, acceptLoss, acceptUnknownLoss },
    suggestions: [`${command}${acceptingFlags(price)}`],
  });
}

/** What has to be typed to accept that price. */
export const acceptingFlags = (price: Price): string =>
  [
    price.because.length > 0 ? ` --accept-loss ${price.revisionsAtLeast}` : '',
    price.notAsked.length > 0 ? ` --accept-unknown-loss ${price.notAsked.join(',')}` : '',
  ].join('');
