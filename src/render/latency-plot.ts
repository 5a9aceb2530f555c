/** A curve of latencies for a terminal: percentiles from left to right, the tail drawn as wide as the rest. */
import { plot } from 'asciichart';
import { printable } from './escape.ts';

/** This share of the operations took no longer than `ms`. */
export interface LatencyPoint {
  readonly percentile: number;
  readonly ms: number;
}

const heightLines = 9;
const columnsAPoint = 1.5;
const marks = [0, 50, 90, 99, 99.9, 99.99];
/** Below this a clock tells little; and a logarithm has to begin somewhere. */
const leastMs = 0.01;

/** Several lines, the last with a line break. The scale of milliseconds is logarithmic. */
export function latencyPlot(title: string, curve: readonly LatencyPoint[]): string {
  const heading = `${printable(title)}: latency in ms by percentile`;
  if (curve.length < 2) return `${heading}\n  (too few operations)\n`;
  const width = Math.round((curve.length - 1) * columnsAPoint) + 1;
  const values = Array.from({ length: width }, (_, column) => {
    const point = curve[Math.round((column / (width - 1)) * (curve.length - 1))];
    return Math.log10(Math.max(leastMs, point?.ms ?? leastMs));
  });
  const label = (power: number): string => (10 ** power).toPrecision(3).slice(0, 7).padStart(8);
  // Equal values have no height to be spread over: a tenth of a factor of ten stands for it.
  const min = Math.min(...values);
  const max = Math.max(Math.max(...values), min + 0.1);
  const drawn = plot(values, { height: heightLines, min, max, format: label });
  const axisAt = Math.max(...drawn.split('\n').map((line) => line.search(/[┤┼]/)));
  return `${heading}\n${drawn}\n${' '.repeat(axisAt + 1)}${axis(width, decadesOf(curve))}\n`;
}

const decadesOf = (curve: readonly LatencyPoint[]): number => nines(curve.at(-1)?.percentile ?? 0);
/** 90 is one, 99 is two. */
const nines = (percentile: number): number => -Math.log10(1 - percentile / 100);

/** The percentiles that fit, each beginning below its place. */
function axis(width: number, decades: number): string {
  let line = '';
  for (const mark of marks) {
    const at = decades === 0 ? 0 : Math.round((nines(mark) / decades) * (width - 1));
    if (at > width || (line !== '' && at <= line.length)) continue;
    line = `${line.padEnd(at)}${mark}%`;
  }
  return line;
}
