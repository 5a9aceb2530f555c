/** Counts beside the ones that were kept. */
import { drawText } from '../report/text.mjs';

/** Smaller differences are rounding: pages of memory are counted as a whole. */
const noisePercent = 2;

/** `[{id, what, bytes, kept, percent}]`; `kept` and `percent` are null for what was not kept. */
export function compared(counts, kept) {
  return counts.map(({ id, what, bytes }) => {
    const before = kept[id] ?? null;
    return { id, what, bytes, kept: before, percent: before === null ? null : (bytes / before - 1) * 100 };
  });
}

/** Those that grew by more than `limit` per cent. */
export const grown = (lines, limit) => lines.filter(({ percent }) => percent !== null && percent > limit);

export function drawCounts(lines) {
  const rows = lines.map(({ id, what, bytes, kept, percent }) => [
    id,
    what,
    String(Math.round(bytes)),
    kept === null ? '–' : String(Math.round(kept)),
    percent === null || Math.abs(percent) < noisePercent ? '' : `${percent > 0 ? '+' : ''}${percent.toFixed(0)} %`,
  ]);
  return drawText({ head: ['path', 'what', 'bytes each', 'kept', 'change'], rows });
}
