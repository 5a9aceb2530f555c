import * as Flags from '@oclif/core/flags';
import { CellCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class KvWatch extends CellCommand {
  static override summary = 'Show every change of keys as it happens.';

  static override description =
    prose`One line a change, in the order of the revisions, none missed and none twice, also when the master changes or the connection breaks meanwhile. It goes on until
Ctrl-C, which says how to go on later; with --json each line is a document with the "id" that --after takes.

Exit codes: 0 after --count changes; 130 interrupted; 6 the cell no longer keeps what comes next (PAXOS_REVISION_GONE): list the keys, then watch from the revision behind that of
the list; 3 nobody serves for --timeout.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> --prefix config/',
    '<%= config.bin %> <%= command.id %> --from 1200 --json',
    '<%= config.bin %> <%= command.id %> --prefix jobs/ --count 1 --timeout 5m',
  ];

  static override flags = {
    prefix: Flags.string({ description: 'Only keys that begin with this.', default: '' }),
    from: Flags.integer({ description: 'The first revision that is shown (where absent: the next one).', min: 0 }),
    after: Flags.string({
      description: 'Behind the change with this id, of an earlier watch of the same prefix.',
      exclusive: ['from'],
    }),
    count: Flags.integer({ description: 'End after so many changes.', min: 1 }),
  };

  async run(): Promise<unknown> {
    const { flags } = await this.parse(KvWatch);
    const { watchKeys } = await import('../../src/operator/watch.ts');
    const { watchScreen } = await import('../../src/render/watch-view.ts');
    const screen = watchScreen(this.jsonEnabled());
    try {
      await watchKeys(flags, flags, screen);
      if (screen.signal.aborted) process.exitCode = 130;
    } finally {
      screen.stop();
    }
    return undefined;
  }
}
