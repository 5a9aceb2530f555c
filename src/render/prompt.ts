/** Questions: only on a terminal, and each has a flag that answers it (contract §1). */
import { UsageError } from '../errors/index.ts';
import { printable } from './escape.ts';

export interface Question {
  /** What will happen, as a question that "yes" allows. */
  readonly text: string;
  /** The flag that answers it, for where nobody can be asked. */
  readonly flag: string;
}

/**
 * True when the operator said yes.
 *
 * @throws {UsageError} (exit 2) without a terminal: nothing destructive happens because nobody was there to be asked.
 */
export async function confirm({ text, flag }: Question): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new UsageError(`${text} There is no terminal to ask on: answer with ${flag}.`);
  }
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: process.stderr });
  const { yes } = await prompt([{ type: 'confirm', name: 'yes', message: printable(text), default: false }]);
  return yes === true;
}
