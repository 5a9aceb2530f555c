import * as Args from '@oclif/core/args';
import { BaseCommand } from '../src/render/base-command.ts';
import { prose } from '../src/render/prose.ts';

export default class Replay extends BaseCommand {
  static override summary = 'Replay snapshot and log of a data directory, and find where two differ.';

  static override description =
    prose`Begins with the oldest state that the directory has and applies all that is known as chosen after it, as a start would. Not a byte is changed, and no cell
is asked. With two directories the first instance at which their logs or databases differ is shown.

Exit code 0: done, and two directories are the same where they overlap. 4: they differ. 28: a replica runs on one of them.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> ./n1 ./n2 --json',
    '<%= config.bin %> <%= command.id %> /var/lib/paxosctl',
  ];

  static override args = {
    dir: Args.string({ ignoreStdin: true, required: true, description: 'The data directory.' }),
    other: Args.string({ ignoreStdin: true, description: 'Another one, to compare with.' }),
  };

  async run(): Promise<unknown> {
    const { args } = await this.parse(Replay);
    const { createOfflineWorld } = await import('../src/adapters/offline-world.ts');
    const { replayDirectories } = await import('../src/runtime/replay.ts');
    const { makeOfflineDatabase } = await import('../src/runtime/replica-process.ts');
    const { showReplay } = await import('../src/render/replay-view.ts');
    const world = await createOfflineWorld();
    const folders = [args.dir, ...(args.other === undefined ? [] : [args.other])];
    const replayed = await replayDirectories(folders, world, {
      makeApplication: (manifest) => makeOfflineDatabase(world.digest, manifest),
    });
    if (!replayed.ok) process.exitCode = 4;
    if (!this.jsonEnabled()) await showReplay(replayed);
    return replayed;
  }
}
