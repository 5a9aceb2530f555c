/** The command line of a script: `--help` prints its usage, and what it does not know is said above it, with exit code 2. */
import { parseArgs } from 'node:util';

/**
 * The options that were given, by name, as `parseArgs` of `node:util` reads them.
 *
 * @param {import('node:util').ParseArgsConfig['options']} options
 * @param {string} usage
 */
export function optionsOf(options, usage) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } });
    if (!values.help) return values;
    process.stdout.write(`${usage.trim()}\n`);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof TypeError && 'code' in error)) throw error;
    usageError(error.message, usage);
  }
}

/**
 * Ends the process with exit code 2.
 *
 * @param {string} message
 * @param {string} usage
 */
export function usageError(message, usage) {
  process.stderr.write(`${message}\n\n${usage.trim()}\n`);
  process.exit(2);
}
