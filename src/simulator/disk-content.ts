/**
 * The bytes of a simulated file: pages that exist where something else than zeros was written, shared by copies until one
 * of them changes. Log segments are zeros for most of their length and disks are copied at every loss of power, so what
 * was never written and what does not change must cost nothing.
 */

const pageBytes = 4096;
/** Pages are cut from blocks of this size: one allocation for many. */
const blockBytes = 32 * pageBytes;
const zeroPage = Buffer.alloc(pageBytes);

interface Page {
  readonly bytes: Buffer;
  /** Who may change it: the content with this token, and nobody once it was copied. */
  readonly owner: object;
}

let block = new ArrayBuffer(blockBytes);
let blockUsed = 0;

/** A page of zeros. */
function newPage(): Buffer {
  if (blockUsed === blockBytes) {
    block = new ArrayBuffer(blockBytes);
    blockUsed = 0;
  }
  const page = Buffer.from(block, blockUsed, pageBytes);
  blockUsed += pageBytes;
  return page;
}

/** Bytes that grow; what was never written is zero. */
export class Content {
  /** By place; a hole is a page of zeros. */
  #pages: (Page | undefined)[] = [];
  #owner: object = {};
  size = 0;

  put(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const index = Math.floor(at / pageBytes);
      const from = at - index * pageBytes;
      const length = Math.min(pageBytes - from, end - at);
      const whole = length === bytes.length;
      this.#putInPage(index, from, whole ? bytes : bytes.subarray(at - offset, at - offset + length));
      at += length;
    }
    if (end > this.size) this.size = end;
  }

  #putInPage(index: number, from: number, bytes: Uint8Array): void {
    const page = this.#pages[index];
    if (page !== undefined && page.owner === this.#owner) {
      page.bytes.set(bytes, from);
      return;
    }
    if (page === undefined && isZero(bytes)) return;
    const own = newPage();
    if (page !== undefined) own.set(page.bytes);
    own.set(bytes, from);
    this.#pages[index] = { bytes: own, owner: this.#owner };
  }

  /** A copy of what there is of these bytes. */
  get(offset: number, length: number): Buffer {
    const found = Buffer.alloc(Math.max(0, Math.min(length, this.size - offset)));
    if (found.length > 0) this.#copyPages(offset, found);
    return found;
  }

  /** As {@link get}, into memory that is there already; gives the part of it that was filled. */
  read(offset: number, length: number, into: Uint8Array): Uint8Array {
    const found = into.subarray(0, Math.max(0, Math.min(length, this.size - offset)));
    found.fill(0);
    if (found.length > 0) this.#copyPages(offset, found);
    return found;
  }

  /** Holes are left as they are. */
  #copyPages(offset: number, to: Uint8Array): void {
    const end = offset + to.length;
    for (let index = Math.floor(offset / pageBytes); index * pageBytes < end; index++) {
      const start = index * pageBytes;
      const bytes = this.#pages[index]?.bytes;
      bytes?.copy(to, Math.max(0, start - offset), Math.max(0, offset - start), Math.min(pageBytes, end - start));
    }
  }

  /** Up to the last byte that is not zero. */
  used(): number {
    for (let index = Math.min(this.#pages.length, Math.ceil(this.size / pageBytes)) - 1; index >= 0; index--) {
      const bytes = this.#pages[index]?.bytes;
      if (bytes === undefined) continue;
      let end = Math.min(pageBytes, this.size - index * pageBytes);
      while (end > 0 && bytes[end - 1] === 0) end--;
      if (end > 0) return index * pageBytes + end;
    }
    return 0;
  }

  /** Same size, same bytes. Pages that the two share are not looked into. */
  equals(other: Content): boolean {
    if (this.size !== other.size) return false;
    for (let index = 0; index * pageBytes < this.size; index++) {
      const bytes = this.#pages[index]?.bytes ?? zeroPage;
      const others = other.#pages[index]?.bytes ?? zeroPage;
      // Beyond the end there are zeros only.
      if (bytes !== others && !bytes.equals(others)) return false;
    }
    return true;
  }

  truncate(size: number): void {
    // What is cut off is zero when the file grows again.
    const kept = Math.ceil(size / pageBytes);
    if (this.#pages.length > kept) this.#pages.length = kept;
    if (size < this.size && size % pageBytes > 0) {
      const rest = Math.min(kept * pageBytes, this.size) - size;
      this.#putInPage(kept - 1, size % pageBytes, zeroPage.subarray(0, rest));
    }
    this.size = size;
  }

  /** In the time of counting pages. */
  copy(): Content {
    const copy = new Content();
    copy.#pages = this.#pages.slice();
    copy.size = this.size;
    this.#owner = {};
    return copy;
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && zeroPage.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
