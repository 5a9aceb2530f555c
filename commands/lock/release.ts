import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class LockRelease extends CellCommand {
  static override summary = 'Release a lock that a session holds.';

  static override description =
    prose`It is free at once, without lock-delay. "session close" releases all that a session holds.

Exit code 6 (PAXOS_LOCK_NOT_HELD): the session does not hold it, or not by the acquisition of --generation.`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> jobs/nightly --session s4711-0',
    '<%= config.bin %> <%= command.id %> leader --session s4711-0 --generation 4712 --json',
  ];

  static override args = {
    lock: Args.string({ ignoreStdin: true, required: true, description: 'Its name.' }),
  };

  static override flags = {
    session: Flags.string({ description: 'The session that holds it.', env: 'PAXOSCTL_SESSION', required: true }),
    generation: Flags.integer({ description: 'Only if it holds it by this acquisition.', min: 1 }),
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(LockRelease);
    const { releaseLock } = await import('../../src/operator/locks.ts');
    const { showLockDryRun, showReleased } = await import('../../src/render/lock-view.ts');
    if (!flags['dry-run']) this.mayHaveWritten();
    const { session, generation } = flags;
    const result = await releaseLock(flags, args.lock, { session, generation, dryRun: flags['dry-run'] });
    if ('dryRun' in result) process.exitCode = 10;
    if (!this.jsonEnabled()) await ('dryRun' in result ? showLockDryRun(result) : showReleased(result.lock));
    return result;
  }
}
