import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../src/render/base-command.ts';
import { durationFlag } from '../src/render/flags.ts';
import { prose } from '../src/render/prose.ts';

export default class Status extends CellCommand {
  static override summary = 'Show the cell at a glance.';

  static override description =
    prose`Master, lease and epoch, every member with its role, position, lag and version, and how many failures the
cell survives now.

Exit code 0: healthy; 9: it serves, with less fault tolerance than intended; 3: it does not serve. Lines with \`warn\` say what lowers it when
something else fails; they change no exit code, and \`doctor\` has the command against each.

With --watch it repeats until interrupted, as one JSON document a line with --json.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --endpoints http://127.0.0.1:7401',
    '<%= config.bin %> <%= command.id %> --watch --interval 500ms',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  static override flags = {
    watch: Flags.boolean({ description: 'Show it again and again until Ctrl-C.' }),
    interval: durationFlag({
      description: 'Time between two looks of --watch (1s where absent).',
      dependsOn: ['watch'],
    }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Status);
    const { exitCodeOfHealth, survey } = await import('../src/operator/cell-status.ts');
    const { examinedStatus } = await import('../src/operator/examined-status.ts');
    const { showStatus, watchStatus } = await import('../src/render/status-view.ts');
    const look = async () => examinedStatus(await survey(flags.endpoints, flags.timeout));
    if (flags.watch) return watchStatus(look, { everyMs: flags.interval ?? 1_000, json: this.jsonEnabled() });
    const status = await look();
    process.exitCode = exitCodeOfHealth(status.cell.health);
    if (!this.jsonEnabled()) await showStatus(status);
    return status;
  }
}
