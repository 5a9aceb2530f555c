/** Flags that the commands of locks have in common. */
import * as Flags from '@oclif/core/flags';
import { durationFlag, parseDuration } from './flags.ts';

export const sharedFlag = Flags.boolean({ description: 'Together with others that ask for the same.' });

/** In milliseconds; 0 for none. */
export const lockDelayFlag = Flags.custom<number>({
  description:
    'For how long nobody else gets the lock when its session is lost: 0 to 60s (where absent: 15s). Asked again for a lock that it holds, that one keeps its first.',
  helpValue: '0|15s',
  parse: async (input) => (input.trim() === '0' ? 0 : parseDuration(input)),
});

export const waitFlag = durationFlag({
  description: 'Wait so long while others hold it (where absent: not at all, exit code 6).',
});
