/** What comes of requests for locks, counted as faults are: a long run in which one of these never happened proves nothing of it. */
export const lockEffects = {
  'lock-taken': 'CHB §2.4',
  'lock-shared': 'CHB §2.4',
  /** Refused: others have it. */
  'lock-held': 'CHB §2.4',
  /** Refused: lock-delay keeps it. */
  'lock-delayed': 'CHB §2.4',
  'lock-released': 'CHB §2.4',
  'lock-not-held': 'CHB §2.4',
  /** With the session that had it, which was closed in good order. */
  'lock-closed': 'P54',
  /** With the session that had it, which was silent for too long. */
  'lock-lost': 'P54',
  /** A write under a lock that stands. */
  'lock-written': 'P54',
  /** A write that rests on what is over, or never was. */
  'lock-fenced': 'P54',
  /** Refused: the level of the cell knows no locks. */
  'lock-level': 'U5',
} as const;

export type LockEffect = keyof typeof lockEffects;
