/** What an upgrade shows while it goes on: each step with one sign, which says how it ended, on a terminal and elsewhere. */
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { documentOf, showHistory, showUpgrade, stepsView } from '../../src/render/upgrade-view.ts';

const { isTTY } = process.stderr;
afterEach(() => {
  process.stderr.isTTY = isTTY;
  vi.restoreAllMocks();
});

const step = (state: 'begun' | 'done' | 'failed', detail: string) =>
  ({ member: 'n1', step: 'restart', state, at: '2024-01-01T00:00:00.000Z', detail }) as const;

describe.each([
  ['a terminal', true],
  ['a pipe', false],
])('on %s', (_, terminal) => {
  it('a step that failed has no sign of success', () => {
    const written: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
    process.stderr.isTTY = terminal;
    const view = stepsView(false);
    view.step(step('done', 'runs version 2'));
    view.step(step('failed', 'was not restarted'));
    view.stop();
    expect(written.map((text) => stripVTControlCharacters(text))).toEqual([
      '✔ n1 restart: runs version 2\n',
      '✖ n1 restart: was not restarted\n',
    ]);
  });
});

it.each([
  ['status', () => showUpgrade(documentOf(null, 1, { name: 'alice', heardMsAgo: null }), { stale: true })],
  ['history', () => showHistory([], { stale: true })],
])('%s says that nobody is master, and that it may be old what is shown', async (_, show) => {
  const told: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => told.push(String(text)) > 0);
  vi.spyOn(process.stdout, 'write').mockImplementation((_text, done?: unknown) => {
    if (typeof done === 'function') done();
    return true;
  });
  await show();
  expect(told.join('')).toContain('may be older than the last word');
});
