/**
 * The first state of a new generation as one member makes or fetches it: out of its own state, out of a file that was offered to
 * it, or byte for byte from the member that made it (design §3 "Generations").
 *
 * Keeps: what this member serves from stays what it is; the state lies in the attempt directory, and was read back.
 */
import { memberId } from '../core/consensus/configuration.ts';
import type { Epoch, Instance } from '../core/consensus/identity.ts';
import type { Value } from '../core/consensus/value.ts';
import type { CommandResult } from '../core/database/command.ts';
import { nextGeneration } from '../core/database/next-generation.ts';
import type { DatabaseRecord } from '../core/database/record.ts';
import { invariant } from '../core/invariant.ts';
import { databaseRecordCodec } from '../formats/database-record.ts';
import { numbersApart } from '../formats/history-points.ts';
import { chained } from '../formats/log-chain.ts';
import type { GenerationAttempt, GenerationStep } from '../formats/manifest.ts';
import type { GenerationDecision, OfferedState as OfferedFile, RecoverRequest } from '../formats/recovery.ts';
import { decodeValue } from '../formats/value.ts';
import type { World } from '../ports/world.ts';
import type { ReadyFile } from '../storage/generation.ts';
import type { OfferedState } from '../storage/replica-storage.ts';
import { DatabaseApplication } from './database-application.ts';
import type { JoinedMember } from './member.ts';
import { readySteps } from './ready-state.ts';

type ReadyState = NonNullable<GenerationAttempt['state']>;

/** A state that is gone on from. */
interface Base {
  readonly source: DatabaseApplication;
  readonly logChain: Uint8Array;
  readonly applied: Instance;
}

export class GenerationState {
  readonly #joined: JoinedMember<CommandResult, DatabaseApplication>;
  readonly #world: World;
  #offered: OfferedState | null = null;
  /** Pieces are taken one at a time. */
  #adding: Promise<unknown> = Promise.resolve();

  constructor(joined: JoinedMember<CommandResult, DatabaseApplication>, world: World) {
    this.#joined = joined;
    this.#world = world;
  }

  /** Bytes of the offered file that are here. */
  get offeredBytes(): number {
    return this.#offered?.bytes ?? 0;
  }

  /** All of that file is here. */
  holds(expected: OfferedFile): boolean {
    return (this.#offered?.header != null && this.#offered.isOf(expected)) || this.#readyWith(expected) !== null;
  }

  /** The state that this member is ready with may be what the next one is made of. */
  #readyWith({ sha256, bytes }: OfferedFile): GenerationStep | null {
    const steps = readySteps(this.#joined.storage.manifest);
    return steps.find(({ state }) => state?.sha256 === sha256 && state.bytes === bytes) ?? null;
  }

  async close(): Promise<void> {
    await this.#adding.catch(() => undefined);
    await this.#offered?.close().catch(() => undefined);
    this.#offered = null;
  }

  /** @throws {Error} for a file that is not what was announced, or not of this cell; it is forgotten then. */
  offer(request: Extract<RecoverRequest, { op: 'offer' }>): Promise<void> {
    const adding = this.#adding.then(() => this.#add(request));
    this.#adding = adding.catch(() => undefined);
    return adding;
  }

  async #add({ offset, pieceBase64, ...expected }: Extract<RecoverRequest, { op: 'offer' }>): Promise<void> {
    if (this.#offered?.isOf(expected) !== true) {
      await this.#offered?.close();
      this.#offered = null;
      this.#offered = await this.#joined.storage.beginOffer({ sha256: expected.sha256, bytes: expected.bytes });
    }
    const offered = this.#offered;
    try {
      await offered.add(offset, Buffer.from(pieceBase64, 'base64'), this.#world.digest);
      if (offered.header !== null) this.#refuseForeign(offered.header, expected.generation);
    } catch (error) {
      this.#offered = null;
      await offered.close().catch(() => undefined);
      throw error;
    }
  }

  #refuseForeign({ cellId, generation }: NonNullable<OfferedState['header']>, next: number): void {
    this.#refuseOtherCell(cellId);
    if (generation >= next) throw new Error(`the file is of generation ${generation}, which ${next} cannot follow`);
  }

  /** Only a cell to which nothing was ever written may take the place of another, which was lost whole. */
  #refuseOtherCell(cellId: string): void {
    const { application, storage } = this.#joined;
    const { cell } = storage.manifest;
    if (cellId === cell.id) return;
    const blank = cell.generation === 1 && application.revision === 0 && application.entries === 0;
    if (!blank) throw new Error(`it is of cell ${cellId}, this is ${cell.id}, and was written to`);
  }

  /** Out of the base and what the decision adds to it. */
  async build(attempt: GenerationAttempt, decision: GenerationDecision): Promise<ReadyState> {
    const { log, storage } = this.#joined;
    const base = decision.offered === null ? this.#own(decision) : await this.#fromOffered(decision.offered);
    if (decision.cellId !== base.source.identity?.cellId)
      throw new Error(`the state is not of cell ${decision.cellId}`);
    if (decision.baseApplied !== base.applied) throw new Error(`the state stands at instance ${base.applied}`);
    const { source, logChain, applied } = await this.#withTail(base, decision, decision.offered === null);
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
      cellId: decision.cellId,
      generation: attempt.generation,
      handle: {
        instance: numbers as Instance,
        epoch: numbers as Epoch,
        cellTimeMs: source.cellTimeMs,
        configurations: [{ from: (numbers + 1) as Instance, configuration: { alpha, leaseMs, driftPpm, members } }],
      },
      level: source.level,
      // Another chain from here on: no instance of a parent is ever compared with one of its child.
      logChain: this.#world.digest.sha256(logChain, Buffer.from(attempt.generationId)),
      checksum: first.checksum,
      records: first.count,
      entries: first.entryCount,
    };
    const pause = (): Promise<void> => new Promise((resolve) => this.#world.clocks.nextTurn(resolve));
    const { bytes, sha256 } = await storage.writeState(attempt, { header, records: first.records(), pause });
    first.close();
    await this.#load(attempt, header.checksum);
    return { instance: numbers, bytes, sha256 };
  }

  /** As its members will at their next start: what the file says of itself must be true before anybody is ready. */
  async #load({ generationId }: GenerationAttempt, checksum: string): Promise<void> {
    const loaded = this.#newDatabase();
    await loaded.restore(this.#joined.storage.stateRecords(generationId));
    if (loaded.checksumHex() !== checksum) throw new Error('its entries give another checksum');
  }

  #own({ baseApplied }: GenerationDecision): Base {
    const { log, application } = this.#joined;
    if (baseApplied !== log.appliedUpTo) throw new Error(`it stands at instance ${log.appliedUpTo}`);
    return { source: application, logChain: log.logChain, applied: log.appliedUpTo };
  }

  async #fromOffered(expected: OfferedFile): Promise<Base> {
    const ready = this.#readyWith(expected);
    const file = ready === null ? this.#offeredFile(expected) : await this.#joined.storage.readyFile(ready);
    const { handle, logChain, checksum } = file.header;
    const source = this.#newDatabase();
    await source.restore(file.records());
    if (source.checksumHex() !== checksum) throw new Error('the entries of the file give another checksum');
    return { source, logChain, applied: handle.instance };
  }

  #offeredFile(expected: OfferedFile): Pick<ReadyFile, 'header' | 'records'> {
    const offered = this.#offered;
    if (offered?.header == null || !offered.isOf(expected)) {
      throw new Error('the file was not offered to this member since it started');
    }
    return { header: offered.header, records: () => offered.records() };
  }

  /** The state after the last instance that is kept: a copy where this member's own must stay what it is. */
  async #withTail(base: Base, { tail }: GenerationDecision, isOwn: boolean): Promise<Base> {
    if (tail.length === 0) return base;
    const copy = isOwn ? this.#newDatabase() : base.source;
    if (isOwn) {
      const view = base.source.view();
      await copy.restore(encoded(view.contents()));
      view.close();
    }
    let { logChain, applied: instance } = base;
    for (const entry of tail) {
      if (entry.instance !== instance + 1) throw new Error(`instance ${instance + 1} is missing in what was decided`);
      instance = entry.instance as Instance;
      const value: Value = decodeValue(Buffer.from(entry.valueBase64, 'base64'));
      const current = value.kind !== 'submitted' || value.epoch === copy.epoch;
      const epoch = (value.kind === 'mastership' ? copy.epoch + 1 : copy.epoch) as Epoch;
      logChain = chained(this.#world.digest, logChain, { instance, value });
      copy.apply({ instance, epoch, value, current, logChain });
    }
    return { source: copy, logChain, applied: instance };
  }

  #newDatabase(): DatabaseApplication {
    const { digest, clocks } = this.#world;
    const raisedTo = this.#joined.storage.manifest.level;
    return new DatabaseApplication({ digest, raisedTo, nextTurn: (callback) => clocks.nextTurn(callback) });
  }

  /** The file that another member has made, byte for byte; loaded once, so that what it says of itself is true. */
  async take(
    attempt: GenerationAttempt,
    { from, instance, sha256, cellId }: Extract<RecoverRequest, { op: 'take' }>,
  ): Promise<ReadyState> {
    const { network, storage, log } = this.#joined;
    const giver = log.core.configurations
      .flatMap(({ configuration }) => configuration.members)
      .find(({ name }) => name === from);
    if (giver === undefined) throw new Error(`${from} is no member`);
    this.#refuseOtherCell(cellId);
    const verified = await storage.receiveState(attempt, cellId, (append) =>
      network.fetchSnapshot(memberId(giver), instance - 1, append),
    );
    if (verified.sha256 !== sha256) throw new Error(`it has digest ${verified.sha256}, ${sha256} was made`);
    await this.#load(attempt, verified.header.checksum);
    return { instance, bytes: verified.bytes, sha256 };
  }
}

/** A copy of each: the codec writes the next one over it, and `slice` of a Buffer would be a view. */
async function* encoded(records: Iterable<DatabaseRecord>): AsyncGenerator<Uint8Array> {
  for (const record of records) yield new Uint8Array(databaseRecordCodec.encode(record));
}
