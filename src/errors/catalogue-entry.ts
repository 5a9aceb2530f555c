/** What the catalogue says of one code. */

/** Whether a failed request may have had an effect. Only 'none' may be sent again without asking. */
export type Outcome = 'none' | 'unknown';

export interface CatalogueEntry {
  /** One sentence, starting with the thing. */
  readonly meaning: string;
  readonly solve: string;
  /** Status of the HTTP answer that carries it; null when it never travels over HTTP. */
  readonly status: number | null;
  /** Exit code of `paxosctl` when a command ends with it. */
  readonly exit: number;
  readonly outcome: Outcome;
}
