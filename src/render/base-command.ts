/** What all commands share: `--json`, errors that keep their exit code, and the flags that mean the same everywhere. */
import { Command, Flags } from '@oclif/core';
import { durationFlag, endpointsFlag } from './flags.ts';

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  /** The framework would print here and lose the exit code under `--json`: the main program does both. */
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  }
}

/** A command that talks to a cell. */
export abstract class CellCommand extends BaseCommand {
  static override baseFlags = {
    endpoints: endpointsFlag({
      description: 'Replicas to ask, separated by commas; they name the others.',
      env: 'PAXOSCTL_ENDPOINTS',
      helpGroup: 'CELL',
      default: ['http://127.0.0.1:7401'],
    }),
    timeout: durationFlag({
      description: 'How long a step may take, waiting for a master included.',
      env: 'PAXOSCTL_TIMEOUT',
      helpGroup: 'CELL',
      default: 30_000,
      defaultHelp: async () => '30s',
    }),
  };
}

/** Answers the question of a destructive command; without a terminal it is the only way to answer. */
export const yesFlag = Flags.boolean({ description: 'Do not ask.', env: 'PAXOSCTL_YES' });

/** Checked by the cell, not guessed. */
export const dryRunFlag = Flags.boolean({
  description: 'Only say what would change (exit code 10 when something would).',
});
