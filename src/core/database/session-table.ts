/**
 * All client sessions: replicated state like any other, in snapshots and in the checksum (pitfall P53).
 *
 * Sessions end by a logged command only, in cell time; a full table refuses new sessions and forgets no old one.
 * Keeps: the sum has one digest for each session and each answer kept.
 */
import type { CellTimeMs, Instance } from '../consensus/identity.ts';
import { invariant } from '../invariant.ts';
import { forgetResults, singleWriteAnswerBytes, valueBytesOf } from './answer.ts';
import { type DigestSum, digestOf } from './checksum.ts';
import type { CommandResult } from './command.ts';
import type { DatabasePorts, DatabaseRecord, PackedBytes } from './record.ts';
import { Session, sessionAnswerBytesMax, sessionNumbersMax } from './session.ts';
import { sessionsExpiredAtOnceMax, sessionsMax, sessionTtlMsMax, sessionTtlMsMin } from './session-limits.ts';
import type { StateStore, StateView } from './state-store.ts';

/** Sessions born in one instance are numbered by their place in its value, so that no id ever comes twice. */
export const sessionId = (birth: Instance, place: number): string => `s${birth}-${place}`;

export class SessionTable {
  readonly #store: StateStore<Session>;
  readonly #sum: DigestSum;
  readonly #ports: DatabasePorts;
  #answerCount = 0;
  /** Number of the latest view. */
  #stamp = 0;
  /** No session ends before this; only a hint, so that asking who is due costs nothing while nobody is. */
  #earliestExpiry = Number.POSITIVE_INFINITY;

  constructor(store: StateStore<Session>, sum: DigestSum, ports: DatabasePorts) {
    this.#store = store;
    this.#sum = sum;
    this.#ports = ports;
    // So while answers take too much, the longest one is longer than this, and can be shortened.
    invariant(
      singleWriteAnswerBytes(ports.codec) * sessionNumbersMax <= sessionAnswerBytesMax,
      'the answers of single writes of all numbers fit into what a session may keep',
    );
  }

  get size(): number {
    return this.#store.size;
  }

  get answerCount(): number {
    return this.#answerCount;
  }

  /** Null when the table is full. */
  open(id: string, ttlMs: number, now: CellTimeMs): Session | null {
    if (this.#store.size >= sessionsMax) return null;
    const ttl = Math.min(Math.max(ttlMs, sessionTtlMsMin), sessionTtlMsMax);
    return this.load(id, { ttlMs: ttl, expiresCellTimeMs: expiryAt(now, ttl), floor: 0 });
  }

  /** Sets a session as it is, without answers, for `open` and for restoring. */
  load(id: string, state: { ttlMs: number; expiresCellTimeMs: number; floor: number }): Session {
    const session = new Session({ ...state, stamp: this.#stamp });
    session.digest = digestOf(this.#ports, sessionRecord(id, session));
    this.#sum.add(session.digest);
    this.#store.set(id, session);
    this.#earliestExpiry = Math.min(this.#earliestExpiry, session.expiresCellTimeMs);
    return session;
  }

  find(id: string): Session | undefined {
    return this.#store.get(id);
  }

  /** The answer kept for a number, whatever it was. */
  answer(session: Session, sequence: number): CommandResult | null {
    const packed = session.answer(sequence);
    return packed === undefined ? null : this.#ports.codec.decodeResult(this.#ports.codec.unpack(packed));
  }

  /** Moves the end of the session to its time to live from now. Any request of its own proves that the client lives. */
  renew(id: string, now: CellTimeMs): Session | undefined {
    const present = this.#store.get(id);
    if (present === undefined) return undefined;
    const expires = expiryAt(now, present.ttlMs);
    if (expires <= present.expiresCellTimeMs) return present;
    const session = this.#owned(id, present);
    session.expiresCellTimeMs = expires;
    this.#headerChanged(id, session);
    return session;
  }

  /** Keeps the answer of a number that was just applied; the lowest number may have to go, or answers be shortened. */
  remember(id: string, sequence: number, result: CommandResult): void {
    const session = this.#owned(id, this.#store.get(id) as Session);
    this.loadAnswer(id, session, sequence, this.#ports.codec.pack(this.#encodeForKeeping(result)));
    const forgotten = session.forgetLowest();
    if (forgotten !== null) {
      this.#subtractAnswer(id, forgotten.sequence, forgotten.answer);
      this.#headerChanged(id, session);
    }
    this.#shortenAnswers(id, session);
  }

  loadAnswer(id: string, session: Session, sequence: number, answer: PackedBytes): void {
    session.keep(sequence, answer);
    this.#answerCount++;
    this.#sum.add(digestOf(this.#ports, answerRecord(id, sequence, answer)));
  }

  /** False when there is none. */
  close(id: string): boolean {
    const session = this.#store.get(id);
    if (session === undefined) return false;
    this.#store.delete(id);
    this.#sum.subtract(session.digest);
    for (const { sequence, answer } of session.answers()) this.#subtractAnswer(id, sequence, answer);
    return true;
  }

  /** Ends those of `ids` that are due by now: one may have been renewed since the master proposed this. Returns which. */
  expire(ids: readonly string[], now: CellTimeMs): readonly string[] {
    return ids.filter((id) => {
      const session = this.#store.get(id);
      return session !== undefined && session.expiresCellTimeMs <= now && this.close(id);
    });
  }

  from(id: string): IterableIterator<readonly [string, Session]> {
    return this.#store.from(id);
  }

  /** Sessions whose time is over, also when it is counted from `since`; at most as many as one command may end. */
  due(now: CellTimeMs, since: CellTimeMs): readonly string[] {
    if (now < this.#earliestExpiry) return [];
    const due: string[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (const [id, session] of this.#store.from('')) {
      const ends = Math.max(session.expiresCellTimeMs, expiryAt(since, session.ttlMs));
      if (ends <= now && due.length < sessionsExpiredAtOnceMax) due.push(id);
      earliest = Math.min(earliest, session.expiresCellTimeMs);
    }
    this.#earliestExpiry = earliest;
    return due;
  }

  /** Sessions that change from now on are copied first. */
  view(): StateView<Session> {
    this.#stamp++;
    return this.#store.view();
  }

  #owned(id: string, session: Session): Session {
    if (session.stamp === this.#stamp) return session;
    const copy = session.copy(this.#stamp);
    this.#store.set(id, copy);
    return copy;
  }

  /** After its floor or its end moved. */
  #headerChanged(id: string, session: Session): void {
    this.#sum.subtract(session.digest);
    session.digest = digestOf(this.#ports, sessionRecord(id, session));
    this.#sum.add(session.digest);
  }

  #shortenAnswers(id: string, session: Session): void {
    const { codec } = this.#ports;
    for (;;) {
      const long = session.nextToShorten();
      if (long === null) return;
      const short = codec.pack(codec.encodeResult(forgetResults(codec.decodeResult(codec.unpack(long.answer)))));
      this.#sum.subtract(digestOf(this.#ports, answerRecord(id, long.sequence, long.answer)));
      this.#sum.add(digestOf(this.#ports, answerRecord(id, long.sequence, short)));
      session.replace(long.sequence, short);
    }
  }

  /** Never encodes more than a session may keep: ten thousand gets of large values would be gigabytes. */
  #encodeForKeeping(result: CommandResult): Uint8Array {
    const { codec } = this.#ports;
    if (valueBytesOf(result) <= sessionAnswerBytesMax) {
      const bytes = codec.encodeResult(result);
      if (bytes.length <= sessionAnswerBytesMax) return bytes;
    }
    return codec.encodeResult(forgetResults(result));
  }

  #subtractAnswer(id: string, sequence: number, answer: PackedBytes): void {
    this.#answerCount--;
    this.#sum.subtract(digestOf(this.#ports, answerRecord(id, sequence, answer)));
  }
}

/** Never beyond the numbers that all formats carry. */
const expiryAt = (now: CellTimeMs, ttlMs: number): number => Math.min(now + ttlMs, Number.MAX_SAFE_INTEGER);

export const sessionRecord = (id: string, session: Session): DatabaseRecord => ({
  kind: 'session',
  session: id,
  ttlMs: session.ttlMs,
  expiresCellTimeMs: session.expiresCellTimeMs,
  floor: session.floor,
});

export const answerRecord = (session: string, sequence: number, answer: PackedBytes): DatabaseRecord => ({
  kind: 'answer',
  session,
  sequence,
  answer,
});
