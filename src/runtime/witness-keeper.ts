/**
 * Keeps the witness of one member on other storage: how far its disk is, from before the first word of every boot on, and then
 * at intervals. So a directory that was put back is found out even when nobody else is there to remember.
 *
 * Source: design §4 ("an optional witness"); docs/OPERATING.md says what the interval leaves open.
 */
import { type BootHistory, contradiction, shortened } from '../core/consensus/boot-history.ts';
import { replicaId } from '../core/consensus/identity.ts';
import { DiskFullError, OperatorError, WitnessForeignError, WitnessUnusableError } from '../errors/index.ts';
import { FormatError } from '../formats/bytes.ts';
import type { Owner } from '../formats/checksum.ts';
import type { WitnessFloor } from '../formats/witness-file.ts';
import { type ClockPort, fromNow, type Timer } from '../ports/clocks.ts';
import { DiskError } from '../ports/disk.ts';
import type { WitnessFile } from '../storage/witness-file.ts';
import { describe } from './fencing.ts';
import type { Logger } from './logger.ts';

/** What a disk may have done since its witness was written. */
const everyMs = 1_000;
/** The oldest ones are of no use once a later one was compared. */
const bootsKept = 16;

export interface WitnessKeeperParts {
  readonly path: string;
  readonly file: WitnessFile;
  readonly owner: Owner;
  readonly history: () => BootHistory;
  readonly clocks: ClockPort;
  readonly logger: Logger;
}

export class WitnessKeeper {
  readonly #parts: WitnessKeeperParts;
  #written = -1;
  #timer: Timer | null = null;
  #writing: Promise<void> = Promise.resolve();
  #trouble: string | null = null;
  #closed = false;

  constructor(parts: WitnessKeeperParts) {
    this.#parts = parts;
  }

  /** Why the witness cannot be kept at the moment, or null. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /**
   * Why the disk is older than what its witness saw; null when it is not, and then the witness has seen the present boot.
   * @throws {WitnessForeignError | WitnessUnusableError | DiskFullError} exits 24, 25, 26; {OperatorError} `PAXOS_DISK_FAILED` when its storage fails.
   */
  async begin(): Promise<string | null> {
    const { path, file, owner, history } = this.#parts;
    try {
      const floor = await file.read();
      if (floor !== null) this.#refuseForeign(floor);
      const evidence = floor === null ? null : this.#judge(floor);
      if (evidence !== null) return evidence;
      this.#written = history().flush;
      await file.write({ owner, history: shortened(history(), bootsKept) });
    } catch (error) {
      throw error instanceof OperatorError ? error : unusable(path, error);
    }
    this.#schedule();
    return null;
  }

  #refuseForeign({ owner: found }: WitnessFloor): void {
    const { path, owner } = this.#parts;
    if (found.cellId === owner.cellId && found.member === owner.member) return;
    throw new WitnessForeignError({
      witness: path,
      found: `member ${found.member} of cell ${found.cellId}`,
      expected: `${owner.member} of cell ${owner.cellId}`,
    });
  }

  #judge({ owner: found, history: remembered }: WitnessFloor): string | null {
    const { path, owner, history } = this.#parts;
    const id = replicaId(owner.member, owner.incarnation);
    if (found.incarnation > owner.incarnation) {
      return `witness ${path} has seen ${owner.member}#${found.incarnation}, which came after ${id}.`;
    }
    if (found.incarnation < owner.incarnation) return null;
    const difference = contradiction(remembered, history());
    return difference === null ? null : describe(difference, `witness ${path}`, id);
  }

  #schedule(): void {
    if (this.#closed) return;
    const { clocks } = this.#parts;
    this.#timer = clocks.schedule(fromNow(clocks, everyMs), () => {
      this.#writing = this.#write().finally(() => this.#schedule());
    });
  }

  async #write(): Promise<void> {
    const { path, file, owner, history, logger } = this.#parts;
    const present = history();
    if (present.flush === this.#written) return;
    try {
      await file.write({ owner, history: shortened(present, bootsKept) });
      this.#written = present.flush;
      this.#trouble = null;
    } catch (error) {
      const why = (error as Error).message;
      if (this.#trouble === null) logger.error({ err: error, witness: path }, 'the witness could not be written');
      this.#trouble = why;
    }
  }

  /** Brings the witness up to date once more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#writing;
    await this.#write();
  }
}

/** What ends a start, as of the data directory itself: storage that is away for now may be there at the next try. */
export function unusable(path: string, error: unknown): OperatorError {
  const { message } = error as Error;
  if (error instanceof FormatError) return new WitnessUnusableError({ witness: path, what: `holds ${message}` }, error);
  if (!(error instanceof DiskError)) throw error;
  if (error.reason === 'full') return new DiskFullError({ directory: path }, error);
  if (error.reason === 'denied') {
    return new WitnessUnusableError({ witness: path, what: `may not be read or written: ${message}` }, error);
  }
  return new OperatorError('PAXOS_DISK_FAILED', `Witness ${path} cannot be used: ${message}. It is left as it is.`, {
    facts: { witness: path },
    suggestions: ['paxosctl status'],
    cause: error,
  });
}
