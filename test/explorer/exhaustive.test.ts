/**
 * The exhaustive search at a scope that takes seconds; the large ones run with `npm run explore -- --exhaustive`. Proof that it
 * sees: a cell that takes an emptied disk for the same member, and a core that answers before its disk has the record.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleExplorer } from '../../tooling/explorer-bundle.mjs';
import type { Scope } from './exhaustive/scope.ts';

type Explorer = typeof import('./index.ts');

const folder = mkdtempSync(path.join(os.tmpdir(), 'paxosctl-explorer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function explorer(name: string, transform: (source: string, file: string) => string): Promise<Explorer> {
  const outfile = path.join(folder, `${name}.mjs`);
  await bundleExplorer({ outfile, entry: 'test/explorer/index.ts', transform });
  return (await import(pathToFileURL(outfile).href)) as Explorer;
}

const oneBallot: Scope = {
  name: 'one ballot',
  about: 'one candidate, a value, a crash and a lost disk',
  voters: ['a', 'b', 'c'],
  elections: { a: 1 },
  ballots: 1,
  submissions: { a: 1 },
  crashes: 1,
  lostDisks: 1,
  disk: 'prompt',
};

describe('every state of a small cell', () => {
  let plain: Explorer;
  beforeAll(async () => {
    plain = await explorer('plain', (source) => source);
  });

  test('of one ballot is reached, and no rule is broken', () => {
    const [one, two] = [new plain.Search(oneBallot).run(), new plain.Search(oneBallot).run()];
    expect(one.failure, one.failure?.message).toBeNull();
    expect(one.exhausted).toBe(true);
    expect(one.instances).toBe(2);
    expect(one.states).toBeGreaterThan(1000);
    // Each field that counts although it makes no difference multiplies them: and the larger scopes do not end then (6,417 when measured).
    expect(one.states).toBeLessThan(10_000);
    expect(plain.unmetNames()).toEqual([]);
    expect([two.states, two.moves, two.depth]).toEqual([one.states, one.moves, one.depth]);
  });

  test('is not claimed when the search was cut short', () => {
    const [duel] = plain.scopes;
    expect(new plain.Search(duel as Scope).run({ statesMax: 1000 })).toMatchObject({ exhausted: false, failure: null });
  });

  test('shows two values chosen where an emptied disk counts as the same member, by a short way', () => {
    const scope: Scope = {
      ...oneBallot,
      elections: { a: 1, b: 1 },
      ballots: 2,
      submissions: {},
      crashes: 0,
      sameIdentity: true,
    };
    const search = new plain.Search(scope);
    const { failure } = search.run();
    if (failure === null) throw new Error('nothing was found');
    expect(failure.rule).toBe('I1 agreement');
    const text = plain.movesText(scope, search.catalogue, failure.moves, failure.message);
    expect(text).toMatch(/^[abc] loses its disk$/m);
    expect(text.split('\n').at(-1)).toMatch(/^BROKEN I1 agreement: 1: /);
  });

  test('shows a promise that left before it was durable', async () => {
    const early = await explorer('early', (source, file) =>
      file.endsWith('/outbox.ts')
        ? source.replace('after: after !== null && this.isDurable(after) ? null : after', 'after: null')
        : source,
    );
    const { failure } = new early.Search(oneBallot).run();
    expect(failure?.rule).toBe('I10 durable before sent');
  });
});
