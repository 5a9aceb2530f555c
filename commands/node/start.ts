import path from 'node:path';
import * as Flags from '@oclif/core/flags';
import { BaseCommand } from '../../src/render/base-command.ts';
import { prose } from '../../src/render/prose.ts';

export default class NodeStart extends BaseCommand {
  static override summary = 'Run one replica in the foreground.';

  static override description =
    prose`Runs until SIGTERM or Ctrl-C, which hand mastership over first. The log goes to stderr: lines to read on a terminal, JSON
anywhere else.

A cell is formed once: when all listed members answer, agree on the list and have empty data directories. Later starts
rejoin it, and --cell then only hints at addresses.

With --join instead it waits, answering its status alone, until "members add" admits it; the order of the two does not matter.
With --rebuild a member whose disk was lost or damaged comes back as a new incarnation without a vote, gets everything from the
others, and then its vote; what was on the disk is set aside in its quarantine folder.

Exit codes: 0 clean stop; 20 data older than what it acknowledged; 21 files that do not belong; 22 version out of range;
23 removed from the cell; 24 directory of another cell or member; 25 corrupt data; 26 disk full; 27 address in use;
28 data directory in use. A supervisor must not restart 20 to 25 in a loop.`;

  static override examples = [
    `<%= config.bin %> <%= command.id %> --name n1 --data-dir ./n1 --listen 127.0.0.1:7401 \\
      --cell n1=http://127.0.0.1:7401,n2=http://127.0.0.1:7402,n3=http://127.0.0.1:7403`,
    '<%= config.bin %> <%= command.id %> --name n4 --data-dir ./n4 --listen 127.0.0.1:7404 --join http://127.0.0.1:7401',
    `<%= config.bin %> <%= command.id %> --name n1 --data-dir /var/lib/paxosctl --listen 10.0.0.1:7401 --secret-file /etc/paxosctl/secret \\
      --cell n1=http://10.0.0.1:7401,n2=http://10.0.0.2:7401,n3=http://10.0.0.3:7401`,
  ];

  static override flags = {
    name: Flags.string({ required: true, description: 'Name of this member in the cell.', env: 'PAXOSCTL_NAME' }),
    'data-dir': Flags.string({
      required: true,
      description: 'Folder of this replica alone; made when it is absent.',
      env: 'PAXOSCTL_DATA_DIR',
    }),
    listen: Flags.string({
      required: true,
      description: 'Address for clients and peers.',
      helpValue: 'HOST:PORT',
      env: 'PAXOSCTL_LISTEN',
    }),
    cell: Flags.string({
      description: 'All members, this one included.',
      helpValue: 'NAME=URL,…',
      env: 'PAXOSCTL_CELL',
      exclusive: ['join'],
    }),
    join: Flags.string({
      description: 'Members of a formed cell: wait there to be admitted by "members add".',
      helpValue: 'URL[,URL]',
    }),
    'cell-name': Flags.string({ description: 'Fixed when the cell is formed.', default: 'default' }),
    'expect-cell': Flags.string({
      description: 'Take part in this cell or none; never form a new one.',
      helpValue: 'ID',
    }),
    'secret-file': Flags.string({
      description: 'Secret that peers prove to each other; wanted when others can reach --listen.',
      env: 'PAXOSCTL_SECRET_FILE',
    }),
    insecure: Flags.boolean({ description: 'Listen where others can reach it without a secret.' }),
    rebuild: Flags.boolean({
      description:
        'Rebuild a lost, older or damaged disk from the others, without asking; changes nothing for a healthy one.',
    }),
    'snapshot-rate': Flags.integer({
      description: 'MiB a second, in all, for replicas that catch up by a snapshot of this one.',
      env: 'PAXOSCTL_SNAPSHOT_RATE',
      default: 64,
      min: 1,
      max: 100_000,
    }),
    'quarantine-leftovers': Flags.boolean({
      description: 'Move files that do not belong to the data directory aside; nothing is deleted.',
    }),
    moved: Flags.string({
      description: 'This copied directory is the newest one of this member; the log of the start before says the id.',
      helpValue: 'BOOT-ID',
    }),
    witness: Flags.string({
      description: 'Also keep how far this replica was in this file, on other storage than --data-dir.',
      helpValue: 'PATH',
      env: 'PAXOSCTL_WITNESS',
    }),
    'log-level': Flags.option({
      options: ['debug', 'info', 'warn', 'error'] as const,
      default: 'info',
      env: 'PAXOSCTL_LOG_LEVEL',
      description: 'Least severity that is logged.',
    })(),
  };

  async run(): Promise<undefined> {
    const { flags } = await this.parse(NodeStart);
    const { parseListen, parseMembers, parseName, protectionOf } = await import('../../src/operator/start-options.ts');
    const { parseEndpoint, parseEndpoints } = await import('../../src/render/flags.ts');
    const { UsageError } = await import('../../src/errors/index.ts');
    if (flags.cell === undefined && flags.join === undefined) {
      throw new UsageError('Missing flag --cell (who are the members?) or --join (who is to admit this one?).');
    }
    const name = parseName(flags.name);
    const join = flags.join === undefined ? {} : { join: parseEndpoints(flags.join) };
    const cell = flags.cell === undefined ? [] : parseMembers(flags.cell, parseEndpoint);
    if (flags.cell !== undefined && !cell.some((member) => member.name === name)) {
      throw new UsageError(`--cell does not list ${name}, the member that is to be started.`);
    }
    const listen = parseListen(flags.listen);
    const protection = protectionOf(listen, { secretFile: flags['secret-file'], insecure: flags.insecure });
    const { ownVersion } = await import('../../src/render/own-version.ts');
    const version = await ownVersion(this.config.root);

    const { inForeground } = await import('../../src/render/replica-screen.ts');
    const { createNodeWorld } = await import('../../src/adapters/node-world.ts');
    const { startReplica } = await import('../../src/runtime/replica-process.ts');
    const options = {
      name,
      cell,
      ...join,
      rebuild: flags.rebuild,
      ...(flags.moved === undefined ? {} : { moved: flags.moved }),
      ...(flags.witness === undefined ? {} : { witness: path.resolve(flags.witness) }),
      ...listen,
      version,
      dataDir: path.resolve(flags['data-dir']),
      cellName: flags['cell-name'],
      expectCell: flags['expect-cell'] ?? null,
      secret: protection.secret,
      quarantineLeftovers: flags['quarantine-leftovers'],
    };
    process.exitCode = await inForeground(
      { name, level: flags['log-level'], json: this.jsonEnabled() },
      async (logger) => {
        for (const warning of protection.warnings) logger.warn({}, warning);
        const replica = await startReplica(
          options,
          await createNodeWorld(logger, { snapshotBytesPerSecond: flags['snapshot-rate'] * 1024 * 1024 }),
          logger,
        );
        logger.info({ url: `http://${replica.address.host}:${replica.address.port}`, version }, 'listening');
        return replica;
      },
    );
    return undefined;
  }
}
