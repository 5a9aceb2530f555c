/** Diagnostics of one replica. What the replica does never depends on it; adapters get it injected like everything else. */

/** Facts of a message, by name; units in the names (`tookMs`). Never secrets, never values of keys. */
export type LogFacts = object;

/** The part of pino's interface that this project uses. Lines are written before the call returns. */
export interface Logger {
  debug(facts: LogFacts, message: string): void;
  info(facts: LogFacts, message: string): void;
  warn(facts: LogFacts, message: string): void;
  error(facts: LogFacts, message: string): void;
}

/** Says nothing: for tests, and for the simulator, whose trace is its log. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
