/**
 * Ends a run with one plain line, `N passed, N failed`, for people and machines alike.
 *
 * When `PAXOSCTL_TEST_COUNTS` names a file the counts go there instead, since `npm test` adds the static checks to them.
 * What is no test but went wrong (a file that does not load, an error outside of all tests) counts as failed.
 */
import { writeFileSync } from 'node:fs';

export default class PlainReporter {
  onTestRunEnd(modules, unhandledErrors) {
    let passed = 0;
    let failed = unhandledErrors.length;
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failedHere += 1;
      }
      if (failedHere === 0 && module.state() === 'failed') failedHere = 1;
      failed += failedHere;
    }
    const file = process.env.PAXOSCTL_TEST_COUNTS;
    if (file) writeFileSync(file, JSON.stringify({ passed, failed }));
    else process.stdout.write(`${passed} passed, ${failed} failed\n`);
  }
}
