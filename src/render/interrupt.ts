/** Ctrl-C: exit code 130 with a sentence that says whether the work goes on (contract §1). */
import { InterruptedError } from '../errors/index.ts';

const means = { error: () => new InterruptedError('Interrupted; nothing was changed.') };
const handlers: (() => void)[] = [];

/** From now on, says what an interrupt leaves behind. */
export function interruptMeans(error: () => InterruptedError): void {
  means.error = error;
}

/** Lets a command end by itself on the first Ctrl-C or SIGTERM; the second ends the process. Returns how to stop listening. */
export function onInterrupt(handler: () => void): () => void {
  handlers.push(handler);
  return () => {
    const at = handlers.indexOf(handler);
    if (at >= 0) handlers.splice(at, 1);
  };
}

/** Called once, by the main program. `fail` reports the error and ends the process. */
export function listenForInterrupts(fail: (error: InterruptedError) => void): void {
  const listener = () => {
    const handler = handlers.pop();
    if (handler) handler();
    else fail(means.error());
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
}
