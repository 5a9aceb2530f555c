/** Locks and sessions of a cell from a program: what is asked, and how long to wait before asking again (CHB §2.4). */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AcquiredDocument,
  AcquireLockBody,
  LockDocument,
  LockDryRunDocument,
  LockMode,
  LocksDocument,
  ReleasedDocument,
  SequencerDocument,
  SessionsDocument,
} from '../formats/lock-body.ts';
import type { Call } from './caller.ts';
import type { CallOptions } from './options.ts';
import type { SessionNumber } from './session.ts';

/** Between two looks at a lock that others hold. */
const lookMs = { first: 50, most: 1_000 };

export interface AcquireOptions extends CallOptions {
  /** `exclusive` where absent. */
  readonly mode?: LockMode;
  /** For how long nobody else may take the lock when this session is lost; 15 s where absent, a minute at most. */
  readonly lockDelayMs?: number;
  /** How long to wait while others hold it; not at all where absent. */
  readonly waitMs?: number;
  /** Ends the waiting. */
  readonly signal?: AbortSignal;
  /** Called with the lock as it is found while waiting. */
  readonly onWait?: (lock: LockDocument) => void;
}

export interface LockListOptions extends CallOptions {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

/** Runs a request of a session under its next number. */
export type Numbering = <Result>(run: (number: SessionNumber) => Promise<Result>) => Promise<Result>;

/** Sends one call and gives the document of its answer. */
export type Ask = <Document>(call: Call, options: CallOptions) => Promise<Document>;

const json = { 'content-type': 'application/json' };
const lockPath = (name: string): string => `/v1/locks/${encodeURIComponent(name)}`;
const numbered = ({ session, sequence }: SessionNumber) => ({ 'idempotency-key': `${session}/${sequence}` });

export class CellLocks {
  readonly #ask: Ask;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /**
   * For sessions: takes the lock once it can be had, or says why not when `waitMs` is over. `numbering` runs each try under a number of its own.
   * @throws {ConditionFailedError} `PAXOS_LOCK_HELD` | `PAXOS_LOCK_DELAYED`; nothing was done then.
   */
  async acquire(numbering: Numbering, name: string, options: AcquireOptions = {}): Promise<AcquiredDocument> {
    const { mode = 'exclusive', lockDelayMs, waitMs = 0, signal } = options;
    const body: AcquireLockBody = { mode, ...(lockDelayMs === undefined ? {} : { lockDelayMs }) };
    const untilMs = performance.now() + waitMs;
    for (;;) {
      try {
        return await numbering((number) =>
          this.#post<AcquiredDocument>(lockPath(name), numbered(number), body, options),
        );
      } catch (error) {
        if (!isTaken(error) || performance.now() >= untilMs) throw error;
        // Looking costs the cell nothing that stays, asking does: it is an entry of the log.
        if (!(await this.#untilFree(name, mode, { ...options, untilMs }))) throw error;
        signal?.throwIfAborted();
      }
    }
  }

  /** @throws {ConditionFailedError} `PAXOS_LOCK_NOT_HELD`; nothing was done then. */
  release(
    number: SessionNumber,
    name: string,
    options: CallOptions & { readonly generation?: number } = {},
  ): Promise<ReleasedDocument> {
    const { generation } = options;
    const path = `${lockPath(name)}${generation === undefined ? '' : `?generation=${generation}`}`;
    return this.#ask({ method: 'DELETE', path, headers: numbered(number), repeatable: true }, options);
  }

  /** What would come of it now; of a session that is not open yet where none is named. */
  acquireDryRun(
    name: string,
    options: CallOptions & { readonly mode?: LockMode; readonly session?: string } = {},
  ): Promise<LockDryRunDocument> {
    const { mode = 'exclusive', session } = options;
    const headers = session === undefined ? {} : numbered({ session, sequence: 1 });
    return this.#post(`${lockPath(name)}?dryRun=true`, headers, { mode }, options);
  }

  releaseDryRun(
    name: string,
    session: string,
    options: CallOptions & { readonly generation?: number } = {},
  ): Promise<LockDryRunDocument> {
    const { generation } = options;
    const path = `${lockPath(name)}?dryRun=true${generation === undefined ? '' : `&generation=${generation}`}`;
    const headers = numbered({ session, sequence: 1 });
    return this.#ask({ method: 'DELETE', path, headers, repeatable: true }, options);
  }

  get(name: string, options: CallOptions = {}): Promise<LockDocument> {
    return this.#get(lockPath(name), options);
  }

  /** One page, by the UTF-8 bytes of the names. */
  list({ prefix, after, limit, ...options }: LockListOptions = {}): Promise<LocksDocument> {
    return this.#get(`/v1/locks${queryOf({ prefix, after, limit })}`, options);
  }

  /** One page of the sessions that are open, by id. */
  sessions({ after, limit, ...options }: Omit<LockListOptions, 'prefix'> = {}): Promise<SessionsDocument> {
    return this.#get(`/v1/sessions${queryOf({ after, limit })}`, options);
  }

  /** Whether the acquisition that a sequencer stands for still stands (CHB §2.4). */
  async check(sequencer: string, options: CallOptions = {}): Promise<boolean> {
    const path = `/v1/sequencers/${encodeURIComponent(sequencer)}`;
    return (await this.#get<SequencerDocument>(path, options)).valid;
  }

  /** False when the time was over first. */
  async #untilFree(
    name: string,
    mode: LockMode,
    { untilMs, signal, onWait, ...options }: AcquireOptions & { readonly untilMs: number },
  ): Promise<boolean> {
    let pauseMs = lookMs.first;
    for (;;) {
      const lock = await this.get(name, options);
      const isFree = lock.mode === null || (lock.mode === 'shared' && mode === 'shared');
      if (isFree && lock.delayMs[mode] === 0) return true;
      onWait?.(lock);
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      // Not all at once, when many wait for one.
      const wantedMs = isFree ? Math.min(lock.delayMs[mode], lookMs.most) : pauseMs * (0.5 + Math.random());
      await sleep(Math.min(wantedMs, leftMs), undefined, signal === undefined ? {} : { signal });
      pauseMs = Math.min(pauseMs * 1.5, lookMs.most);
    }
  }

  #get<Document>(path: string, options: CallOptions): Promise<Document> {
    return this.#ask({ method: 'GET', path, headers: {}, repeatable: true }, options);
  }

  #post<Document>(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: object,
    options: CallOptions,
  ): Promise<Document> {
    const call: Call = {
      method: 'POST',
      path,
      headers: { ...json, ...headers },
      body: JSON.stringify(body),
      repeatable: true,
    };
    return this.#ask(call, options);
  }
}

const isTaken = (error: unknown): boolean =>
  ['PAXOS_LOCK_HELD', 'PAXOS_LOCK_DELAYED'].includes(String((error as { code?: unknown }).code));

function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
