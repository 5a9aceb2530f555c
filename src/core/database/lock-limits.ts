/** Bounds of locks, known to whoever asks for one and to whoever keeps them. */

/** Holders of all locks together, and locks that a lock-delay keeps: what ends with the sessions of one command is released in one step. */
export const lockHoldersMax = 10_000;
/** Holders of one shared lock. */
export const holdersOfLockMax = 256;
/** CHB §2.4: at most a minute. */
export const lockDelayMsMax = 60_000;
