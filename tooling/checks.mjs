/** The static checks. Each counts as one test; none of them changes anything. */
import { at, say } from './paths.mjs';
import { runNode } from './run.mjs';

const bin = (...parts) => at('node_modules', ...parts);
const tsc = bin('typescript', 'bin', 'tsc');

/** What was checked the last time and has not changed is not checked again; the memory of that lies with the caches. */
const types = (name, project) => ({
  name,
  args: [
    ...[tsc, '-p', project, '--noEmit', '--incremental'],
    ...['--tsBuildInfoFile', bin('.cache', 'paxosctl', `${project.replaceAll('/', '-')}.tsbuildinfo`)],
  ],
});

/** The build compiles these with the same options. */
export const typesOfProduct = types('types of commands and src', 'tsconfig.json');

export const checks = [
  typesOfProduct,
  types('types of the tests and examples', 'test/tsconfig.json'),
  types('types of the deterministic core alone', 'src/core/tsconfig.json'),
  {
    name: 'formatting and lint (npm run fix repairs what it can)',
    args: [bin('@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings'],
  },
  {
    name: 'state machines are what their specifications say (npm run machines writes them)',
    args: ['--import', 'tsx', at('tooling', 'machines', 'main.ts'), '--check'],
  },
  {
    name: 'imports point one way',
    args: [
      bin('dependency-cruiser', 'bin', 'dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      'src',
      'commands',
    ],
  },
];

/**
 * Runs the checks, two at a time, and says how each went. A check is a script of Node.js with its arguments, or `work` that throws
 * with what is wrong.
 */
export async function runChecks(wanted = checks) {
  const counts = { passed: 0, failed: 0 };
  const waiting = [...wanted];
  const worker = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      const started = performance.now();
      const wrong = await whatIsWrong(check);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      if (wrong === null) {
        counts.passed += 1;
        say(`✓ ${check.name} (${seconds} s)`);
      } else {
        counts.failed += 1;
        say(`✗ ${check.name} (${seconds} s)\n${wrong.trimEnd()}`);
      }
    }
  };
  await Promise.all([worker(), worker()]);
  return counts;
}

async function whatIsWrong({ args, work }) {
  if (work === undefined) {
    const { code, output } = await runNode(args, { stdio: 'collect' });
    return code === 0 ? null : output;
  }
  try {
    await work();
    return null;
  } catch (error) {
    return error.message;
  }
}
