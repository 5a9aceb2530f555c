/**
 * Known bugs as data: what to change in which file to have one of them back.
 *
 * Source: pitfalls §3 ("every scenario is also a mutant"), PML §6.3 and §7 (bugs put back to measure the test). Nothing of this is in the
 * product: the changes are made by the loader of a test build (`plugins.ts`), which production builds do not have.
 */
export interface Edit {
  /** From the root of the project. */
  readonly file: string;
  /** Stands exactly once in the file, unless `every` is set. */
  readonly find: string;
  readonly replace: string;
  /** All places are changed; there is at least one. */
  readonly every?: true;
}

/** What hunts for bugs without being told which. */
export type Hunter = 'explorer' | 'simulator';

export interface Mutant {
  /** Begins with its pitfall, or with the name of another rule. */
  readonly id: string;
  /** Numbers of pitfalls, `P01` to `P55`; empty for other rules. */
  readonly pitfalls: readonly string[];
  /** What the code does then, as a sentence without its end. */
  readonly title: string;
  /** What goes wrong. */
  readonly wrong: string;
  readonly edits: readonly Edit[];
  /** Test files, at least one test of which must fail. */
  readonly killedBy: readonly string[];
  /** Why a hunter cannot find it, where that is so; see also {@link blindness}. */
  readonly blind?: Readonly<Partial<Record<Hunter, string>>>;
}

/** Why `hunter` cannot find `mutant`, or null when it should. */
export function blindness({ edits, blind }: Mutant, hunter: Hunter): string | null {
  const files = edits.map(({ file }) => file);
  const said = blind?.[hunter];
  if (said !== undefined) return said;
  if (hunter === 'explorer') {
    return files.some((file) => file.startsWith('src/core/consensus/')) ? null : 'not in the core of consensus';
  }
  return files.every((file) => file.startsWith('src/adapters/')) ? 'the simulator has twins of the adapters' : null;
}

/** @throws {Error} when what is to be changed does not stand there exactly once. */
export function mutate(source: string, edit: Edit): string {
  const places = source.split(edit.find).length - 1;
  if (places === 1 || (places > 1 && edit.every === true)) return source.replaceAll(edit.find, () => edit.replace);
  throw new Error(`${edit.file}: "${edit.find}" stands there ${places} times`);
}

/** All edits of `mutant` to `file` made to its `source`. */
export const mutateFile = (mutant: Mutant, file: string, source: string): string =>
  mutant.edits.filter((edit) => edit.file === file).reduce(mutate, source);
