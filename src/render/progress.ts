/**
 * Progress on stderr: a spinner on a terminal; anywhere else a plain line at the start, at the end, and every 10 s between
 * them, so that a log shows that the work goes on without being filled by it.
 */
import ora, { type Ora } from 'ora';
import { printable } from './escape.ts';
import { mayColour } from './output.ts';

export interface Progress {
  update(text: string): void;
  /** The work is done; the text stays. */
  succeed(text: string): void;
  /** Takes the spinner away; what went wrong is told by the error. */
  stop(): void;
}

const plainLineMs = 10_000;

export function startProgress(text: string): Progress {
  return process.stderr.isTTY === true && mayColour(process.stderr) ? spinner(text) : plainLines(text);
}

function spinner(text: string): Progress {
  // Ctrl-C is the main program's business: a spinner that swallows input would keep it from there.
  const shown: Ora = ora({ text: printable(text), stream: process.stderr, discardStdin: false }).start();
  return {
    update: (next) => {
      shown.text = printable(next);
    },
    succeed: (last) => void shown.succeed(printable(last)),
    stop: () => void shown.stop(),
  };
}

function plainLines(text: string): Progress {
  const write = (line: string) => process.stderr.write(`${printable(line)}\n`);
  let latest = text;
  let shown = text;
  write(text);
  const timer = setInterval(() => {
    if (latest !== shown) write(latest);
    shown = latest;
  }, plainLineMs);
  timer.unref();
  const end = () => clearInterval(timer);
  return {
    update: (next) => {
      latest = next;
    },
    succeed: (last) => {
      end();
      write(last);
    },
    stop: end,
  };
}
