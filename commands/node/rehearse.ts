import { stat } from 'node:fs/promises';
import path from 'node:path';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class NodeRehearse extends BaseCommand {
  static override summary = 'What this version would make of a data directory, read-only.';

  static override description =
    prose`Replays snapshot and log as a start of this version would, and compares every recorded point with its digests. Nothing is written,
and a replica of another version may be running on the directory meanwhile.

Exit code 22 when this version must not be started there, with the instance at which it differs.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --data-dir ./n1',
    '<%= config.bin %> <%= command.id %> --data-dir /var/lib/paxosctl --name n1 --json',
  ];

  static override flags = {
    'data-dir': Flags.string({ required: true, description: 'Folder of one replica.', env: 'PAXOSCTL_DATA_DIR' }),
    name: Flags.string({ description: 'The member that it must be of.', env: 'PAXOSCTL_NAME' }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(NodeRehearse);
    const dataDir = path.resolve(flags['data-dir']);
    const { UsageError } = await import('../../src/errors/index.ts');
    // Opening would make it.
    if (!(await stat(dataDir).catch(() => null))?.isDirectory()) throw new UsageError(`Not a folder: ${dataDir}.`);
    const { NodeDisk } = await import('../../src/adapters/disk-node/index.ts');
    const { createNodeWorld } = await import('../../src/adapters/node-world.ts');
    const { rehearseDirectory } = await import('../../src/runtime/rehearse-directory.ts');
    const { ownVersion } = await import('../../src/render/own-version.ts');
    const { writeResult } = await import('../../src/render/output.ts');
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const result = await rehearseDirectory(await NodeDisk.open(dataDir), await createNodeWorld(silent), {
      dataDir,
      version: await ownVersion(this.config.root),
      expectName: flags.name ?? null,
    });
    if (!this.jsonEnabled()) {
      await writeResult(
        `${result.member}: version ${result.version} makes of instances ${result.from} to ${result.instance} what version ` +
          `${result.lastVersion || 'none'} made; ${result.points} recorded points came out again\n`,
      );
    }
    return result;
  }
}
