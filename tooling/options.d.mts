import type { ParseArgsConfig, parseArgs } from 'node:util';

export function optionsOf<const Options extends NonNullable<ParseArgsConfig['options']>>(
  options: Options,
  usage: string,
): ReturnType<typeof parseArgs<{ options: Options }>>['values'];
export function usageError(message: string, usage: string): never;
