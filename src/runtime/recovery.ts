/**
 * One member's part in making a new generation of the cell (design §3 "Generations"): it says what it knows, stops for good,
 * makes or fetches the decided state, and becomes active when all others are ready or one is active.
 *
 * Keeps: each step is durable before it is said, and asked for again it is found done. Nothing of the parent is changed before
 * the generation is active; its files are kept then too. `ready` is the point of no return: whoever is ready goes on by
 * itself, whatever becomes of the operator's program.
 */
import type { Member } from '../core/consensus/configuration.ts';
import type { CommandResult } from '../core/database/command.ts';
import { OperatorError } from '../errors/index.ts';
import type { GenerationAttempt, GenerationStep } from '../formats/manifest.ts';
import type {
  Addressee,
  GenerationDecision,
  GenerationId,
  ReadyDocument,
  RecoverAnswer,
  RecoverReport,
  RecoverRequest,
} from '../formats/recovery.ts';
import type { Timer } from '../ports/clocks.ts';
import type { World } from '../ports/world.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import { DatabaseApplication } from './database-application.ts';
import { GenerationState } from './generation-state.ts';
import type { Logger } from './logger.ts';
import type { JoinedMember } from './member.ts';
import { readReady, readySteps } from './ready-state.ts';
import { reportOf } from './recovery-report.ts';

/** Between two looks whether the others are ready. */
const lookEveryMs = 200;

export interface RecoveryOptions {
  readonly joined: JoinedMember<CommandResult, DatabaseApplication>;
  readonly world: World;
  readonly logger: Logger;
  /** What another member says of itself and the generations; null when it does not answer. */
  askGeneration(url: string): Promise<GenerationView | null>;
  /** Closes this member and starts it again from its disk. */
  reopen(): void;
  /** The others have gone on in a generation that this member is no part of. */
  onLeftBehind(generation: number): void;
}

type ReadyStream = Awaited<ReturnType<ReplicaStorage['openReady']>>;

/** What a member tells the others, proven by the cell's secret. */
export interface GenerationView {
  readonly name: string;
  /** The generation that it is in. */
  readonly present: number;
  readonly presentId: string;
  readonly generation: number;
  readonly generationId: string;
  readonly step: GenerationAttempt['step'] | 'none';
  /** Digest of what was decided; empty before that. */
  readonly decision: string;
}

export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #state: GenerationState;
  #timer: Timer | null = null;
  /** Of the generation that this member is ready for. */
  #members: { readonly generationId: string; readonly list: readonly Member[] } | null = null;
  #closed = false;
  /** The step that is being carried out; asked for meanwhile, it is not begun twice. */
  #running: {
    readonly generationId: string;
    readonly digest: string;
    /** Null while it is at work. */
    readonly error: OperatorError | null;
  } | null = null;

  /** The states that it is ready with, by their digests, once they were read. */
  readonly #ready = new Map<string, ReadyDocument>();
  #reading: Promise<void>;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#state = new GenerationState(options.joined, options.world);
    this.#reading = this.#readReady();
    if (this.#attempt?.step === 'ready') this.#lookLater();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    void this.#state.close();
  }

  /** Of the generation being made; null when none is. */
  get #attempt(): GenerationAttempt | null {
    const { attempt, cell } = this.#options.joined.storage.manifest;
    return attempt !== null && attempt.generation > cell.generation ? attempt : null;
  }

  view(): GenerationView {
    const { manifest } = this.#options.joined.storage;
    const { attempt: newest, cell, member } = manifest;
    const { name } = member;
    const { application } = this.#options.joined;
    const present = cell.generation;
    const presentId = application.identity?.generationId ?? '';
    // Who is ready for the present generation follows this member into it, whatever it is fenced for.
    const isActive = newest?.before?.step === 'active' && newest.before.generation === cell.generation;
    const attempt = isActive ? newest.before : newest;
    if (attempt === null) {
      return { name, present, presentId, generation: present, generationId: '', step: 'none', decision: '' };
    }
    const { generation, generationId, step, decision } = attempt;
    return { name, present, presentId, generation, generationId, step, decision };
  }

  // --- what it knows --------------------------------------------------------------------------------------------------

  report(): RecoverReport {
    const { joined } = this.#options;
    const digests = readySteps(joined.storage.manifest).map(({ state }) => state?.sha256);
    const ready = digests.flatMap((it) => this.#ready.get(it ?? '') ?? []);
    return { ...reportOf(joined), ready };
  }

  /** The same, once the state that it is ready with has been read. */
  async wholeReport(): Promise<RecoverReport> {
    await this.#reading;
    return this.report();
  }

  /** What it is ready with counts as a state of its own from then on. Without it, it is only known that there is one. */
  async #readReady(): Promise<void> {
    const { joined, world, logger } = this.#options;
    const { digest, clocks } = world;
    for (const step of readySteps(joined.storage.manifest)) {
      const sha256 = step.state?.sha256 ?? '';
      if (this.#ready.has(sha256)) continue;
      const application = new DatabaseApplication({ digest, nextTurn: (callback) => clocks.nextTurn(callback) });
      try {
        const file = await joined.storage.readyFile(step);
        this.#ready.set(sha256, await readReady(file, joined.storage.manifest, application));
      } catch (error) {
        logger.error(
          { err: error, generation: step.generation },
          'a state that this member is ready with cannot be read',
        );
      }
    }
  }

  /** The file of a state that it is ready with, for an operator; null where there is none of that digest. */
  async openReady(sha256: string): Promise<{
    readonly digest: string;
    readonly instance: number;
    readonly file: ReadyStream;
  } | null> {
    const { storage } = this.#options.joined;
    const step = readySteps(storage.manifest).find(({ state }) => state?.sha256 === sha256);
    if (step === undefined || step.state === null) return null;
    return { digest: step.state.sha256, instance: step.state.instance, file: await storage.openReady(step) };
  }

  // --- what it is told ------------------------------------------------------------------------------------------------

  /** @throws {OperatorError} `PAXOS_REFUSED` when it cannot be done; nothing was changed then. */
  async handle(request: RecoverRequest): Promise<RecoverAnswer> {
    this.#refuseMisdirected(request, request.op === 'build' ? request.decision : request);
    switch (request.op) {
      case 'fence':
        await this.#fence(request);
        await this.#reading;
        return this.#answer();
      case 'lift':
        await this.#lift(request);
        return this.#answer();
      case 'offer':
        await this.#offer(request);
        return this.#answer();
      case 'build':
        if (!request.decision.members.some(({ role }) => role === 'voter')) throw refused('The decision has no voter.');
        this.#refuseAtWork(request.decision);
        this.#refuseNotOffered(request.decision);
        return this.#carryOut(request.decision, request.digest, (it) => this.#state.build(it, request.decision));
      case 'take':
        return this.#carryOut(request, request.digest, (it) => this.#state.take(it, request));
    }
  }

  #answer(): RecoverAnswer {
    const attempt = this.#options.joined.storage.manifest.attempt;
    const state = attempt !== null && attempt.step !== 'fenced' ? attempt.state : null;
    return { report: this.report(), state, offered: this.#state.offeredBytes };
  }

  /** An address may be another process's by now, and a directory another life's of its member. */
  #refuseMisdirected(request: Addressee, { generationId }: GenerationId): void {
    const { storage, log } = this.#options.joined;
    const { cell, member, attempt } = storage.manifest;
    // Who has begun that generation has another life, and perhaps the place of another cell: it is found done.
    const begun = attempt?.generationId === generationId && attempt.step === 'active';
    const isSame = request.cell === cell.id && request.incarnation === member.incarnation;
    if (request.member === member.name && (isSame || begun)) return;
    const asked = `${request.member}#${request.incarnation} of cell ${request.cell}`;
    throw refused(`This is ${log.self} of cell ${cell.id}, not ${asked}: nothing was done.`);
  }

  async #fence({ generation, generationId, source }: Extract<RecoverRequest, { op: 'fence' }>): Promise<void> {
    const { storage, log } = this.#options.joined;
    const { cell, attempt } = storage.manifest;
    // Found done, or further: also by a program that was started again after the generation became active.
    if (attempt?.generationId === generationId) {
      if (attempt.source === source) return;
      throw refused(`Generation ${generation} (${generationId}) was begun for another file: make a new plan.`);
    }
    if (generation <= cell.generation) {
      throw refused(`${log.self} is in generation ${cell.generation} already: make a new plan.`);
    }
    if (attempt?.step === 'active' && attempt.generation > cell.generation) {
      // Decided, and the others may have seen it: it is asked again as a member of that generation.
      throw new OperatorError('PAXOS_NOT_SERVING', `${log.self} is about to begin generation ${attempt.generation}.`);
    }
    const before = displacedBy(attempt);
    if (before !== null && before.generation >= generation) {
      throw refused(`${log.self} is ready for another generation ${before.generation}, ${before.generationId}.`);
    }
    const open = this.#attempt;
    if (open !== null && open.generation >= generation) {
      const other = `generation ${open.generation} (${open.generationId})`;
      throw refused(`${log.self} is fenced for ${other}: another recovery is under way, or was left where it was.`);
    }
    log.fence();
    try {
      await storage.setAttempt(
        { generation, generationId, step: 'fenced', decision: '', source, state: null, before },
        attempt,
      );
    } catch (error) {
      // Not fenced, and silent: nobody would lift what does not stand.
      if (storage.manifest.attempt === attempt && log.frozen === null) this.#options.reopen();
      throw error;
    }
    this.#options.logger.warn({ generation, generationId }, 'fenced: a new generation of the cell is being made');
  }

  async #lift({ generationId }: GenerationId): Promise<void> {
    const attempt = this.#attempt;
    if (attempt?.generationId !== generationId) return;
    if (attempt.step !== 'fenced') throw refused(`This member is ready for generation ${attempt.generation} already.`);
    const { before } = attempt;
    // Others may have begun what it was ready for: it stays silent, and goes on with that.
    await this.#options.joined.storage.setAttempt(before === null ? null : { ...before, before: null }, attempt);
    this.#options.logger.warn({ generationId, before: before?.generationId }, 'the fence is lifted');
    this.#options.reopen();
  }

  async #offer(request: Extract<RecoverRequest, { op: 'offer' }>): Promise<void> {
    const { attempt } = this.#options.joined.storage.manifest;
    if (attempt?.generationId !== request.generationId) throw refused('This member is not fenced for that generation.');
    // What it is ready with was made of it, or of something else: the next step tells.
    if (attempt.step !== 'fenced') return;
    this.#refuseAtWork(request);
    try {
      await this.#state.offer(request);
    } catch (error) {
      throw refused(`The file was not taken: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  get #isAtWork(): boolean {
    return this.#running !== null && this.#running.error === null;
  }

  /** What an earlier attempt has begun here comes to its end first: it reads the file that was offered for it. */
  #refuseAtWork({ generationId }: GenerationId): void {
    const running = this.#running;
    if (running === null || running.error !== null || running.generationId === generationId) return;
    throw new OperatorError(
      'PAXOS_NOT_SERVING',
      `${this.#options.joined.log.self} still makes a state for another attempt, ${running.generationId}: ask again.`,
    );
  }

  /** The program offers it again then. */
  #refuseNotOffered({ generationId, offered }: GenerationDecision): void {
    const { attempt } = this.#options.joined.storage.manifest;
    if (offered === null || attempt?.generationId !== generationId || attempt.step !== 'fenced') return;
    if (this.#isAtWork || this.#state.holds(offered)) return;
    throw new OperatorError('PAXOS_REFUSED', 'The file was not offered to this member since it started.', {
      facts: { notOffered: true },
    });
  }

  /** Begins what takes long, and answers at once: asked again, it says how far it is. */
  async #carryOut(
    { generationId }: GenerationId,
    digest: string,
    work: (attempt: GenerationAttempt) => Promise<NonNullable<GenerationAttempt['state']>>,
  ): Promise<RecoverAnswer> {
    const attempt = this.#options.joined.storage.manifest.attempt;
    if (attempt?.generationId !== generationId) throw refused('This member is not fenced for that generation.');
    if (attempt.step !== 'fenced') {
      if (attempt.decision === digest) return this.#answer();
      throw refused(
        'This member is ready with another state: somebody was asked since who had not been. Make a new plan.',
      );
    }
    this.#refuseAtWork({ generation: attempt.generation, generationId });
    const running = this.#running;
    if (running !== null && running.generationId === generationId && running.digest === digest) {
      if (running.error === null) return this.#answer();
      this.#running = null;
      throw running.error;
    }
    if (this.#isAtWork) {
      throw refused('This member is making another state for that generation: another recovery is under way.');
    }
    this.#running = { generationId, digest, error: null };
    void this.#work(attempt, digest, work);
    return this.#answer();
  }

  async #work(
    attempt: GenerationAttempt,
    digest: string,
    work: (attempt: GenerationAttempt) => Promise<NonNullable<GenerationAttempt['state']>>,
  ): Promise<void> {
    const { storage } = this.#options.joined;
    try {
      const state = await work(attempt);
      // What it was made of may lie in what it takes the place of: a program that is run again decides by that once more.
      const { before, generation } = attempt;
      const kept = before !== null && before.generation > storage.manifest.cell.generation ? before : null;
      await storage.setAttempt({ ...attempt, step: 'ready', decision: digest, state, before: kept }, attempt);
      this.#options.logger.warn({ ...state, generation }, 'ready for the new generation');
      this.#running = null;
      this.#reading = this.#readReady();
      this.#lookLater();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the state of the new generation was not made');
      const why = error instanceof Error ? error.message : String(error);
      const { generationId } = attempt;
      this.#running = { generationId, digest, error: refused(`The state of the new generation was not made: ${why}.`) };
    }
  }

  // --- becoming active ------------------------------------------------------------------------------------------------

  #lookLater(): void {
    if (this.#closed) return;
    const { clocks } = this.#options.world;
    const at = (clocks.now().monotonicMs + lookEveryMs) as ReturnType<typeof clocks.now>['monotonicMs'];
    this.#timer = clocks.schedule(at, () => void this.#look());
  }

  /** The first becomes active when all are ready; a ready one that meets an active one follows. */
  async #look(): Promise<void> {
    const attempt = this.#attempt;
    const { joined, logger, askGeneration, reopen } = this.#options;
    if (this.#closed || attempt?.step !== 'ready') return;
    try {
      const { generationId } = attempt;
      if (this.#members?.generationId !== generationId) {
        this.#members = { generationId, list: await joined.storage.stateMembers(attempt) };
      }
      const others = this.#members.list.filter(({ name }) => name !== joined.storage.manifest.member.name);
      const views = await Promise.all(others.map(({ url }) => askGeneration(url)));
      const alike = views.map((view, at) =>
        view?.name === others[at]?.name &&
        view?.generationId === attempt.generationId &&
        view.decision === attempt.decision
          ? view.step
          : 'none',
      );
      // While they were asked, an operator may have begun another one here.
      if (this.#attempt !== attempt) return this.#lookLater();
      const passed = views.find((view, at) => view?.name === others[at]?.name && isPast(view, attempt));
      if (passed != null) {
        this.#options.onLeftBehind(passed.present);
        return;
      }
      if (alike.includes('active') || alike.every((step) => step === 'ready')) {
        await joined.storage.setAttempt({ ...attempt, step: 'active', before: null }, attempt);
        logger.warn({ generation: attempt.generation }, 'the new generation begins');
        reopen();
        return;
      }
    } catch (error) {
      logger.error({ err: error }, 'the others could not be asked about the new generation');
    }
    this.#lookLater();
  }
}

/** It is in a later generation than the attempt's, or in another one of the same number: the attempt is over. */
const isPast = (view: GenerationView | null, { generation, generationId }: GenerationAttempt): boolean =>
  view !== null && (view.present > generation || (view.present === generation && view.presentId !== generationId));

/** A fence over a fence has displaced the same as that. */
function displacedBy(attempt: GenerationAttempt | null): GenerationStep | null {
  if (attempt === null || attempt.step === 'fenced') return attempt?.before ?? null;
  const { before: _, ...step } = attempt;
  return step;
}

const refused = (message: string): OperatorError =>
  new OperatorError('PAXOS_REFUSED', message, { suggestions: ['paxosctl status'] });
