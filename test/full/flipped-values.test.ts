/**
 * R16: one flipped value in one of five replicas is found within one checksum interval, in every case, the master included, and
 * the majority never stops. `PAXOSCTL_FLIPS` (10,000) and `PAXOSCTL_FLIP_SEED` (drawn) change a run; the seed is printed first.
 */
import { expect, it } from 'vitest';
import { problemOf, searchFlips } from '../support/flip-search.ts';

const cases = Number(process.env.PAXOSCTL_FLIPS ?? 10_000);
const seed = process.env.PAXOSCTL_FLIP_SEED ?? String(Math.floor(Math.random() * 2 ** 32));
/** Of one cell: then another begins, so that no run grows for ever. */
const perCell = 250;
const say = (line: string): void => void process.stderr.write(`${line}\n`);

it(`${cases} flipped values are found`, async () => {
  say(`flipped values, seed ${seed}`);
  const totals = { cases: 0, masters: 0, foundMsMax: 0, backMsMax: 0, gapMsMax: 0, simulatedMs: 0 };
  for (let cell = 0; totals.cases < cases; cell++) {
    let simulatedMs = 0;
    for await (const found of searchFlips({
      seed: `${seed}/${cell}`,
      cases: Math.min(perCell, cases - totals.cases),
    })) {
      expect(problemOf(found), `seed ${seed}/${cell}: ${JSON.stringify(found)}`).toBe(null);
      totals.cases++;
      if (found.wasMaster) totals.masters++;
      totals.foundMsMax = Math.max(totals.foundMsMax, found.foundAfterMs ?? 0);
      totals.backMsMax = Math.max(totals.backMsMax, found.backAfterMs ?? 0);
      totals.gapMsMax = Math.max(totals.gapMsMax, found.longestGapMs);
      simulatedMs = found.simulatedMs;
    }
    totals.simulatedMs += simulatedMs;
  }
  say(JSON.stringify(totals));
}, 3_600_000);
