/** How a figure looks: three significant digits, thousands grouped, the unit in the row's label. */
export function figure(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** `median [min–max]`, or a dash. */
export const spread = (summary) =>
  summary === null ? '–' : `${figure(summary.median)} [${figure(summary.min)}–${figure(summary.max)}]`;
