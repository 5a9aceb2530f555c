/** Flags of the upgrade commands, which mean the same for all of them. */
import * as Flags from '@oclif/core/flags';
import { yesFlag } from './base-command.ts';
import { durationFlag } from './flags.ts';

export const upgradeFlags = {
  exec: Flags.string({
    description: 'Restarts one member, under /bin/sh -c; {name} {url} {version} {attempt} {role} are filled in.',
    helpValue: 'COMMAND',
  }),
  manual: Flags.boolean({
    description: 'Restart members by hand when told to; it waits for each, 10 minutes or --timeout.',
  }),
  'cell-dir': Flags.string({
    description: 'Folder of a cell of "cell start", for the built-in restart.',
    env: 'PAXOSCTL_CELL_DIR',
  }),
  'backup-dir': Flags.string({
    description: 'Where the backup is put. [default: $XDG_STATE_HOME/paxosctl/upgrade-backups]',
  }),
  'min-tolerance': Flags.integer({
    description: 'Failures that the others must still stand while one member is away.',
    min: 0,
  }),
  yes: yesFlag,
};

export const soakFlag = durationFlag({
  description: 'Every member must have run the target for so long.',
  default: 600_000,
  defaultHelp: async () => '10m',
});

interface Parsed {
  readonly endpoints: readonly string[];
  readonly timeout: number;
  readonly exec?: string | undefined;
  readonly manual?: boolean;
  readonly 'cell-dir'?: string | undefined;
  readonly 'backup-dir'?: string | undefined;
  readonly 'min-tolerance'?: number | undefined;
  readonly soak?: number | undefined;
}

export const upgradeFlagsOf = (flags: Parsed) => ({
  endpoints: flags.endpoints,
  timeout: flags.timeout,
  exec: flags.exec,
  manual: flags.manual ?? false,
  cellDir: flags['cell-dir'],
  backupDir: flags['backup-dir'],
  minTolerance: flags['min-tolerance'],
  soakMs: flags.soak,
});
