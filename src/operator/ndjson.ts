/**
 * The lines of `kv import` and `kv export`: one entry each, `{"key","value"}`, or `{"key","valueBase64"}` for bytes that are not
 * UTF-8 (contract §1).
 */
import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { UsageError } from '../errors/index.ts';

export interface ImportEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** One line of a file: where it ends says where to go on after it. */
export interface ImportLine {
  readonly entry: ImportEntry;
  /** From 1. */
  readonly number: number;
  /** Bytes of the file up to and with this line. */
  readonly endsAt: number;
}

/** What the file holds is wrong, not the command line: how to call the command is not to be explained then. */
export class BadLineError extends UsageError {
  /** From 1. */
  readonly line: number;

  constructor(message: string, line: number) {
    super(message, { code: 'PAXOS_BAD_BODY', facts: { line } });
    this.line = line;
  }
}

/** A value of 256 KiB in which every byte takes six characters (`\u0000`), and its key. */
const lineBytesMax = 2 * 1024 * 1024;
const readBytes = 256 * 1024;

/** What entries are read from. */
export interface EntrySource {
  /** Of a regular file; null for a pipe or standard input, which can be read from the start only, and once. */
  readonly file: { readonly size: number; readonly mtimeMs: number } | null;
  bytes(from: number): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

export interface ReadFrom {
  /** First byte to read, and the number of the line that begins there. */
  readonly from: number;
  readonly firstNumber: number;
}

/**
 * Reads entries from byte `from` on, line by line; memory stays bounded however long the file is. Empty lines are skipped.
 *
 * @throws {UsageError} naming the line that is not an entry; nothing after it is read.
 */
export async function* readEntries(source: EntrySource, where: ReadFrom): AsyncGenerator<ImportLine> {
  let number = where.firstNumber - 1;
  for await (const { bytes, endsAt } of lines(source, where.from)) {
    number += 1;
    if (bytes.length > lineBytesMax) {
      throw new BadLineError(`Line ${number} is no entry: it is longer than ${lineBytesMax} bytes.`, number);
    }
    if (isBlank(bytes)) continue;
    yield { entry: parseEntry(bytes, number), number, endsAt };
  }
}

async function* lines(source: EntrySource, from: number): AsyncGenerator<{ bytes: Buffer; endsAt: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let endsAt = from;
  for await (const chunk of source.bytes(from)) {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let at = data.indexOf(0x0a); at !== -1; at = data.indexOf(0x0a, start)) {
      endsAt += at + 1 - start;
      yield { bytes: data.subarray(start, at), endsAt };
      start = at + 1;
    }
    rest = data.subarray(start);
    // Enough of it to be refused as too long.
    if (rest.length > lineBytesMax) break;
  }
  if (rest.length > 0) yield { bytes: rest, endsAt: endsAt + rest.length };
}

const isBlank = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);

function parseEntry(bytes: Buffer, number: number): ImportEntry {
  const refuse = (what: string): never => {
    throw new BadLineError(
      `Line ${number} is no entry: ${what}. Each line is {"key":…,"value":…} or {"key":…,"valueBase64":…}.`,
      number,
    );
  };
  if (!isUtf8(bytes)) return refuse('it is not UTF-8');
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return refuse((error as Error).message);
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) return refuse('it is no object');
  const { key, value, valueBase64 } = document as Record<string, unknown>;
  if (typeof key !== 'string' || key === '') return refuse('it has no key');
  if (typeof value === 'string' && valueBase64 === undefined) return { key, value: Buffer.from(value, 'utf8') };
  if (typeof valueBase64 === 'string' && value === undefined) {
    const decoded = Buffer.from(valueBase64, 'base64');
    if (decoded.toString('base64') !== valueBase64) return refuse('valueBase64 is not base64');
    return { key, value: decoded };
  }
  return refuse('it needs exactly one of value and valueBase64, as text');
}

/** One line with its line break. Equal entries give equal lines. */
export function entryLine(key: string, value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  const document = isUtf8(bytes)
    ? { key, value: bytes.toString('utf8') }
    : { key, valueBase64: bytes.toString('base64') };
  return `${JSON.stringify(document)}\n`;
}

/** Opens for reading; `-` is standard input. @throws {UsageError} when there is no such file. */
export async function openForReading(name: string): Promise<EntrySource> {
  if (name === '-') return standardInput;
  try {
    const handle = await open(name, 'r');
    const stat = await handle.stat();
    if (stat.isDirectory()) {
      await handle.close();
      throw new Error('it is a folder');
    }
    const { size, mtimeMs } = stat;
    // A named pipe and the like: they have no size, and no positions either.
    const regular = size > 0;
    return {
      file: regular ? { size, mtimeMs } : null,
      async *bytes(from) {
        for (let position = from; ; ) {
          const chunk = Buffer.allocUnsafe(readBytes);
          const { bytesRead } = await handle.read(chunk, 0, readBytes, regular ? position : null);
          if (bytesRead === 0) return;
          position += bytesRead;
          yield chunk.subarray(0, bytesRead);
        }
      },
      close: () => handle.close(),
    };
  } catch (error) {
    throw new UsageError(`File ${name} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

/** Read as a stream: a program that starts this one may have given it a socket, which `/dev/stdin` does not open. */
const standardInput: EntrySource = {
  file: null,
  bytes: () => process.stdin,
  close: async () => void process.stdin.destroy(),
};
