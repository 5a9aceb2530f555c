/**
 * One member's part in making a new generation of the cell (design §3 "Generations"): it says what it knows, stops for good,
 * makes or fetches the decided state, and becomes active when all others are ready or one is active.
 *
 * Keeps: each step is durable before it is said, and asked for again it is found done. Nothing of the parent is changed before
 * the generation is active; its files are kept then too. `ready` is the point of no return: whoever is ready goes on by
 * itself, whatever becomes of the operator's program.
 */
import type { Member } from '../core/consensus/configuration.ts';
import type { Instance } from '../core/consensus/identity.ts';
import type { CommandResult } from '../core/database/command.ts';
import { OperatorError } from '../errors/index.ts';
import type { GenerationAttempt, GenerationStep } from '../formats/manifest.ts';
import type {
  GenerationDecision,
  GenerationId,
  RecoverAnswer,
  RecoverReport,
  RecoverRequest,
} from '../formats/recovery.ts';
import { encodeValue } from '../formats/value.ts';
import type { Timer } from '../ports/clocks.ts';
import type { World } from '../ports/world.ts';
import type { DatabaseApplication } from './database-application.ts';
import { frozenDocument } from './frozen-document.ts';
import { GenerationState } from './generation-state.ts';
import type { Logger } from './logger.ts';
import type { JoinedMember } from './member.ts';

/** Between two looks whether the others are ready. */
const lookEveryMs = 200;
/** More would be no report any more; marks older than these epochs are judged by the cell itself. */
const epochsReportedMax = 10_000;

export interface RecoveryOptions {
  readonly joined: JoinedMember<CommandResult, DatabaseApplication>;
  readonly world: World;
  readonly logger: Logger;
  /** What another member says of itself and the generations; null when it does not answer. */
  askGeneration(url: string): Promise<GenerationView | null>;
  /** Closes this member and starts it again from its disk. */
  reopen(): void;
}

/** What a member tells the others, proven by the cell's secret. */
export interface GenerationView {
  readonly name: string;
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
  #running: { readonly key: string; readonly error: OperatorError | null } | null = null;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#state = new GenerationState(options.joined, options.world);
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
    // Who is ready for the present generation follows this member into it, whatever it is fenced for.
    const isActive = newest?.before?.step === 'active' && newest.before.generation === cell.generation;
    const attempt = isActive ? newest.before : newest;
    if (attempt === null)
      return { name, generation: manifest.cell.generation, generationId: '', step: 'none', decision: '' };
    const { generation, generationId, step, decision } = attempt;
    return { name, generation, generationId, step, decision };
  }

  // --- what it knows --------------------------------------------------------------------------------------------------

  report(): RecoverReport {
    const { log, application, storage } = this.#options.joined;
    const { core } = log;
    const { cell, member, attempt } = storage.manifest;
    const next = (log.appliedUpTo + 1) as Instance;
    const entries = core.acceptedFrom(next);
    const { configuration } = core;
    const present = application.epochAt(application.epoch);
    return {
      member: member.name,
      incarnation: member.incarnation,
      cell: { id: cell.id, name: cell.name },
      generation: cell.generation,
      generationId: application.identity?.generationId ?? '',
      applied: {
        instance: log.appliedUpTo,
        epoch: application.epoch,
        epochId: present?.id ?? '',
        revision: application.revision,
      },
      logChain: Buffer.from(log.logChain).toString('hex'),
      begun: application.identity?.generationStart ?? { epoch: 0, instance: 0 },
      cellTimeMs: application.cellTimeMs,
      entryCount: application.entries,
      setAside: core.isSetAside || storage.manifest.flags.quarantined,
      chosenUpTo: core.chosenUpTo,
      epochs: application
        .epochs()
        .slice(-epochsReportedMax)
        .map(({ epoch, instance, id, revision }) => ({ epoch, instance, id, revision })),
      entries: entries.map(({ instance, ballot, value }) => ({
        instance,
        ballot: { ...ballot },
        valueBase64: Buffer.from(encodeValue(value)).toString('base64'),
      })),
      unreadable: core.badFrom(Math.max(next, core.chosenUpTo + 1) as Instance).length,
      highest: Math.max(
        log.appliedUpTo,
        entries.at(-1)?.instance ?? 0,
        application.revision,
        application.epoch,
        storage.manifest.floor,
        attempt?.before?.state?.instance ?? 0,
        ...configuration.members.map(({ incarnation }) => incarnation),
      ),
      members: configuration.members.map((it) => ({ ...it, voting: it.role === 'voter' })),
      settings: { alpha: configuration.alpha, leaseMs: configuration.leaseMs, driftPpm: configuration.driftPpm },
      frozen: frozenDocument(log.frozen),
      attempt: attempt === null ? null : { ...attempt },
    };
  }

  // --- what it is told ------------------------------------------------------------------------------------------------

  /** @throws {OperatorError} `PAXOS_REFUSED` when it cannot be done; nothing was changed then. */
  async handle(request: RecoverRequest): Promise<RecoverAnswer> {
    switch (request.op) {
      case 'fence':
        await this.#fence(request);
        return this.#answer();
      case 'lift':
        await this.#lift(request);
        return this.#answer();
      case 'offer':
        await this.#offer(request);
        return this.#answer();
      case 'build':
        if (!request.decision.members.some(({ role }) => role === 'voter')) throw refused('The decision has no voter.');
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

  async #fence(request: Extract<RecoverRequest, { op: 'fence' }>): Promise<void> {
    const { generation, generationId } = request;
    const { storage, log } = this.#options.joined;
    const { cell, member, attempt } = storage.manifest;
    // Found done, or further: also by a program that was started again after the generation became active.
    if (attempt?.generationId === generationId) return;
    if (request.cell !== cell.id || request.member !== member.name || request.incarnation !== member.incarnation) {
      const asked = `${request.member}#${request.incarnation} of cell ${request.cell}`;
      throw refused(`This is ${log.self} of cell ${cell.id}, not ${asked}: nothing was done.`);
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
    log.fence();
    try {
      await storage.setAttempt(
        { generation, generationId, step: 'fenced', decision: '', state: null, before },
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
    try {
      await this.#state.offer(request);
    } catch (error) {
      throw refused(`The file was not taken: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  /** The program offers it again then. */
  #refuseNotOffered({ generationId, offered }: GenerationDecision): void {
    const { attempt } = this.#options.joined.storage.manifest;
    if (offered === null || attempt?.generationId !== generationId || attempt.step !== 'fenced') return;
    if (this.#running !== null || this.#state.holds(offered)) return;
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
    const running = this.#running;
    if (running !== null && running.key === digest) {
      if (running.error === null) return this.#answer();
      this.#running = null;
      throw running.error;
    }
    if (running !== null && running.error === null) {
      throw refused('This member is making another state for that generation: another recovery is under way.');
    }
    this.#running = { key: digest, error: null };
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
      await storage.setAttempt({ ...attempt, step: 'ready', decision: digest, state, before: null }, attempt);
      this.#options.logger.warn({ ...state, generation: attempt.generation }, 'ready for the new generation');
      this.#running = null;
      this.#lookLater();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the state of the new generation was not made');
      const why = error instanceof Error ? error.message : String(error);
      this.#running = { key: digest, error: refused(`The state of the new generation was not made: ${why}.`) };
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
      if (alike.includes('active') || alike.every((step) => step === 'ready')) {
        await joined.storage.setAttempt({ ...attempt, step: 'active' }, attempt);
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

/** A fence over a fence has displaced the same as that. */
function displacedBy(attempt: GenerationAttempt | null): GenerationStep | null {
  if (attempt === null || attempt.step === 'fenced') return attempt?.before ?? null;
  const { before: _, ...step } = attempt;
  return step;
}

const refused = (message: string): OperatorError =>
  new OperatorError('PAXOS_REFUSED', message, { suggestions: ['paxosctl status'] });
