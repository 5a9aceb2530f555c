/** What `kv watch` shows: a line a change on stdout; where to go on, at the end, on stderr. */
import { printable, shortened } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { keyWidthMax, valueText } from './key-value-view.ts';
import { coloured, writeResult } from './output.ts';
import { counted, grouped } from './units.ts';

export type ChangeView = { readonly key: string; readonly revision: number } & (
  | { readonly op: 'put'; readonly value?: string; readonly valueBase64?: string }
  | { readonly op: 'delete' }
);

export function changeText(change: ChangeView): string {
  const key = shortened(change.key, keyWidthMax);
  if (change.op === 'delete') return `${grouped(change.revision)}  delete  ${key}\n`;
  return `${grouped(change.revision)}  put     ${key}  ${valueText(change)}\n`;
}

export interface WatchScreen {
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
  readonly watched: { changes: number; seen: string | null };
  tell(change: ChangeView): Promise<void>;
  /** Says how to go on. */
  stop(): void;
}

export function watchScreen(json: boolean): WatchScreen {
  const interrupted = new AbortController();
  const forget = onInterrupt(() => interrupted.abort());
  const watched: WatchScreen['watched'] = { changes: 0, seen: null };
  return {
    signal: interrupted.signal,
    watched,
    tell: (change) => writeResult(json ? `${JSON.stringify(change)}\n` : changeText(change)),
    stop: () => {
      forget();
      if (watched.seen === null) return;
      const end = `${counted(watched.changes, 'change')}; what comes behind: --after ${printable(watched.seen)}`;
      process.stderr.write(`${coloured('dim', end, process.stderr)}\n`);
    },
  };
}
