/** A log replica on ports in the hands of the test: time goes on, writes become durable and turns come when it says so. */
import { createNodeDigest } from '../../src/adapters/digest-node/digest-node.ts';
import type { Configuration } from '../../src/core/consensus/configuration.ts';
import type { WriteRequest } from '../../src/core/consensus/effect.ts';
import type { FreezeEvidence } from '../../src/core/consensus/freeze.ts';
import type {
  CellTimeMs,
  Epoch,
  Instance,
  MonotonicMs,
  ReplicaId,
  WriteId,
} from '../../src/core/consensus/identity.ts';
import type { Limits } from '../../src/core/consensus/limits.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import { Random } from '../../src/core/random.ts';
import type { LogApplication } from '../../src/runtime/application.ts';
import { LogReplica } from '../../src/runtime/log-replica.ts';
import type { SubmitOutcome } from '../../src/runtime/log-replica-options.ts';
import type { LogStorage } from '../../src/runtime/log-storage.ts';
import { silentLogger } from '../../src/runtime/logger.ts';

const unused = (): Promise<never> => Promise.reject(new Error('not asked for'));

export const configurationOf = (names: readonly string[]): Configuration => ({
  members: names.map((name) => ({ name, incarnation: 1, role: 'voter', url: `http://${name}` })),
  alpha: 32,
  leaseMs: 500,
  driftPpm: 10_000,
});

export interface HandledLog {
  readonly log: LogReplica<number>;
  readonly sent: readonly Message[];
  /** In the order in which instances with items were applied: whether the replica served right then. */
  readonly servedAt: readonly boolean[];
  /** Who makes a freeze durable: `durable` is to be called. */
  onFreeze(handler: (evidence: FreezeEvidence, durable: () => void) => void): void;
  deliver(from: string, message: Message): void;
  /** The writes up to this one, all when absent, become durable. */
  flush(upTo?: number): void;
  submit(item: string): { outcome: SubmitOutcome<number> | null };
  /** What waits for the next turn of the event loop gets it. */
  turn(): void;
  /** Until `condition` holds: turns, flushes, and then the next timer. */
  runUntil(condition: () => boolean): void;
}

export async function handledLog(names: readonly string[], limits: Partial<Limits> = {}): Promise<HandledLog> {
  const sent: Message[] = [];
  const servedAt: boolean[] = [];
  const pending: WriteRequest[] = [];
  let onFreeze: (evidence: FreezeEvidence, durable: () => void) => void = (_, durable) => durable();
  const turns: (() => void)[] = [];
  let onMessage: (from: ReplicaId, message: Message) => void = () => undefined;
  let onPersisted: (write: WriteId) => void = () => undefined;
  let nowMs = 1_000;
  let timer: { readonly at: number; readonly fire: () => void } | null = null;
  const storage: LogStorage = {
    persist: (request) => pending.push(request),
    onPersisted: (callback) => {
      onPersisted = callback;
    },
    onFailed: () => undefined,
    record: async () => undefined,
    settleBad: () => undefined,
    walBytesSinceSnapshot: () => 0,
    takeSnapshot: unused,
    receiveSnapshot: unused,
    unfinishedSnapshot: () => null,
    resumeSnapshot: unused,
    newestSnapshot: async () => null,
    setAside: async () => undefined,
    takeBack: async () => undefined,
    freeze: (evidence) => new Promise((resolve) => onFreeze(evidence, resolve)),
    serveNewest: async () => null,
  };
  const application: LogApplication<number> = {
    apply: ({ instance, value }) => (value.kind === 'submitted' ? value.items.map(() => instance) : []),
    view: () => {
      throw new Error('not asked for');
    },
    restore: unused,
  };
  const log: LogReplica<number> = new LogReplica<number>({
    self: `${names[0]}#1` as ReplicaId,
    clocks: {
      now: () => ({ monotonicMs: nowMs as MonotonicMs, wallMs: nowMs, bootMs: nowMs }),
      schedule: (at, fire) => {
        const own = { at, fire };
        timer = own;
        return {
          cancel: () => {
            if (timer === own) timer = null;
          },
        };
      },
      nextTurn: (callback) => turns.push(callback),
    },
    network: {
      send: (_to, message) => sent.push(message),
      onMessage: (callback) => {
        onMessage = callback;
      },
      setPeers: () => undefined,
      fetchSnapshot: unused,
      onSnapshotRequest: () => undefined,
      connected: () => [],
      close: async () => undefined,
    },
    storage,
    application,
    digest: await createNodeDigest(),
    random: new Random(1),
    logger: silentLogger,
    limits,
    snapshotLogBytes: 1e9,
    snapshot: null,
    recovered: {
      promise: { ballot: { round: 0, name: '', incarnation: 0 }, leaseMsMax: 0 },
      entries: [],
      chosenUpTo: 0 as Instance,
      handle: {
        instance: 0 as Instance,
        epoch: 0 as Epoch,
        cellTimeMs: 0 as CellTimeMs,
        configurations: [{ from: 1 as Instance, configuration: configurationOf(names) }],
      },
    },
    onDelivered: () => servedAt.push(log.isServing()),
    onFatal: (error) => {
      throw error;
    },
  });
  const flush = (upTo = Number.MAX_SAFE_INTEGER): void => {
    const ready = pending.filter(({ write }) => write <= upTo);
    pending.splice(0, ready.length);
    const last = ready.at(-1);
    if (last !== undefined) onPersisted(last.write);
  };
  const turn = (): void => {
    for (const callback of turns.splice(0)) callback();
  };
  log.start();
  return {
    log,
    sent,
    servedAt,
    onFreeze: (handler) => {
      onFreeze = handler;
    },
    deliver: (from, message) => onMessage(`${from}#1` as ReplicaId, message),
    flush,
    submit: (item) => {
      const told: { outcome: SubmitOutcome<number> | null } = { outcome: null };
      log.submit(Buffer.from(item), (outcome) => {
        told.outcome = outcome;
      });
      return told;
    },
    turn,
    runUntil: (condition) => {
      for (let i = 0; !condition(); i++) {
        if (i > 1_000) throw new Error(`never came to it: ${log.core.state}`);
        turn();
        flush();
        if (condition() || timer === null) continue;
        const { at, fire } = timer;
        timer = null;
        nowMs = Math.max(nowMs, at);
        fire();
      }
    },
  };
}
