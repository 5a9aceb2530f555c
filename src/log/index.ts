/**
 * `paxosctl/log`: the fault-tolerant log as a library of its own (PML §3, Figure 2).
 *
 * Submit a value at the master; a callback fires with it on every replica, in one order, exactly once in the life of the
 * application's state, whatever crashes. The application is yours: a deterministic `deliver`, a `snapshot` of its state and a
 * `restore` from one. The log neither knows nor cares what the bytes mean.
 *
 * ```ts
 * const log = await openLog({ name: 'a', directory: './a', listen: { host: '127.0.0.1', port: 7501 }, members, application });
 * const outcome = await log.submit(Buffer.from('hello'));
 * if (outcome.kind === 'delivered') console.log(outcome.instance, outcome.result);
 * ```
 *
 * See docs/LOG.md and examples/guest-book.ts.
 */
import { createServer, type Server } from 'node:http';
import { createNodeWorld } from '../adapters/node-world.ts';
import { parseReplicaId } from '../core/consensus/identity.ts';
import { AddressInUseError } from '../errors/index.ts';
import type { ListedMember } from '../runtime/formation.ts';
import { type Logger, silentLogger } from '../runtime/logger.ts';
import { Member } from '../runtime/member.ts';
import { type Application, type Hosted, HostedApplication } from './hosted-application.ts';

export type { Application, Place } from './hosted-application.ts';
export type { ListedMember, Logger };

export interface LogOptions<Result> {
  /** This replica's name among `members`. */
  readonly name: string;
  /** Of this replica alone; made when it is absent. */
  readonly directory: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** All replicas, this one included. Obeyed once, when the log is formed; later only hints at addresses. */
  readonly members: readonly ListedMember[];
  readonly application: Application<Result>;
  /** Shared by all replicas; wanted as soon as others than this machine can reach `listen`. */
  readonly secret?: Uint8Array;
  readonly logger?: Logger;
  /** A snapshot is taken when the log has grown by so much since the last one. Default 64 MiB. */
  readonly snapshotLogBytes?: number;
}

export type LogOutcome<Result> =
  /** Chosen, and delivered here with this result; delivered everywhere else too, sooner or later. */
  | { readonly kind: 'delivered'; readonly result: Result; readonly instance: number }
  /** It had no effect and never will: submit again, at `master` when that is known. */
  | { readonly kind: 'none'; readonly reason: string; readonly master: ListedMember | null }
  /** It may or may not be delivered, now or later. */
  | { readonly kind: 'unknown'; readonly reason: string };

export interface ReplicatedLog<Result> {
  readonly name: string;
  /** Submits a value. Everything submitted in one turn of the event loop shares one instance of Paxos. */
  submit(value: Uint8Array): Promise<LogOutcome<Result>>;
  /** True while this replica is master under a lease: its application's state is then the newest there is. */
  isMaster(): boolean;
  master(): ListedMember | null;
  /** The last instance delivered here. */
  readonly deliveredUpTo: number;
  /** Hands mastership over, makes everything durable and closes. */
  close(): Promise<void>;
  /** Resolves after `close`; rejects with the reason when this replica had to stop. */
  readonly closed: Promise<void>;
}

const handOverMs = 1_500;

/**
 * Opens one replica; resolves once it takes part. The first time that needs all members, later none.
 * @throws {AddressInUseError} or another `OperatorError` that says why this replica cannot take part.
 */
export async function openLog<Result>(options: LogOptions<Result>): Promise<ReplicatedLog<Result>> {
  const logger = options.logger ?? silentLogger;
  const world = await createNodeWorld(logger);
  let settle: { resolve: () => void; reject: (error: unknown) => void } = { resolve() {}, reject() {} };
  const closed = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  closed.catch(() => undefined);
  const member = new Member<Hosted<Result>, HostedApplication<Result>>(
    {
      name: options.name,
      dataDir: options.directory,
      cell: options.members,
      cellName: 'log',
      expectCell: null,
      secret: options.secret ?? null,
      quarantineLeftovers: false,
      version: 'log/1',
      ...(options.snapshotLogBytes === undefined ? {} : { snapshotLogBytes: options.snapshotLogBytes }),
    },
    world,
    logger,
    {
      makeApplication: () => new HostedApplication(options.application, world.digest),
      onFatal: (error) => void closeAll().then(() => settle.reject(error)),
      onRemoved: (error) => void closeAll().then(() => settle.reject(error)),
    },
  );
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/peer/v1/')) member.handlePeerRequest(request, response);
    else response.writeHead(404).end();
  });
  server.on('upgrade', (request, socket, head) => member.handleUpgrade(request, socket, head));
  const closeAll = async (): Promise<void> => {
    await member.close();
    await closeServer(server);
  };
  await listen(server, options.listen);
  let joined: Awaited<ReturnType<typeof member.join>>;
  try {
    joined = await member.join();
  } catch (error) {
    await closeAll();
    throw error;
  }
  if (joined === null) throw new Error('the log was closed before it was opened');
  const { log } = joined;
  log.start();

  const master = (): ListedMember | null => {
    const id = log.core.master(world.clocks.now());
    if (id === null) return null;
    const { name } = parseReplicaId(id);
    const found = log.core.configuration.members.find((candidate) => candidate.name === name);
    return found === undefined ? null : { name, url: found.url };
  };
  return {
    name: options.name,
    closed,
    master,
    isMaster: () => log.isServing(),
    get deliveredUpTo() {
      return log.appliedUpTo;
    },
    submit: (value) =>
      new Promise((resolve) => {
        log.submit(value, (outcome) => {
          if (outcome.kind === 'unknown') resolve({ kind: 'unknown', reason: outcome.reason });
          else if (outcome.kind === 'none') resolve({ kind: 'none', reason: outcome.reason, master: master() });
          else if (outcome.result.delivered) {
            resolve({ kind: 'delivered', result: outcome.result.value, instance: outcome.instance });
          } else resolve({ kind: 'none', reason: 'not-master', master: master() });
        });
      }),
    close: async () => {
      await member.handOver(handOverMs);
      await closeAll();
      settle.resolve();
    },
  };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new AddressInUseError({ host, port }, error) : error);
    });
    server.listen({ host, port }, resolve);
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
