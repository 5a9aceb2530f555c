/** One line of a trace for people: true time, who, what, and the numbers with their names. */
export interface TraceLine {
  readonly timeMs: number;
  readonly who: string;
  readonly what: string;
  readonly parts: readonly (string | number)[];
}

/** Of what a replica is fed: what message and from whom, how many effects came of it, and how far it was after it. */
const step = ['', '', 'effects', 'chosen', 'applied', ''];

/** Names of the parts, by what happened; an empty name leaves a part alone. */
const names: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    [
      ...['submit', 'message', 'persisted', 'woken', 'hand-over', 'change-configuration'],
      ...['snapshot-taken', 'snapshot-installed', 'snapshot-failed'],
    ].map((kind) => [kind, step]),
  ),
  chosen: ['instance', 'ballot', 'digest'],
  applies: ['instance', '', 'epoch', 'checksum'],
  serves: ['epoch'],
  starts: ['', 'promised', 'entries', 'chosen'],
  asks: ['operation', 'of'],
  writes: ['operation', 'of'],
  'is told': ['operation', ''],
};

/** Aligned: 12 columns for milliseconds, 4 for who. Nobody is the cell as a whole. */
export function formatTraceLine({ timeMs, who, what, parts }: TraceLine): string {
  const labels = names[what] ?? [];
  const shown = parts.map((part, i) => {
    const text = typeof part === 'number' ? String(Math.round(part * 1000) / 1000) : part;
    return labels[i] ? `${labels[i]}=${text}` : text;
  });
  const words = [what, ...shown].filter((word) => word !== '').join(' ');
  return `${timeMs.toFixed(3).padStart(12)} ms  ${who.padEnd(4)} ${words}`;
}
