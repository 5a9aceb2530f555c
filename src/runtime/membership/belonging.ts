/**
 * Whether one replica belongs to the cell, and who else does, as far as connections tell before the log does: who is let in,
 * who is out, whom this one has met that its log does not name yet, and that it is out itself.
 *
 * Source: design §3 "Membership"; pitfalls P47, P48. Keeps: every life is numbered by the instance that admits it, so whoever has
 * come to that instance and finds the life in no configuration knows that it is out; that is kept on the disk, and nothing brings
 * it back.
 */
import { memberId } from '../../core/consensus/configuration.ts';
import { parseReplicaId, type ReplicaId } from '../../core/consensus/identity.ts';
import { MemberRemovedError } from '../../errors/index.ts';
import type { Manifest } from '../../formats/manifest.ts';
import { type ClockPort, fromNow, type Timer } from '../../ports/clocks.ts';
import type { Admission } from '../../ports/network.ts';
import type { Logger } from '../logger.ts';
import type { Acquaintance } from './documents.ts';
import type { MemberLog } from './membership-service.ts';
import type { PeerQuestions } from './peer-questions.ts';

/** Between two questions of one that rebuilds, whether it may vote. */
const askForVoteMs = 300;

type Log = MemberLog & { updatePeers(): void; turnedAway(member: ReplicaId): void };

/** Who is out stays no longer, whoever knows it: with what it lingers it ends within ten seconds (contract §2). */
const stayMsMax = 6_000;

/** What there is of this replica once its directory is open. */
export interface Belongings {
  readonly manifest: Manifest;
  readonly log: Log;
  readonly questions: PeerQuestions;
  /** Durable when it resolves. */
  readonly keepRemoved: () => Promise<void>;
}

export interface BelongingOptions {
  readonly clocks: ClockPort;
  readonly logger: Logger;
  readonly directory: string;
  onRemoved(error: MemberRemovedError): void;
}

export class Belonging {
  readonly #options: BelongingOptions;
  /** Members that the log of this one does not name yet. */
  readonly #acquaintances = new Map<ReplicaId, string>();
  readonly #lived = new Set<ReplicaId>();
  #own: Belongings | null = null;
  #removed = false;
  #timer: Timer | null = null;
  #staying: Timer | null = null;

  constructor(options: BelongingOptions) {
    this.#options = options;
  }

  /** Incarnations that were heard from since this process began. */
  get lived(): ReadonlySet<ReplicaId> {
    return this.#lived;
  }

  /** The cell has this incarnation no more. */
  get removed(): boolean {
    return this.#removed;
  }

  begin(own: Belongings): void {
    this.#own = own;
    this.#scheduleAskForVote();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#staying?.cancel();
    this.#own = null;
  }

  // --- the others -----------------------------------------------------------------------------------------------------

  heard(id: ReplicaId): void {
    this.#lived.add(id);
  }

  meet({ id, url }: Acquaintance): void {
    this.#acquaintances.set(id, url);
    this.#own?.log.updatePeers();
  }

  /** Those that the log has come to are named by it, or are out. */
  unknownToTheLog(): ReadonlyMap<ReplicaId, string> {
    const upTo = this.#own?.log.core.appliedUpTo ?? 0;
    for (const id of this.#acquaintances.keys()) {
      if (upTo > 0 && parseReplicaId(id).incarnation <= upTo) this.#acquaintances.delete(id);
    }
    return this.#acquaintances;
  }

  /**
   * Only members of a configuration that is in force or to come are listened to, and those that were met. By what the disk knows: who is
   * told that it is out ends, and a crash here must not bring back the time when its vote was wanted.
   */
  judge(id: ReplicaId): Admission {
    const core = this.#own?.log.core;
    const known = core?.durableConfigurations.some(({ configuration }) =>
      configuration.members.some((member) => memberId(member) === id),
    );
    if (known === true || this.#acquaintances.has(id)) return { ok: true };
    if (parseReplicaId(id).incarnation <= (core?.durablyAppliedUpTo ?? 0)) {
      return { ok: false, status: 403, code: 'PAXOS_MEMBER_REMOVED', message: `${id} was removed from this cell.` };
    }
    return { ok: false, status: 403, code: 'PAXOS_MEMBER_UNKNOWN', message: `${id} is not a member of this cell.` };
  }

  /** Null for whoever may be of this cell, as far as this disk knows. */
  refusalOf(id: ReplicaId): Extract<Admission, { ok: false }> | null {
    const judged = this.judge(id);
    return judged.ok || judged.code !== 'PAXOS_MEMBER_REMOVED' ? null : judged;
  }

  /** A member did not let this one in, and has proved that it is one. Whom this one turns away says nothing about it. */
  onRefused(from: ReplicaId, code: string): void {
    if (this.#own === null || !this.judge(from).ok) return;
    if (code === 'PAXOS_MEMBER_REMOVED') {
      const { log } = this.#own;
      // Who knows it by its own log stays until it is not wanted any more.
      return log.core.participation === 'removed' ? log.turnedAway(from) : this.onParted();
    }
    if (code !== 'PAXOS_MEMBER_UNKNOWN') return;
    const { log, questions } = this.#own;
    const members = log.core.configurations.flatMap(({ configuration }) => configuration.members);
    const own = members.find((member) => memberId(member) === log.self);
    const peer = members.find((member) => memberId(member) === from);
    // It missed the change that admitted this one: told where, it asks here for what it missed.
    if (own !== undefined && peer !== undefined) void questions.introduce(peer.url, { id: log.self, url: own.url });
  }

  // --- this one -------------------------------------------------------------------------------------------------------

  /** It is out by its own log, and stays for those who do not know that yet; not for ever: they may be gone as well. */
  onLeft(): void {
    const { clocks } = this.#options;
    const at = fromNow(clocks, stayMsMax);
    this.#staying = clocks.schedule(at, () => this.#end({ known: false }));
  }

  /** It is out, and nobody needs it to find that out. */
  onParted(): void {
    this.#end({ known: true });
  }

  /** `known`: nothing brings it back. Else its directory may still be wanted, and can be started again. */
  #end({ known }: { readonly known: boolean }): void {
    const own = this.#own;
    if (this.#removed || own === null) return;
    this.#removed = true;
    this.#staying?.cancel();
    const { cell, member } = own.manifest;
    const { logger, directory, onRemoved } = this.#options;
    const error = new MemberRemovedError({
      member: member.name,
      incarnation: member.incarnation,
      cell: cell.id,
      directory,
      known,
    });
    logger.warn({ member: member.name, incarnation: member.incarnation }, error.message);
    if (!known) return onRemoved(error);
    own
      .keepRemoved()
      .catch((failure: unknown) => logger.warn({ err: failure }, 'that this member was removed could not be kept'))
      .finally(() => onRemoved(error));
  }

  /** Who takes the place of an incarnation that voted asks for its vote until it has it. */
  #scheduleAskForVote(): void {
    const { clocks } = this.#options;
    const at = fromNow(clocks, askForVoteMs);
    this.#timer = clocks.schedule(at, () => {
      void this.#askForVote().finally(() => {
        if (this.#own !== null && !this.#removed) this.#scheduleAskForVote();
      });
    });
  }

  async #askForVote(): Promise<void> {
    const own = this.#own;
    if (own === null || own.log.core.participation !== 'rebuilding') return;
    const { log, questions } = own;
    const master = log.core.master(this.#options.clocks.now());
    const url = log.core.configuration.members.find((member) => memberId(member) === master)?.url;
    if (url !== undefined) await questions.askForVote(url, { id: log.self, url });
  }
}
