/** The command line from end to end: runs the framework, and is the one place that prints an error and ends the process. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Config } from '@oclif/core/config';
import { Help } from '@oclif/core/help';
import { run } from '@oclif/core/run';
import { reportError } from './error-report.ts';
import { listenForInterrupts } from './interrupt.ts';
import { drained, jsonText, wantsJson } from './output.ts';

/** Runs the command that `args` name and ends the process with its exit code. */
export async function main(args: string[], binUrl: string): Promise<never> {
  const json = wantsJson(args);
  listenForInterrupts((error) => void fail(error, json));
  let config: Config | null = null;
  try {
    config = await configOf(args, binUrl);
    await run(args, config);
  } catch (error) {
    return fail(error, json, config === null ? undefined : () => showUsage(config as Config, args));
  }
  return end(process.exitCode ?? 0);
}

/**
 * The framework's view of this program. A plugin takes a good part of a start-up to find and read, so the one that writes
 * completion scripts is left out where the first word names a command that is not its own.
 */
async function configOf(args: readonly string[], binUrl: string): Promise<Config> {
  const [first = ''] = args;
  if (!/^[a-z]/.test(first) || ['autocomplete', 'help'].includes(first)) return Config.load(binUrl);
  const root = fileURLToPath(new URL('..', binUrl));
  const pjson = JSON.parse(await readFile(`${root}package.json`, 'utf8'));
  return Config.load({
    root,
    pjson: { ...pjson, oclif: { ...pjson.oclif, plugins: [] } },
    userPlugins: false,
    devPlugins: false,
  });
}

async function fail(error: unknown, json: boolean, usage?: () => Promise<void>): Promise<never> {
  const quiet = plainExit(error);
  if (quiet !== null) return end(quiet);
  const report = reportError(error);
  if (json) {
    process.stdout.write(jsonText({ error: report.json }));
  } else {
    process.stderr.write(report.text);
    if (report.showUsage) await usage?.();
  }
  return end(report.json.exitCode);
}

/** Sockets that are kept alive must not keep the process; what was printed must not be lost. */
async function end(code: number | string): Promise<never> {
  await drained();
  return process.exit(code);
}

/** The framework's way of ending early with nothing more to say. */
function plainExit(error: unknown): number | null {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIT') return null;
  return (error as { oclif?: { exit?: number } }).oclif?.exit ?? 0;
}

/** The usage of the command that was meant, to stderr: stdout belongs to results. */
async function showUsage(config: Config, args: readonly string[]): Promise<void> {
  const help = new Help(config, { sections: ['usage', 'arguments', 'flags'], sendToStderr: true });
  process.stderr.write('\n');
  try {
    await help.showHelp([...args]);
  } catch {
    // No such command: the message named it, and there is no usage to show.
  }
}
