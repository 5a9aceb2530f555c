/** Puts `test/explorer` with the consensus core, its private fields opened, into one file. */
export function bundleExplorer(options: {
  readonly outfile: string;
  /** Relative to the project; the command line of the explorer when absent. */
  readonly entry?: string;
  /** Sees each file of `src/core` first, by its path relative to the project. */
  readonly transform?: (source: string, file: string) => string;
}): Promise<void>;
