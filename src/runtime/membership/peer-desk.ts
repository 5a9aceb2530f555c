/**
 * Answers what other replicas ask about the membership: who this is, how it is, and whether one that waits is admitted.
 *
 * An identity is handed out by the master alone, under its lease; only for an incarnation that has no vote and that nobody was
 * seen to live; only by the process whose change brought it forth, since another one before it may have done so already; and only
 * once, to a process that answers at the member's own address. Whoever cannot have it gets the next. So no two processes get one
 * incarnation, whatever anybody remembers, and none that had a vote begins anew with an empty disk (pitfalls P20, P48).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Member, memberId } from '../../core/consensus/configuration.ts';
import { parseReplicaId, type ReplicaId } from '../../core/consensus/identity.ts';
import type { Manifest } from '../../formats/manifest.ts';
import { type ClockPort, fromNow } from '../../ports/clocks.ts';
import type { World } from '../../ports/world.ts';
import {
  type Acquaintance,
  type AdmissionDocument,
  type ConditionDocument,
  type IdentityDocument,
  isAcquaintance,
  isJoinQuestion,
  isProbeQuestion,
  type JoinAnswer,
  type JoinQuestion,
  type ProbeAnswer,
  paths,
} from './documents.ts';
import { type MemberLog, type MembershipService, problemOf } from './membership-service.ts';
import type { PeerQuestions } from './peer-questions.ts';

/** A disk that takes longer for one flush is no use to the cell just now; shorter than a question waits for its answer. */
const flushMsMax = 700;

/** What there is once this replica takes part. */
export interface DeskMember {
  /** As it was when this replica started. */
  readonly manifest: Manifest;
  /** In force now, and not at the start: whoever is admitted must not be taken for data of before. */
  level(): number;
  readonly log: MemberLog;
  readonly membership: MembershipService;
  readonly questions: PeerQuestions;
  /** What members prove to each other. */
  readonly cellSecret: Uint8Array;
  /** This incarnation was heard of, by this process or by what is remembered of disks: it has begun somewhere. */
  hasLived(id: ReplicaId): boolean;
  /** Resolves when something that is written now is durable. */
  flush(): Promise<void>;
  connected(): readonly ReplicaId[];
  /** From now on this replica is reached there, until the log names it. */
  meet(acquaintance: Acquaintance): void;
}

export interface DeskOptions {
  readonly world: Pick<World, 'readPeerRequest' | 'answerPeer'>;
  readonly clocks: ClockPort;
  readonly operatorSecret: Uint8Array | null;
  identity(): IdentityDocument;
  member(): DeskMember | null;
}

export class PeerDesk {
  readonly #options: DeskOptions;
  /** To which process, by its token. */
  readonly #handedOut = new Map<ReplicaId, string>();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** Takes the request, and returns true, when its path is one of these. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const { operatorSecret, identity } = this.#options;
    const member = this.#options.member();
    switch (request.url) {
      case paths.identity:
        void this.#answer(request, response, operatorSecret, async () => identity());
        return true;
      case paths.join:
        void this.#answer(request, response, operatorSecret, (asked) => this.#join(asked));
        return true;
      case paths.condition:
        return this.#asMember(request, response, member, (_, own) => this.#condition(own));
      case paths.probe:
        return this.#asMember(request, response, member, (asked, own) => this.#probe(asked, own));
      case paths.promotion:
        return this.#asMember(request, response, member, (asked, own) => promoted(asked, own));
      case paths.introduction:
        return this.#asMember(request, response, member, async (asked, own) => introduced(asked, own));
      default:
        return false;
    }
  }

  #asMember(
    request: IncomingMessage,
    response: ServerResponse,
    member: DeskMember | null,
    answer: (asked: unknown, member: DeskMember) => Promise<object | null>,
  ): boolean {
    if (member === null) return false;
    void this.#answer(request, response, member.cellSecret, (asked) => answer(asked, member));
    return true;
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    secret: Uint8Array | null,
    answer: (asked: unknown) => Promise<object | null>,
  ): Promise<void> {
    const { world } = this.#options;
    const asked = await world.readPeerRequest(request, secret);
    const document = asked === null ? null : await answer(asked).catch(() => null);
    const status = asked === null ? 401 : document === null ? 503 : 200;
    world.answerPeer(request, response, { status, document: document ?? {}, secret });
  }

  /** Who hangs on its disk answers, applies and acknowledges nothing: only the disk itself can tell (pitfall D10). */
  async #condition({ flush, log }: DeskMember): Promise<ConditionDocument> {
    const { levels, version } = this.#options.identity();
    const durable = !log.stopped && log.frozen === null && (await this.#isInTime(flush()));
    return {
      id: log.self,
      participation: log.stopped ? 'halted' : log.core.participation,
      appliedUpTo: log.appliedUpTo,
      durable,
      version,
      levels,
      digests: log.recentDigests.told(),
    };
  }

  #isInTime(work: Promise<void>): Promise<boolean> {
    const { clocks } = this.#options;
    return new Promise((resolve) => {
      const at = fromNow(clocks, flushMsMax);
      const timer = clocks.schedule(at, () => resolve(false));
      work
        .then(
          () => resolve(true),
          () => resolve(false),
        )
        .finally(() => timer.cancel());
    });
  }

  async #probe(asked: unknown, { log, questions }: DeskMember): Promise<ProbeAnswer | null> {
    if (!isProbeQuestion(asked)) return null;
    const { url, name, token } = asked;
    const identity = await questions.identity(url);
    const own = parseReplicaId(log.self).name;
    if (identity === null) return { name: own, problem: 'no replica answers there with the right secret' };
    const wrong = problemOf(identity, name, url);
    if (wrong !== null || identity.token === token) return { name: own, problem: wrong };
    return { name: own, problem: `another replica of the name ${name} answers there` };
  }

  // --- admitting ----------------------------------------------------------------------------------------------------

  async #join(asked: unknown): Promise<JoinAnswer | null> {
    if (!isJoinQuestion(asked)) return null;
    const own = this.#options.member();
    if (own === null) return { kind: 'wait', reason: `${this.#options.identity().name} is not up yet`, urls: [] };
    const { log } = own;
    if (!log.isServing()) return this.#elsewhere(own);
    const member = memberNamed(own, asked.name);
    if (member === undefined) {
      const reason = `${asked.name} is not a member: paxosctl members add ${asked.name} --url URL`;
      return { kind: 'stranger', reason, urls: urlsOf(own) };
    }
    const identity = await own.questions.identity(member.url);
    if (identity?.token !== asked.token) {
      return this.#wait(own, `the cell knows ${asked.name} at ${member.url}, and this replica does not answer there`);
    }
    return this.#admit(asked, own);
  }

  async #admit(asked: JoinQuestion, own: DeskMember): Promise<JoinAnswer> {
    const member = memberNamed(own, asked.name);
    if (!own.log.isServing() || member === undefined) return this.#elsewhere(own);
    const id = memberId(member);
    const { incarnation } = member;
    const hasServed = member.role === 'voter' || own.hasLived(id);
    if (!hasServed && this.#isFor(asked, member, own)) {
      this.#handedOut.set(id, asked.token);
      return { kind: 'admitted', document: admissionOf(member, own) };
    }
    if (hasServed && asked.rebuild === undefined) {
      return { kind: 'lost', cell: own.manifest.cell.id, incarnation, appliedUpTo: own.log.appliedUpTo };
    }
    const { name } = member;
    const options = { dryRun: false, allowNoSpare: false };
    const result = await own.membership.change({ kind: 'rebuild', name, incarnation }, options);
    switch (result.kind) {
      case 'done':
        // Meanwhile another process may have come to the address, and have it already.
        return (await this.#join(asked)) ?? this.#wait(own, `${id} has gone`);
      case 'refused':
        return this.#wait(own, result.message);
      default:
        return this.#wait(own, `${id} is being replaced by its next incarnation`);
    }
  }

  /** Nobody else has that identity, and the one who asks has not worn it out. */
  #isFor({ token, rebuild }: JoinQuestion, member: Member, { membership }: DeskMember): boolean {
    if (rebuild !== undefined && rebuild.incarnation >= member.incarnation) return false;
    const id = memberId(member);
    const holder = this.#handedOut.get(id);
    return holder === undefined ? membership.broughtForth(id) : holder === token;
  }

  /** Who is master is asked for; where nobody is, whom that may be due to. */
  #elsewhere(own: DeskMember): JoinAnswer {
    const { log } = own;
    const master = log.core.master(this.#options.clocks.now());
    const { members } = log.core.configuration;
    const known = members.find((member) => memberId(member) === master);
    if (known !== undefined && master !== log.self) return { kind: 'elsewhere', url: known.url };
    const linked = new Set<ReplicaId>([...own.connected(), log.self]);
    const missing = members.filter((member) => member.role === 'voter' && !linked.has(memberId(member)));
    const names = missing.map(({ name }) => name).join(', ');
    return this.#wait(own, missing.length === 0 ? 'no master yet' : `no master yet: ${names} cannot be reached`);
  }

  #wait(own: DeskMember, reason: string): JoinAnswer {
    return { kind: 'wait', reason, urls: urlsOf(own) };
  }
}

const urlsOf = ({ log }: DeskMember): readonly string[] => log.core.configuration.members.map(({ url }) => url);

const memberNamed = ({ log }: DeskMember, name: string): Member | undefined =>
  log.core.configurations.at(-1)?.configuration.members.find((member) => member.name === name);

function admissionOf({ incarnation }: Member, own: DeskMember): AdmissionDocument {
  const { manifest, log } = own;
  const { cell, configurations, formedLevel } = manifest;
  const level = own.level();
  const present = log.core.configurations.flatMap(({ configuration }) => configuration.members);
  const members = present.map((member) => ({ id: memberId(member), url: member.url }));
  return { cell, level, formedLevel, configurations, incarnation, members };
}

/** One that takes the place of a voter gets its vote back without an operator; a spare waits to be asked for. */
async function promoted(asked: unknown, { log, membership }: DeskMember): Promise<object | null> {
  if (!isAcquaintance(asked) || !log.isServing()) return null;
  const members = log.core.configurations.at(-1)?.configuration.members ?? [];
  const member = members.find((candidate) => memberId(candidate) === asked.id);
  if (member?.role !== 'rebuilding') return null;
  const result = await membership.change(
    { kind: 'promote', name: member.name },
    { dryRun: false, allowNoSpare: false },
  );
  return { reason: result.kind === 'refused' ? result.message : null };
}

/** Only one that this replica has not come to yet: whom its log has passed over is out. */
function introduced(asked: unknown, own: DeskMember): object | null {
  if (!isAcquaintance(asked)) return null;
  if (parseReplicaId(asked.id).incarnation > own.log.core.chosenUpTo) own.meet(asked);
  return {};
}
