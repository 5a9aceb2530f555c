/** What a file must say to be a scenario: a value that means nothing would be a run of something else. */
import { describe, expect, test } from 'vitest';
import { parseScenario, ScenarioError } from '../../src/simulator/scenario.ts';

const good = {
  format: 'paxosctl-scenario',
  version: 1,
  title: 'some',
  expect: 'none',
  cell: { seed: 1, replicas: 3, hours: 0.01, mode: 'safety' },
};
const withCell = (cell: object): object => ({ ...good, cell: { ...good.cell, ...cell } });

describe('a scenario', () => {
  test.each([
    ['as it should be', good],
    ['of any size', withCell({ replicas: null, mode: null })],
    [
      'with everything',
      { ...withCell({ operators: 'often', sabotage: 'disks-forget', operationsMin: 0 }), expect: 'durability' },
    ],
  ])('%s is read', (_what, scenario) => {
    expect(parseScenario(JSON.stringify(scenario))).toMatchObject({ title: 'some' });
  });

  test.each([
    ['a property that there is not', { ...good, expect: 'luck' }, '"expect" must be none or a property, and is "luck"'],
    ['a name that every object has', { ...good, expect: 'toString' }, '"expect" must be none or a property'],
    ['no time', withCell({ hours: 0 }), '"hours" must be above 0'],
    ['less than no time', withCell({ hours: -1 }), '"hours" must be above 0'],
    ['no replicas', withCell({ replicas: 0 }), '"replicas" must be null or a whole number from 1 to 9'],
    ['half a replica', withCell({ replicas: 2.5 }), '"replicas" must be'],
    ['too many replicas', withCell({ replicas: 10 }), '"replicas" must be'],
    ['less than no operations', withCell({ operationsMin: -1 }), '"operationsMin" must be a whole number from 0'],
    ['an unknown mode', withCell({ mode: 'fast' }), '"mode" must be one of safety, liveness, beyond-repair'],
    ['unknown operators', withCell({ operators: 'rarely' }), '"operators" must be one of never, drawn, often'],
    ['unknown sabotage', withCell({ sabotage: 'all' }), '"sabotage" must be one of disks-forget'],
  ])('with %s is refused', (_what, scenario, message) => {
    const read = (): unknown => parseScenario(JSON.stringify(scenario));
    expect(read).toThrow(ScenarioError);
    expect(read).toThrow(message);
  });
});
