/** How `node start` runs in the foreground: its log, its signals, the end of its supervisor, and its last words. */
import { OperatorError } from '../errors/index.ts';
import { onInterrupt } from './interrupt.ts';
import { createLogger, type LogLevel, type ReplicaLogger } from './logger.ts';
import { pasteable } from './suggestions.ts';

/** What of a running replica is needed here. */
export interface Foreground {
  stop(): Promise<void>;
  readonly exited: Promise<number>;
}

export interface ForegroundOptions {
  readonly name: string;
  readonly level: LogLevel;
  /** JSON lines even on a terminal. */
  readonly json: boolean;
}

/**
 * Starts a replica and stays until it has ended. Resolves with its exit code; the log has said why by then, unless the reason
 * is for the caller to print, which is then thrown.
 */
export async function inForeground(
  { name, level, json }: ForegroundOptions,
  start: (logger: ReplicaLogger) => Promise<Foreground>,
): Promise<number> {
  const format = process.stderr.isTTY && !json ? 'people' : 'json';
  const logger = await createLogger({ level, format, base: { name } });
  // What nobody expected leaves memory in a state that nobody checked: only the disk is to be trusted from here on.
  process.on('uncaughtException', (error) => {
    logger.error({ err: error }, 'stopped by an error that nothing expected');
    process.exit(1);
  });
  try {
    const replica = await start(logger);
    const stop = (why: string) => {
      logger.info({ why }, 'stopping');
      // A second signal ends the process at once: the main program does that when nobody listens any more.
      replica.stop().catch((error: unknown) => logger.error({ err: error }, 'stopping failed'));
    };
    onInterrupt(() => stop('signal'));
    if (process.channel) {
      // The supervisor is gone, however it ended; without it nobody would stop this replica.
      process.once('disconnect', () => stop('supervisor ended'));
    }
    return await replica.exited;
  } catch (error) {
    if (format === 'people' || json || !(error instanceof OperatorError)) throw error;
    const { code, exitCode, suggestions, facts } = error;
    logger.error({ code, exitCode, facts, suggestions: suggestions.map((it) => pasteable(it)) }, error.message);
    return exitCode;
  }
}
