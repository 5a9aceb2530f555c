/** How a figure looks: three significant digits, thousands grouped, the unit in the row's label. */
export function figure(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

/** `median [min–max]`, the median alone when there is but one sample, a dash when there is none. */
export function spread(summary) {
  if (summary === null) return '–';
  if (summary.min === summary.max) return figure(summary.median);
  return `${figure(summary.median)} [${figure(summary.min)}–${figure(summary.max)}]`;
}
