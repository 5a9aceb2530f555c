import type { ParseArgsConfig, parseArgs } from 'node:util';

export function optionsOf<const Options extends NonNullable<ParseArgsConfig['options']>>(
  options: Options,
  usage: string,
): ReturnType<typeof parseArgs<{ options: Options }>>['values'];
export function wholeNumberOf(name: string, text: string, low: number, usage: string): number;
export function oneOf(name: string, text: string | undefined, known: readonly string[], usage: string): void;
export function usageError(message: string, usage: string): never;
