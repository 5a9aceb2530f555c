/** What all commands share: `--json`, errors that keep their exit code, and the flags that mean the same everywhere. */
import { readFile } from 'node:fs/promises';
import { Command } from '@oclif/core/command';
import * as Flags from '@oclif/core/flags';
import { InterruptedError, UsageError } from '../errors/index.ts';
import { durationFlag, endpointsFlag } from './flags.ts';
import { interruptMeans } from './interrupt.ts';

/** Thousandths are enough for whatever is measured; counts are whole numbers anyway. */
const withoutNoise = (_: string, value: unknown): unknown =>
  typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;

  /** The framework would print here and lose the exit code under `--json`: the main program does both. */
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  override logJson(json: unknown): void {
    process.stdout.write(`${JSON.stringify(json, withoutNoise, 2)}\n`);
  }

  /** All of standard input. */
  protected async readStdin(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  }

  /** @throws {UsageError} (exit 2) for a file that cannot be read. */
  protected async readFileOrStdin(file: string): Promise<Buffer> {
    if (file === '-') return this.readStdin();
    try {
      return await readFile(file);
    } catch (error) {
      throw new UsageError(`File ${file} cannot be read: ${(error as Error).message}.`, { cause: error });
    }
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
    'accept-generation': Flags.integer({
      description: 'Forget what was seen in older generations: the cell gave it up when generation N began.',
      helpGroup: 'CELL',
      helpValue: 'N',
      min: 2,
    }),
  };

  /** From here on an interrupt cannot be said to have changed nothing. */
  protected mayHaveWritten(
    message = 'What was sent may have been done, or may still be: look before you send it again.',
  ): void {
    interruptMeans(() => new InterruptedError(`Interrupted. ${message}`, { outcome: 'unknown' }));
  }

  /** Asks on a terminal unless `--yes` has answered. @throws {UsageError} where nobody can be asked. */
  protected async confirm(text: string, yes: boolean): Promise<boolean> {
    if (yes) return true;
    const { confirm } = await import('./prompt.ts');
    return confirm({ text, flag: '--yes' });
  }
}

/** Answers the question of a destructive command; without a terminal it is the only way to answer. */
export const yesFlag = Flags.boolean({ description: 'Do not ask.', env: 'PAXOSCTL_YES' });

/** Checked by the cell, not guessed. */
export const dryRunFlag = Flags.boolean({
  description: 'Only say what would change (exit code 10 when something would).',
});

export const ifRevisionFlag = Flags.integer({
  description: 'Only if the last change of the key has this revision.',
  min: 1,
});

/** A program that "lock exec" runs finds it in its environment. */
export const sequencerFlag = Flags.string({
  description: 'Only while the acquisition of a lock stands that printed this.',
  env: 'PAXOSCTL_SEQUENCER',
});

export const ifEpochFlag = Flags.integer({
  description: 'Only if the master has been master without a break since this epoch.',
  min: 1,
});
