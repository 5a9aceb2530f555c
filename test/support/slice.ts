/** Long searches in parts: `PAXOSCTL_SLICE=2/5` tries each fifth place, from the second on. */

/** Those of this slice; all where none is asked for. */
export function sliceOf<Item>(all: readonly Item[]): readonly Item[] {
  const [at = 1, of = 1] = (process.env.PAXOSCTL_SLICE ?? '1/1').split('/').map(Number);
  return all.filter((_, i) => i % of === at - 1);
}

/** How far a search is, on standard error. */
export const say = (line: string): void => void process.stderr.write(`${line}\n`);
