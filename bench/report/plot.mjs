/** Lines with ranges as SVG, drawn by Observable Plot into a document without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

const width = 640;
const height = 360;

const plain = (value) => value.toLocaleString('en-US');
/** Of the lines of a logarithmic scale only some have room for a number. */
const someOf = (value) => (/^[125]/.test(value.toExponential()) ? plain(value) : '');

/**
 * `points`: `{x, series, median, min, max}`. The scale from left to right is logarithmic where the values span more than ten.
 *
 * @returns {string} one SVG element, with its own background: readable on a dark page too.
 */
export function drawPlot({ title, x, y, values, points, logarithmic = false }) {
  const { document } = parseHTML('<html><body></body></html>');
  const wide = Math.max(...values) / Math.min(...values) > 10;
  const svg = Plot.plot({
    document,
    width,
    height,
    marginTop: 40,
    marginLeft: 64,
    marginRight: 72,
    style: { background: 'white', color: 'black', fontSize: '12px' },
    x: {
      type: wide ? 'log' : 'linear',
      label: `${x} →`,
      ticks: values,
      tickFormat: plain,
    },
    y: {
      grid: true,
      label: `↑ ${y}`,
      tickFormat: logarithmic ? someOf : plain,
      ...(logarithmic ? { type: 'log' } : { zero: true }),
    },
    color: { scheme: 'observable10' },
    marks: [
      Plot.text([title], { frameAnchor: 'top-left', dy: -34, fontSize: 15, fontWeight: 'bold' }),
      Plot.ruleX(points, { x: 'x', y1: 'min', y2: 'max', stroke: 'series', strokeOpacity: 0.5, strokeWidth: 2 }),
      Plot.lineY(points, { x: 'x', y: 'median', stroke: 'series', marker: 'dot', strokeWidth: 2 }),
      Plot.text(
        points,
        Plot.selectLast({
          x: 'x',
          y: 'median',
          z: 'series',
          text: 'series',
          fill: 'series',
          textAnchor: 'start',
          dx: 8,
        }),
      ),
    ],
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const name = document.createElement('title');
  name.textContent = title;
  svg.prepend(name);
  return `${svg.outerHTML}\n`;
}
