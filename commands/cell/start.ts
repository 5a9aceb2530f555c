import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class CellStart extends BaseCommand {
  static override summary = 'Run a whole cell on this machine.';

  static override description =
    prose`Starts replicas n1, n2, … as processes of their own, on the ports after --base-port and on loopback only. A replica
that dies is started again. Ctrl-C stops all of them cleanly; the same command brings the same cell up again.

Once a master serves, its endpoints and the first commands to try are printed; with --json that is one document, and the
logs of the replicas stay on stderr.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --replicas 5 --base-port 9000 --data-dir ./my-cell',
  ];

  static override flags = {
    replicas: Flags.integer({
      description: 'How many replicas; odd numbers tolerate most. [default: as the folder was made, else 3]',
      min: 1,
      max: 9,
      env: 'PAXOSCTL_REPLICAS',
    }),
    'data-dir': Flags.directory({
      description: 'Folder of the cell. [default: $XDG_STATE_HOME/paxosctl/local-cells/default]',
      env: 'PAXOSCTL_CELL_DIR',
    }),
    'base-port': Flags.integer({
      description: 'Replicas listen on the ports after this one. [default: as the folder was made, else 7400]',
      min: 1,
      max: 65_500,
      env: 'PAXOSCTL_BASE_PORT',
    }),
    timeout: durationFlag({
      description: 'How long the cell may take until a master serves, before that is said.',
      default: 60_000,
      defaultHelp: async () => '1m',
    }),
    verbose: Flags.boolean({ description: 'Show all that the replicas log, not only what matters most.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(CellStart);
    const { runLocalCell } = await import('../../src/operator/run-local-cell.ts');
    const { ownVersion } = await import('../../src/render/own-version.ts');
    const { localCellScreen } = await import('../../src/render/local-cell-view.ts');
    const screen = localCellScreen({ json: this.jsonEnabled(), verbose: flags.verbose });
    process.exitCode = await runLocalCell({
      directory: flags['data-dir'],
      replicas: flags.replicas,
      basePort: flags['base-port'],
      timeoutMs: flags.timeout,
      command: [process.execPath, process.argv[1] ?? ''],
      version: await ownVersion(this.config.root),
      onInterrupt: screen.onInterrupt,
      show: screen,
    });
    return undefined;
  }
}
