/**
 * One member's part in making a new generation of the cell (design §3 "Generations"): it says what it knows, stops for good,
 * makes or fetches the decided state, and becomes active when all others are ready or one is active.
 *
 * Keeps: each step is durable before it is said, and asked for again it is found done. Nothing of the parent is changed before
 * the generation is active; its files are kept then too. `ready` is the point of no return: whoever is ready goes on by
 * itself, whatever becomes of the operator's program.
 */
import { type Member, memberId } from '../core/consensus/configuration.ts';
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import type { CommandResult } from '../core/database/command.ts';
import { nextGeneration } from '../core/database/next-generation.ts';
import type { DatabaseRecord } from '../core/database/record.ts';
import { invariant } from '../core/invariant.ts';
import { OperatorError } from '../errors/index.ts';
import { databaseRecordCodec } from '../formats/database-record.ts';
import { numbersApart } from '../formats/history-points.ts';
import { chained } from '../formats/log-chain.ts';
import type { GenerationAttempt } from '../formats/manifest.ts';
import type {
  GenerationDecision,
  GenerationId,
  RecoverAnswer,
  RecoverReport,
  RecoverRequest,
} from '../formats/recovery.ts';
import { decodeValue, encodeValue } from '../formats/value.ts';
import type { Timer } from '../ports/clocks.ts';
import type { World } from '../ports/world.ts';
import { DatabaseApplication } from './database-application.ts';
import { frozenDocument } from './frozen-document.ts';
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
}

export class Recovery {
  readonly #options: RecoveryOptions;
  #timer: Timer | null = null;
  /** Of the generation that this member is ready for. */
  #members: readonly Member[] | null = null;
  #closed = false;
  /** The step that is being carried out; asked for meanwhile, it is not begun twice. */
  #running: { readonly key: string; readonly error: OperatorError | null } | null = null;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    if (this.#attempt?.step === 'ready') this.#lookLater();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Of the generation being made; null when none is. */
  get #attempt(): GenerationAttempt | null {
    const { attempt, cell } = this.#options.joined.storage.manifest;
    return attempt !== null && attempt.generation > cell.generation ? attempt : null;
  }

  view(): GenerationView {
    const { manifest } = this.#options.joined.storage;
    const { attempt, member } = manifest;
    if (attempt === null)
      return { name: member.name, generation: manifest.cell.generation, generationId: '', step: 'none' };
    const { generation, generationId, step } = attempt;
    return { name: member.name, generation, generationId, step };
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
      case 'build':
        return this.#carryOut(request.decision, request.digest, (attempt) => this.#build(attempt, request.decision));
      case 'take':
        return this.#carryOut(request, request.digest, (attempt) => this.#take(attempt, request));
    }
  }

  #answer(): RecoverAnswer {
    const attempt = this.#options.joined.storage.manifest.attempt;
    const state = attempt !== null && attempt.step !== 'fenced' ? attempt.state : null;
    return { report: this.report(), state };
  }

  async #fence({ generation, generationId }: GenerationId): Promise<void> {
    const { storage, log } = this.#options.joined;
    const { cell, attempt } = storage.manifest;
    // Found done, or further: also by a program that was started again after the generation became active.
    if (attempt?.generationId === generationId) return;
    if (generation <= cell.generation) {
      throw refused(`${log.self} is in generation ${cell.generation} already: make a new plan.`);
    }
    if (attempt !== null && attempt.step !== 'fenced' && attempt.generation >= generation) {
      throw refused(`${log.self} is ready for another generation ${attempt.generation}, ${attempt.generationId}.`);
    }
    log.fence();
    await storage.setAttempt({ generation, generationId, step: 'fenced', decision: '', state: null });
    this.#options.logger.warn({ generation, generationId }, 'fenced: a new generation of the cell is being made');
  }

  async #lift({ generationId }: GenerationId): Promise<void> {
    const attempt = this.#attempt;
    if (attempt?.generationId !== generationId) return;
    if (attempt.step !== 'fenced') throw refused(`This member is ready for generation ${attempt.generation} already.`);
    await this.#options.joined.storage.setAttempt(null);
    this.#options.logger.warn({ generationId }, 'the fence is lifted');
    this.#options.reopen();
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
      await storage.setAttempt({ ...attempt, step: 'ready', decision: digest, state });
      this.#options.logger.warn({ ...state, generation: attempt.generation }, 'ready for the new generation');
      this.#running = null;
      this.#lookLater();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the state of the new generation was not made');
      const why = error instanceof Error ? error.message : String(error);
      this.#running = { key: digest, error: refused(`The state of the new generation was not made: ${why}.`) };
    }
  }

  // --- the state ------------------------------------------------------------------------------------------------------

  /** Out of what is applied here and what the decision adds to it. */
  async #build(
    attempt: GenerationAttempt,
    decision: GenerationDecision,
  ): Promise<NonNullable<GenerationAttempt['state']>> {
    const { joined, world } = this.#options;
    const { log, storage } = joined;
    if (decision.baseApplied !== log.appliedUpTo) throw new Error(`it stands at instance ${log.appliedUpTo}`);
    const { source, logChain, applied } = await this.#withTail(decision);
    const { numbers } = decision;
    invariant(numbers % numbersApart === 0 && numbers > applied, 'a generation begins above its parent', { numbers });
    const start = { epoch: source.epoch, instance: applied };
    const next = this.#newDatabase();
    const view = source.view();
    await next.restore(encoded(nextGeneration(view.contents(), { ...decision, start })));
    view.close();
    const members = decision.members.map((it) => ({ ...it, role: it.role === 'voter' ? 'voter' : 'learner' }) as const);
    const { alpha, leaseMs, driftPpm } = log.core.configuration;
    const first = next.view();
    const header = {
      cellId: storage.manifest.cell.id,
      generation: attempt.generation,
      handle: {
        instance: numbers as Instance,
        epoch: numbers as Epoch,
        cellTimeMs: source.cellTimeMs,
        configurations: [{ from: (numbers + 1) as Instance, configuration: { alpha, leaseMs, driftPpm, members } }],
      },
      level: storage.manifest.level,
      // Another chain from here on: no instance of a parent is ever compared with one of its child.
      logChain: world.digest.sha256(logChain, Buffer.from(attempt.generationId)),
      checksum: first.checksum,
      records: first.count,
      entries: first.entryCount,
    };
    const pause = (): Promise<void> => new Promise((resolve) => world.clocks.nextTurn(resolve));
    const { bytes, sha256 } = await storage.writeState(attempt, { header, records: first.records(), pause });
    first.close();
    return { instance: numbers, bytes, sha256 };
  }

  /** The state after the last instance that is kept: a copy, since this member's own stays what it is. */
  async #withTail({ tail }: GenerationDecision): Promise<{
    readonly source: DatabaseApplication;
    readonly logChain: Uint8Array;
    readonly applied: Instance;
  }> {
    const { joined, world } = this.#options;
    const { log, application } = joined;
    if (tail.length === 0) return { source: application, logChain: log.logChain, applied: log.appliedUpTo };
    const copy = this.#newDatabase();
    const view = application.view();
    await copy.restore(encoded(view.contents()));
    view.close();
    let { logChain, appliedUpTo: instance } = log;
    for (const entry of tail) {
      if (entry.instance !== instance + 1) throw new Error(`instance ${instance + 1} is missing in what was decided`);
      instance = entry.instance as Instance;
      const value: Value = decodeValue(Buffer.from(entry.valueBase64, 'base64'));
      const current = value.kind !== 'submitted' || value.epoch === copy.epoch;
      const epoch = (value.kind === 'mastership' ? copy.epoch + 1 : copy.epoch) as Epoch;
      logChain = chained(world.digest, logChain, { instance, value });
      copy.apply({ instance, epoch, value, current, logChain });
    }
    return { source: copy, logChain, applied: instance };
  }

  #newDatabase(): DatabaseApplication {
    const { digest, clocks } = this.#options.world;
    return new DatabaseApplication({ digest, nextTurn: (callback) => clocks.nextTurn(callback) });
  }

  /** The file that another member has made, byte for byte; loaded once, so that what it says of itself is true. */
  async #take(
    attempt: GenerationAttempt,
    { from, instance, sha256 }: Extract<RecoverRequest, { op: 'take' }>,
  ): Promise<NonNullable<GenerationAttempt['state']>> {
    const { network, storage, log } = this.#options.joined;
    const giver = log.core.configurations
      .flatMap(({ configuration }) => configuration.members)
      .find(({ name }) => name === from);
    if (giver === undefined) throw new Error(`${from} is no member`);
    const verified = await storage.receiveState(attempt, (append) =>
      network.fetchSnapshot(memberId(giver), instance - 1, append),
    );
    if (verified.sha256 !== sha256) throw new Error(`it has digest ${verified.sha256}, ${sha256} was made`);
    const loaded = this.#newDatabase();
    await loaded.restore(storage.stateRecords(attempt.generationId));
    if (loaded.checksumHex() !== verified.header.checksum) throw new Error('its entries give another checksum');
    return { instance, bytes: verified.bytes, sha256 };
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
      this.#members ??= await joined.storage.stateMembers(attempt);
      const members = this.#members;
      const others = members.filter(({ name }) => name !== joined.storage.manifest.member.name);
      const views = await Promise.all(others.map(({ url }) => askGeneration(url)));
      const alike = views.map((view, at) =>
        view?.name === others[at]?.name && view?.generationId === attempt.generationId ? view.step : 'none',
      );
      if (alike.includes('active') || alike.every((step) => step === 'ready')) {
        await joined.storage.setAttempt({ ...attempt, step: 'active' });
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

const refused = (message: string): OperatorError =>
  new OperatorError('PAXOS_REFUSED', message, { suggestions: ['paxosctl recover plan --keep-present'] });

async function* encoded(records: Iterable<DatabaseRecord>): AsyncGenerator<Uint8Array> {
  for (const record of records) yield databaseRecordCodec.encode(record).slice();
}
