/** How a client of a torture run reaches the cell: what it can do, and what it can be told. */

/** `told`: the cell answered. `none`: it had no effect. `unknown`: nobody can say. */
export type Told<Answer> =
  | { readonly kind: 'told'; readonly answer: Answer }
  | { readonly kind: 'none' | 'unknown'; readonly why: string };

export interface SeenEntry {
  readonly value: string;
  readonly revision: number;
}

export type Condition =
  | { readonly kind: 'always' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'revision'; readonly revision: number };

export interface Hand {
  /** Writes are safe to repeat, and are repeated until they are told. */
  readonly repeats: boolean;
  read(key: string): Promise<Told<SeenEntry | null>>;
  /** The new revision; null when the condition did not hold. */
  put(key: string, value: string, condition: Condition): Promise<Told<{ readonly revision: number } | null>>;
  /** Whether there was something to delete; null when the condition did not hold. */
  erase(key: string, condition: Condition): Promise<Told<boolean | null>>;
  close(): Promise<void>;
}

/** No operation may take longer, whatever happens to the cell: its faults are over long before. */
export const operationMsMax = 30_000;
/** Of a session: longer than a run. */
export const sessionTtlMs = 3 * 3_600_000;
