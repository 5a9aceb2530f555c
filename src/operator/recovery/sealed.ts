/** Files that one command writes and another carries out: JSON with a hash over all the rest, so that nobody edits them by hand. */
import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../../errors/index.ts';
import { flushFolder } from '../flush-folder.ts';

const hashOf = (document: object): string => createHash('sha256').update(JSON.stringify(document)).digest('hex');

export const sealed = <Document extends object>(document: Document): Document & { readonly hash: string } => ({
  ...document,
  hash: hashOf(document),
});

/** For the owner's eyes only: these name generations and hold values. Whole or not at all. */
export async function writeSealed(file: string, document: { readonly hash: string }): Promise<void> {
  const part = `${file}.part-${process.pid}`;
  try {
    await writeFile(part, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o600, flush: true });
    await rename(part, file);
    await flushFolder(path.dirname(path.resolve(file)));
  } catch (error) {
    throw new UsageError(`File ${file} cannot be written: ${(error as Error).message}.`, { cause: error });
  }
}

/** @throws {UsageError} (exit 2) when there is none, or it was changed. `what`: as messages name it. */
export async function readSealed<Document extends { readonly hash: string }>(
  file: string,
  what: string,
): Promise<Document> {
  let document: Document;
  try {
    document = JSON.parse(await readFile(file, 'utf8')) as Document;
  } catch (error) {
    throw new UsageError(`File ${file} holds no ${what}: ${(error as Error).message}.`, { cause: error });
  }
  const { hash, ...rest } = document;
  if (hash !== hashOf(rest)) throw new UsageError(`File ${file} is not a ${what} as it was written: it was changed.`);
  return document;
}
