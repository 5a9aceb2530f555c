/**
 * A snapshot file that the first state of a generation is to be made of, on its way from an operator's program into scratch/.
 *
 * Source: design §3 "Generations". Keeps: it counts for nothing but for the one who asks for its records, and only after all of
 * it was read back; it does not outlive the process, and is then offered anew.
 */
import type { SnapshotHeader } from '../formats/snapshot.ts';
import type { DigestPort } from '../ports/digest.ts';
import type { Disk } from '../ports/disk.ts';
import { inScratch } from './files.ts';
import { type ChunkedRecords, snapshotRecords, verifySnapshot } from './snapshot-reader.ts';
import { ReceivedFile } from './snapshot-writer.ts';

const offeredName = 'generation-offered';

export interface OfferExpected {
  readonly sha256: string;
  readonly bytes: number;
}

export class OfferedState {
  readonly #disk: Disk;
  readonly #expected: OfferExpected;
  readonly #file: ReceivedFile;
  #bytes = 0;
  #header: SnapshotHeader | null = null;

  private constructor(disk: Disk, expected: OfferExpected, file: ReceivedFile) {
    this.#disk = disk;
    this.#expected = expected;
    this.#file = file;
  }

  /** In place of one that was offered before. */
  static async begin(disk: Disk, expected: OfferExpected): Promise<OfferedState> {
    return new OfferedState(disk, expected, await ReceivedFile.open(disk, offeredName));
  }

  isOf({ sha256, bytes }: OfferExpected): boolean {
    return sha256 === this.#expected.sha256 && bytes === this.#expected.bytes;
  }

  /** So many bytes are here. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Null until all of it is here and was verified. */
  get header(): SnapshotHeader | null {
    return this.#header;
  }

  /**
   * One piece more; one that does not begin where the file ends is passed over. With the last one all is read back.
   * @throws {SnapshotCorruptError} when it is no whole snapshot; {Error} when it is another one than was announced.
   */
  async add(offset: number, piece: Uint8Array, digest: DigestPort): Promise<void> {
    if (this.#header !== null || offset !== this.#bytes || piece.length === 0) return;
    const { bytes, sha256 } = this.#expected;
    if (offset + piece.length > bytes) throw new Error(`more than the ${bytes} bytes that were announced`);
    this.#bytes += piece.length;
    await this.#file.append(piece);
    if (this.#bytes < bytes) return;
    await this.#file.flush();
    const found = await verifySnapshot(this.#disk, inScratch(offeredName), null, digest);
    if (found.sha256 !== sha256) throw new Error(`it has digest ${found.sha256}, ${sha256} was announced`);
    this.#header = found.header;
  }

  records(): ChunkedRecords {
    return snapshotRecords(this.#disk, inScratch(offeredName));
  }

  async close(): Promise<void> {
    await this.#file.close();
    await this.#disk.remove(inScratch(offeredName));
  }
}
