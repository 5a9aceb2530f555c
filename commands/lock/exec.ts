import * as Args from '@oclif/core/args';
import { InterruptedError } from '../../src/errors/index.ts';
import { CellCommand, dryRunFlag } from '../../src/render/base-command.ts';
import { durationFlag } from '../../src/render/flags.ts';
import { lockDelayFlag, sharedFlag, waitFlag } from '../../src/render/lock-flags.ts';
import { prose } from '../../src/render/prose.ts';

export default class LockExec extends CellCommand {
  static override summary = 'Run a program while a lock is held.';

  static override description =
    prose`Opens a session, takes the lock, runs COMMAND, and frees the lock when it ends. The program finds the sequencer of the acquisition in PAXOSCTL_SEQUENCER, where
"kv put", "kv delete" and "multiop" look for it by themselves: what they write under a lock that is lost is refused. It also finds PAXOSCTL_LOCK, PAXOSCTL_LOCK_GENERATION, PAXOSCTL_SESSION and
PAXOSCTL_ENDPOINTS.

When the cell is not heard of for as long as the session lives (--ttl), the lock may be given to others: the program is asked to end (SIGTERM), and killed 5 s later. Programs that it has
started itself are its own to end. Ctrl-C asks it to end as well; a second one kills it.

Exit code: that of COMMAND, 128 and the signal's number where one ended it; 6 when others hold the lock; 7 (PAXOS_LOCK_LOST) when it was lost while the program ran; 130 interrupted.
With --json the program's standard output goes to stderr.`;

  static override usage = '<%= command.id %> LOCK [flags] -- COMMAND [ARGUMENT...]';

  static override examples = [
    '<%= config.bin %> <%= command.id %> jobs/nightly -- ./nightly.sh --full',
    '<%= config.bin %> <%= command.id %> leader --wait 10m --ttl 10s -- ./serve',
  ];

  static override strict = false;

  static override args = {
    lock: Args.string({ ignoreStdin: true, required: true, description: 'Any text of 1 to 1024 bytes.' }),
  };

  static override flags = {
    shared: sharedFlag,
    ttl: durationFlag({
      description: 'How long the session lives unheard of.',
      default: 15_000,
      defaultHelp: async () => '15s',
    }),
    'lock-delay': lockDelayFlag(),
    wait: waitFlag,
    'dry-run': dryRunFlag,
  };

  async run(): Promise<unknown> {
    const { args, argv, flags } = await this.parse(LockExec);
    const { lockExec } = await import('../../src/operator/lock-exec.ts');
    const { lockScreen, showLockDryRun } = await import('../../src/render/lock-view.ts');
    if (flags['dry-run']) {
      const { foreseeAcquire } = await import('../../src/operator/locks.ts');
      const mode = flags.shared ? 'shared' : 'exclusive';
      const foreseen = await foreseeAcquire(flags, args.lock, { mode, session: undefined });
      process.exitCode = 10;
      if (!this.jsonEnabled()) await showLockDryRun(foreseen);
      return foreseen;
    }
    this.mayHaveWritten('If the lock was taken, it is free again when its session ends.');
    const screen = lockScreen(args.lock);
    let interrupted = false;
    try {
      const result = await lockExec(flags, args.lock, {
        ...screen,
        mode: flags.shared ? 'shared' : 'exclusive',
        lockDelayMs: flags['lock-delay'],
        waitMs: flags.wait ?? 0,
        ttlMs: flags.ttl,
        command: argv.slice(1).map(String),
        quietStdout: this.jsonEnabled(),
        onRunning: (end) =>
          screen.onRunning(
            end === null
              ? null
              : (signal) => {
                  interrupted = true;
                  end(signal);
                },
          ),
      });
      if (interrupted) {
        const then = result.released ? 'the lock is free' : 'the lock is free when its session ends';
        throw new InterruptedError(
          `Interrupted: COMMAND was asked to end and has ended (${result.exitCode}); ${then}.`,
        );
      }
      process.exitCode = result.exitCode;
      return result;
    } finally {
      screen.stop();
    }
  }
}
