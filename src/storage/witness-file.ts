/** Reading and replacing the witness file, which lies on other storage than the data directory that it vouches for. */

import { FormatError } from '../formats/bytes.ts';
import {
  decodeWitnessFloor,
  encodeWitnessFloor,
  type WitnessFloor,
  witnessFileBytesMax,
} from '../formats/witness-file.ts';
import type { Disk } from '../ports/disk.ts';
import { isNotFound, root, withFile } from './files.ts';

export class WitnessFile {
  readonly #disk: Disk;
  readonly #name: string;

  constructor(disk: Disk, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  /** Null when there is none yet. @throws {FormatError} when what is there is no witness. */
  async read(): Promise<WitnessFloor | null> {
    try {
      return await withFile(this.#disk, this.#name, false, async (file) => {
        const size = await file.size();
        if (size > witnessFileBytesMax) throw new FormatError(`a witness of ${size} bytes`);
        return decodeWitnessFloor(await file.read(0, size));
      });
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** Durable when it resolves; the file before it stays whole until then. */
  async write(floor: WitnessFloor): Promise<void> {
    const next = `${this.#name}.new`;
    await this.#disk.remove(next);
    await withFile(this.#disk, next, 'exclusive', async (file) => {
      await file.write(0, encodeWitnessFloor(floor));
      await file.flush();
    });
    await this.#disk.rename(next, this.#name);
    await this.#disk.flushDirectory(root);
  }
}
