/** What stdout and stderr have in common for all commands. */

/** `--json` counts wherever it stands before a `--`, also for a command that does not exist. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

/** Resolves when everything written so far was handed to the operating system. */
export async function drained(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => flushed(stream)));
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write('', () => resolve());
  });
}

/** Writes a result. Resolves when there is room for more, so that a slow reader slows the source down. */
export function writeResult(chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** Colours and moving parts are for terminals whose owner did not say no (https://no-color.org). */
export function mayColour(stream: NodeJS.WriteStream): boolean {
  if ((process.env.NO_COLOR ?? '') !== '') return false;
  if ((process.env.FORCE_COLOR ?? '') !== '') return process.env.FORCE_COLOR !== '0';
  return stream.isTTY === true && process.env.TERM !== 'dumb';
}

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Colour = keyof typeof codes;

/** The text in a colour, where that is wanted on this stream. */
export function coloured(colour: Colour, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  if (!mayColour(stream)) return text;
  const [on, off] = codes[colour];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

let inLines = false;

/** From now on every document is one line: what is printed is a stream of them, to its last line (contract §1). */
export function printLines(): void {
  inLines = true;
}

/** A document as `--json` prints it. */
export const jsonText = (document: unknown): string => `${JSON.stringify(document, null, inLines ? 0 : 2)}\n`;
