/** The tool's own memory in a folder that is gone afterwards, for tests that call `src/operator` in their own process. */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** For all tests of a file. */
export function ownStateDirectory(): void {
  const before = process.env.XDG_STATE_HOME;
  let state = '';
  beforeAll(() => {
    state = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-state-'));
    process.env.XDG_STATE_HOME = state;
  });
  afterAll(() => {
    if (before === undefined) delete process.env.XDG_STATE_HOME;
    else process.env.XDG_STATE_HOME = before;
    rmSync(state, { recursive: true, force: true });
  });
}

/** `onStep` of a program that is killed at its `step`th step, counted from 0. */
export function stopAt(step: number): { readonly onStep: (what: string) => void; readonly seen: () => number } {
  let steps = 0;
  return {
    onStep: () => {
      if (steps++ === step) throw new Error('killed here');
    },
    seen: () => steps,
  };
}
