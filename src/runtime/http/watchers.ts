/**
 * Clients that are told of every change: server-sent events, in the order of the revisions, none missed and none twice.
 *
 * Each watcher has a cursor in the history of changes and takes from it only what its connection takes: whoever reads slowly costs a
 * cursor, and is cut off when the history has dropped what it still needs. Nothing runs for a change while nobody watches.
 *
 * Keeps: an event leaves in the same synchronous step as the look whether this replica serves (pitfall P32), so that a frozen, removed or
 * deposed one tells nothing; streams end then, and their clients go on elsewhere from the last event that they have seen.
 */
import type { ServerResponse } from 'node:http';
import type { Instance } from '../../core/consensus/identity.ts';
import type { Revision } from '../../core/database/command.ts';
import type { HttpLimits } from './limits.ts';
import type { ReplicaService } from './service.ts';
import { type Framed, frameOf, progressText } from './watch-events.ts';

type Limits = Pick<HttpLimits, 'watchersMax' | 'watchIdleMs' | 'watchLookMs' | 'watchSliceMs' | 'movingPollMs'>;

export interface WatchStart {
  readonly prefix: string;
  readonly base64: boolean;
  /** All changes up to this revision have been seen. */
  readonly seenUpTo: Revision;
  /** And so many of the next one. */
  readonly seenOfNext: number;
}

/** Revisions that are read from the history at once. */
const pageRevisions = 256;

interface Page {
  readonly after: Revision;
  readonly frames: readonly Framed[];
}

export class Watchers {
  readonly #service: () => ReplicaService;
  readonly #limits: Limits;
  readonly #all = new Set<Watcher>();
  /** The last page read: nearly all watchers stand at the same revision. */
  #page: Page | null = null;
  /** A round is on its way, or the next one is waited for. */
  #busy = false;
  #closed = false;

  constructor(service: () => ReplicaService, limits: Limits) {
    this.#service = service;
    this.#limits = limits;
  }

  get open(): number {
    return this.#all.size;
  }

  get isFull(): boolean {
    return this.#closed || this.#all.size >= this.#limits.watchersMax;
  }

  /** From now on, in the step in which the caller has seen that this replica serves. */
  add(response: ServerResponse, start: WatchStart): void {
    const watcher = new Watcher(response, start);
    this.#all.add(watcher);
    response.on('close', () => this.#all.delete(watcher));
    response.on('drain', () => {
      if (this.#service().serving().kind === 'serving') this.#advance(watcher);
    });
    watcher.tellProgress();
    this.#advance(watcher);
    this.#wait();
  }

  /** Ends all of them. */
  close(): void {
    this.#closed = true;
    this.#endAll();
  }

  #endAll(): void {
    for (const watcher of this.#all) watcher.end();
    this.#all.clear();
  }

  /** For the next applied instance, or the time to look whether this replica still serves. */
  #wait(): void {
    if (this.#busy || this.#all.size === 0) return;
    const serving = this.#service().serving();
    if (serving.kind === 'moving') {
      this.#busy = true;
      setTimeout(() => this.#waited(), this.#limits.movingPollMs).unref();
    } else if (serving.kind === 'serving') {
      this.#busy = true;
      const next = (serving.appliedUpTo + 1) as Instance;
      this.#service().whenApplied(next, this.#limits.watchLookMs, () => setImmediate(() => this.#waited()));
    } else this.#endAll();
  }

  #waited(): void {
    this.#round(this.#service().read().revision, [...this.#all]);
  }

  /** All watchers, a few milliseconds at a time. */
  #round(revision: Revision, watchers: readonly Watcher[]): void {
    const { kind } = this.#service().serving();
    if (kind !== 'serving' && kind !== 'moving') {
      this.#busy = false;
      return this.#endAll();
    }
    const startedMs = performance.now();
    let done = 0;
    if (kind === 'serving') {
      while (done < watchers.length && performance.now() - startedMs < this.#limits.watchSliceMs) {
        const watcher = watchers[done++] as Watcher;
        if (!this.#all.has(watcher)) continue;
        this.#advance(watcher);
        if (startedMs - watcher.writtenMs >= this.#limits.watchIdleMs) watcher.tellProgress();
      }
      if (done < watchers.length) {
        setImmediate(() => this.#round(revision, watchers.slice(done)));
        return;
      }
    }
    this.#page = null;
    this.#busy = false;
    // What was applied meanwhile is waited for by nobody.
    if (kind === 'serving' && this.#service().read().revision !== revision) {
      this.#busy = true;
      setImmediate(() => this.#waited());
    } else this.#wait();
  }

  /** As far as its connection takes it. */
  #advance(watcher: Watcher): void {
    while (watcher.takesMore) {
      const frames = this.#after(watcher.seenUpTo);
      if (frames === null) {
        // It was too slow. Coming back it is told so.
        this.#all.delete(watcher);
        return watcher.end();
      }
      if (frames.length === 0) return;
      watcher.take(frames);
    }
  }

  #after(revision: Revision): readonly Framed[] | null {
    if (this.#page?.after === revision && this.#page.frames.length > 0) return this.#page.frames;
    const records = this.#service().changesAfter(revision, pageRevisions);
    if (records === null) return null;
    const frames = records.map(frameOf);
    this.#page = { after: revision, frames };
    return frames;
  }
}

class Watcher {
  readonly #response: ServerResponse;
  readonly #prefix: string;
  readonly #base64: boolean;
  #seenUpTo: Revision;
  #seenOfNext: number;
  /** When something was last sent, in monotonic milliseconds. */
  writtenMs = 0;

  constructor(response: ServerResponse, { prefix, base64, seenUpTo, seenOfNext }: WatchStart) {
    this.#response = response;
    this.#prefix = prefix;
    this.#base64 = base64;
    this.#seenUpTo = seenUpTo;
    this.#seenOfNext = seenOfNext;
  }

  get seenUpTo(): Revision {
    return this.#seenUpTo;
  }

  get takesMore(): boolean {
    return !this.#response.writableNeedDrain && !this.#response.destroyed && !this.#response.writableEnded;
  }

  /** The revisions that follow those it has seen; a whole revision is sent even when the connection is full in the middle of it. */
  take(frames: readonly Framed[]): void {
    for (const frame of frames) {
      if (!this.takesMore) return;
      const text = frame.text(this.#prefix, this.#base64, this.#seenOfNext);
      this.#seenUpTo = frame.revision;
      this.#seenOfNext = 0;
      if (text !== '') this.#write(text);
    }
  }

  /** Who resumes has seen what there was for it up to here, also where nothing was. */
  tellProgress(): void {
    if (this.takesMore && this.#seenOfNext === 0) this.#write(progressText(this.#seenUpTo));
  }

  #write(text: string): void {
    this.writtenMs = performance.now();
    this.#response.write(text);
  }

  end(): void {
    this.#response.end();
  }
}
