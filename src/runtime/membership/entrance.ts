/**
 * How a replica comes into a cell that is there already: admitted as a new member, or as the next incarnation of one whose disk
 * was lost, put back or damaged.
 *
 * Source: contract §1 (`node start --join`, `--rebuild`), design §3 "Incarnations". Keeps: an identity comes from the log alone,
 * by way of the master; what was on the disk is set aside, whole, before anything new is written; the two steps of every
 * formation, so that it may be cut short anywhere.
 */
import type { OperatorError } from '../../errors/index.ts';
import { firstLevel } from '../../formats/levels.ts';
import type { Disk } from '../../ports/disk.ts';
import type { World } from '../../ports/world.ts';
import { ReplicaStorage } from '../../storage/replica-storage.ts';
import { setAside } from '../../storage/set-aside.ts';
import type { ListedMember } from '../formation.ts';
import type { Logger } from '../logger.ts';
import { Admission } from './admission.ts';
import { type Acquaintance, type AdmissionDocument, type JoinQuestion, paths } from './documents.ts';

export interface EntranceOptions {
  readonly name: string;
  /** Tells this process from another one of the same name. */
  readonly token: string;
  readonly directory: string;
  readonly expectCell: string | null;
  readonly secret: Uint8Array | null;
  /** Where members may be, as the command line says. */
  readonly join: readonly string[];
  readonly cell: readonly ListedMember[];
  /** Whoever started this wants a lost or damaged disk rebuilt. */
  readonly rebuild: boolean;
  /** Whom to reach, beside those that the log names. */
  readonly meet: (acquaintance: Acquaintance) => void;
  readonly onWaiting: (reason: string) => void;
}

/**
 * 20 and 25, and 23 when a next incarnation was admitted since: what the disk holds is not gone on from. A witness that is damaged, and files that
 * may not be looked at, say nothing against the disk: a `--rebuild` in the unit file must not give up a sound one for them.
 */
export const endsIncarnation = ({ code, exitCode, facts }: OperatorError): boolean =>
  (exitCode === 20 || exitCode === 23 || exitCode === 25) && code !== 'PAXOS_WITNESS_UNUSABLE' && facts.denied !== true;

export class Entrance {
  readonly #options: EntranceOptions;
  readonly #world: World;
  readonly #logger: Logger;
  #admission: Admission | null = null;
  #rebuilds = false;
  #stopped = false;

  constructor(options: EntranceOptions, world: World, logger: Logger) {
    this.#options = options;
    this.#world = world;
    this.#logger = logger;
  }

  /** It waits for the log to admit it. */
  get isWaiting(): boolean {
    return this.#admission !== null;
  }

  /** It waits to be rebuilt. */
  get rebuilds(): boolean {
    return this.#rebuilds;
  }

  stop(): void {
    this.#stopped = true;
    this.#admission?.stop();
  }

  /** `node start --join`: waits until the log has admitted this member, and begins as what it says. False when stopped. */
  async beAdmitted(disk: Disk): Promise<boolean> {
    const document = await this.#ask(this.#options.join, undefined, (admission) => admission.run());
    if (document === null) return false;
    await this.#beginAs(document, disk);
    return true;
  }

  /**
   * The incarnation on this disk has ended. Where an operator has had the next one admitted, or `--rebuild` asks for that, it
   * begins. False when nobody has decided that, and when it was stopped.
   */
  async beginAnew(why: OperatorError, disk: Disk): Promise<boolean> {
    const manifest = (await ReplicaStorage.inspect(disk).catch(() => null))?.manifest ?? null;
    const { name, cell, join, rebuild } = this.#options;
    const listed = manifest?.configurations[0]?.configuration.members ?? [];
    const others = [...cell, ...listed].filter((member) => member.name !== name).map(({ url }) => url);
    const urls = [...new Set([...join, ...others])];
    if (urls.length === 0 || this.#stopped) return false;
    // Who was removed comes back only where the cell wants it, whatever a unit file says.
    const asks = rebuild && why.exitCode !== 23;
    if (asks) this.#logger.warn({ code: why.code }, `${why.message} It is rebuilt from the others.`);
    this.#rebuilds = asks;
    const wanted = { incarnation: manifest?.member.incarnation ?? 0, why: why.message };
    const document = await this.#ask(urls, asks ? wanted : undefined, (admission) =>
      asks ? admission.run() : admission.once(),
    );
    if (document === null) return false;
    const sameCell = manifest === null || manifest.cell.id === document.cell.id;
    if (!sameCell || document.incarnation <= (manifest?.member.incarnation ?? 0)) return false;
    const label = new Date(this.#world.clocks.now().wallMs).toISOString().replace(/[:.]/g, '-');
    const names = await setAside(disk, label);
    this.#logger.warn({ files: names.length, incarnation: document.incarnation }, 'what was on the disk is set aside');
    await this.#beginAs(document, disk);
    return true;
  }

  async #ask(
    urls: readonly string[],
    rebuild: JoinQuestion['rebuild'],
    ask: (admission: Admission) => Promise<AdmissionDocument | null>,
  ): Promise<AdmissionDocument | null> {
    const { name, token, directory, expectCell, secret, onWaiting } = this.#options;
    onWaiting('it waits to be admitted');
    this.#admission = new Admission({
      question: { name, token, ...(rebuild === undefined ? {} : { rebuild }) },
      directory,
      urls,
      expectCell,
      ask: (url, question) => this.#world.askPeer(url, paths.join, question, secret),
      onWaiting,
      clocks: this.#world.clocks,
      logger: this.#logger,
    });
    try {
      return await ask(this.#admission);
    } finally {
      this.#admission = null;
    }
  }

  async #beginAs(document: AdmissionDocument, disk: Disk): Promise<void> {
    const { cell, configurations, incarnation, level, formedLevel = firstLevel, members } = document;
    const member = { name: this.#options.name, incarnation };
    await ReplicaStorage.writeForming(disk, { cell, member, configurations, level, formedLevel });
    await ReplicaStorage.markFormed(disk);
    for (const acquaintance of members) this.#options.meet(acquaintance);
    this.#logger.info({ cell: cell.id, ...member }, 'admitted');
  }
}
