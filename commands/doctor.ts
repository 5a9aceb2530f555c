import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../src/render/base-command.ts';
import { prose } from '../src/render/prose.ts';

export default class Doctor extends CellCommand {
  static override summary = 'Find everything that quietly lowers fault tolerance.';

  static override description =
    prose`Asks every member, compares what they say, and lists what is wrong or soon will be, each with a command that mends it: members that never
answered, never catch up or answer under another name, connections that work one way, disks, clocks, limits, snapshots, leftovers.

Exit code 0: every check that could be made is ok. 9: something is to be done. 3: the cell does not serve. 4: databases differ, or files are
damaged; that outweighs the others. What could not be checked is listed and changes no exit code. With --data-dir, 28: a process uses the directory.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --endpoints http://127.0.0.1:7401',
    '<%= config.bin %> <%= command.id %> --all',
    '<%= config.bin %> <%= command.id %> --data-dir /var/lib/paxosctl',
    '<%= config.bin %> <%= command.id %> --json',
  ];

  static override flags = {
    'data-dir': Flags.string({
      description: 'Examine the files of one replica that is not running, and ask nobody.',
      helpValue: 'DIR',
    }),
    all: Flags.boolean({ description: 'List the checks that are ok too.' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(Doctor);
    const dataDir = flags['data-dir'];
    const { examineCell } = await import('../src/operator/doctor/report.ts');
    const report = dataDir === undefined ? await examineCell(flags) : await this.#offline(dataDir);
    process.exitCode = report.exitCode;
    if (!this.jsonEnabled()) {
      const { showDoctor } = await import('../src/render/doctor-view.ts');
      await showDoctor(report, { all: flags.all });
    }
    return report;
  }

  async #offline(dataDir: string) {
    const { createOfflineWorld } = await import('../src/adapters/offline-world.ts');
    const { doctorDirectory } = await import('../src/runtime/doctor-directory.ts');
    const { examineDirectory } = await import('../src/operator/doctor/report.ts');
    return examineDirectory(await doctorDirectory(dataDir, await createOfflineWorld()));
  }
}
