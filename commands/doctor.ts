import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../src/render/base-command.ts';
import { prose } from '../src/render/prose.ts';

export default class Doctor extends CellCommand {
  static override summary = 'Find everything that quietly lowers fault tolerance.';

  static override description =
    prose`Asks every member, compares what they say, and lists what is wrong or soon will be, each with a command that mends it: members that never
answered, never catch up or answer under another name, connections that work one way, disks, clocks, limits, snapshots, leftovers.

Exit code 0: every check that could be made is ok. 9: something is to be done. 3: the cell does not serve. 4: databases differ, or files are
damaged; that outweighs the others. What could not be checked is listed and changes no exit code.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --endpoints http://127.0.0.1:7401',
    '<%= config.bin %> <%= command.id %> --all',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  static override flags = {
    all: Flags.boolean({ description: 'List the checks that are ok too.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Doctor);
    const { examineCell } = await import('../src/operator/doctor/report.ts');
    const report = await examineCell(flags);
    process.exitCode = report.exitCode;
    if (!this.jsonEnabled()) {
      const { showDoctor } = await import('../src/render/doctor-view.ts');
      await showDoctor(report, { all: flags.all });
    }
    return report;
  }
}
