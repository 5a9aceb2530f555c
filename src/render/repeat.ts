/** One look after another until Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises';
import { reportError } from './error-report.ts';
import { onInterrupt } from './interrupt.ts';
import { writeResult } from './output.ts';

export interface Repeating<Seen> {
  readonly everyMs: number;
  /** Each look is one line, with its time. */
  readonly json: boolean;
  /** What is shown to people, ending in a line break. */
  text(seen: Seen): string;
  /** Between the time of a look and what it saw. */
  readonly behindTime: string;
  /** On a terminal each look takes the place of the one before. */
  readonly replacing: boolean;
}

/** A look that fails is shown as such and does not end it. The process ends with the code of the interruption. */
export async function repeatUntilInterrupt<Seen extends object>(
  look: () => Promise<Seen>,
  { everyMs, json, text, behindTime, replacing }: Repeating<Seen>,
): Promise<void> {
  const stopped = new AbortController();
  onInterrupt(() => stopped.abort());
  while (!stopped.signal.aborted) {
    const at = new Date().toISOString();
    let shown: string;
    try {
      const seen = await look();
      shown = json ? `${JSON.stringify({ at, ...seen })}\n` : `${at}${behindTime}${text(seen)}`;
    } catch (error) {
      const report = reportError(error);
      shown = json ? `${JSON.stringify({ at, error: report.json })}\n` : `${at}${behindTime}${report.text}\n`;
    }
    const clear = replacing && !json && process.stdout.isTTY ? '\u001b[H\u001b[J' : '';
    await writeResult(clear + shown);
    await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {});
  }
  process.exitCode = 130;
}
