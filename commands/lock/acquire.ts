import * as Args from '@oclif/core/args';
import * as Flags from '@oclif/core/flags';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { lockDelayFlag, sharedFlag, waitFlag } from '../../src/render/lock-flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class LockAcquire extends CellCommand {
  static override summary = 'Take a lock for a session.';

  static override description =
    prose`Prints the sequencer of the acquisition: hand it to whoever is to act under the lock. "kv put --sequencer" and every other write that carries it
is refused once the lock was released or lost, however late it arrives.

Where --session is absent a session is opened for the lock, which ends --ttl later: "session keep" keeps it, "session close" ends it and frees the lock at once. To run one
program under a lock, use "lock exec". A session that is named is its owner's to keep, also while this command waits. Asked again, the session that holds the lock gets the same answer.

Exit code 6: others hold it (PAXOS_LOCK_HELD), or the lock-delay of one that was lost is not over (PAXOS_LOCK_DELAYED).`;

  static override examples = [
    '<%= config.bin %> <%= command.id %> jobs/nightly --ttl 2m',
    '<%= config.bin %> <%= command.id %> leader --session s4711-0 --wait 30s --json',
    '<%= config.bin %> <%= command.id %> catalogue --shared',
  ];

  static override args = {
    lock: Args.string({ ignoreStdin: true, required: true, description: 'Any text of 1 to 1024 bytes.' }),
  };

  static override flags = {
    shared: sharedFlag,
    session: Flags.string({ description: 'The session that takes it.', env: 'PAXOSCTL_SESSION', exclusive: ['ttl'] }),
    ttl: durationFlag({ description: 'How long the session lives that is opened for it (where absent: 1m).' }),
    'lock-delay': lockDelayFlag(),
    wait: waitFlag,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, flags } = await this.parse(LockAcquire);
    const { acquireLock, foreseeAcquire } = await import('../../src/operator/locks.ts');
    const { lockScreen, showAcquired, showLockDryRun } = await import('../../src/render/lock-view.ts');
    const mode = flags.shared ? 'shared' : 'exclusive';
    const { session } = flags;
    if (flags['dry-run']) {
      const foreseen = await foreseeAcquire(flags, args.lock, { mode, session });
      process.exitCode = 10;
      if (!this.jsonEnabled()) await showLockDryRun(foreseen);
      return foreseen;
    }
    this.mayHaveWritten();
    const screen = lockScreen(args.lock);
    try {
      const acquired = await acquireLock(flags, args.lock, {
        ...screen,
        mode,
        session,
        lockDelayMs: flags['lock-delay'],
        waitMs: flags.wait ?? 0,
        ttlMs: flags.ttl ?? 60_000,
      });
      screen.onAcquired();
      if (!this.jsonEnabled()) await showAcquired(acquired);
      return acquired;
    } finally {
      screen.stop();
    }
  }
}
