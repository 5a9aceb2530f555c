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
 * The whole number that was given, from `low` on; anything else ends the process with exit code 2.
 *
 * @param {string} name
 * @param {string} text
 * @param {number} low
 * @param {string} usage
 */
export function wholeNumberOf(name, text, low, usage) {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= low) return number;
  return usageError(`--${name} is a whole number from ${low}, not ${text}.`, usage);
}

/**
 * Ends the process with exit code 2 when this is none of these words.
 *
 * @param {string} name
 * @param {string | undefined} text
 * @param {readonly string[]} known
 * @param {string} usage
 */
export function oneOf(name, text, known, usage) {
  if (text !== undefined && !known.includes(text))
    usageError(`--${name} is one of ${known.join(', ')}, not ${text}.`, usage);
}

/**
 * Ends the process with exit code 2.
 *
 * @param {string} message
 * @param {string} usage
 * @returns {never}
 */
export function usageError(message, usage) {
  process.stderr.write(`${message}\n\n${usage.trim()}\n`);
  process.exit(2);
}
