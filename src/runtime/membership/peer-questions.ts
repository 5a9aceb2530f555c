/** Questions that one replica asks others about the membership, each with its proof and its answer checked. */
import { type Member, memberId } from '../../core/consensus/configuration.ts';
import type { World } from '../../ports/world.ts';
import {
  type ConditionDocument,
  type IdentityDocument,
  isCondition,
  isIdentity,
  isProbeAnswer,
  type ProbeAnswer,
  type ProbeQuestion,
  paths,
} from './documents.ts';

export interface PeerSecrets {
  /** The operator's; null on loopback. */
  readonly operator: Uint8Array | null;
  /** What members prove to each other. */
  readonly cell: Uint8Array;
}

export class PeerQuestions {
  readonly #world: Pick<World, 'askPeer'>;
  readonly #secrets: PeerSecrets;

  constructor(world: Pick<World, 'askPeer'>, secrets: PeerSecrets) {
    this.#world = world;
    this.#secrets = secrets;
  }

  /** Whoever answers at `url`, member or not; null when nobody does who knows the operator's secret. */
  async identity(url: string): Promise<IdentityDocument | null> {
    const answer = await this.#world.askPeer(url, paths.identity, {}, this.#secrets.operator);
    return isIdentity(answer) ? answer : null;
  }

  /** How `member` is, by its own word; null when it does not answer, or another life of it does. */
  async condition(member: Member): Promise<ConditionDocument | null> {
    const answer = await this.#world.askPeer(member.url, paths.condition, {}, this.#secrets.cell);
    return isCondition(answer) && answer.id === memberId(member) ? answer : null;
  }

  /** Whether `member` reaches the replica that is meant; null when `member` does not answer. */
  async probe(member: Member, question: ProbeQuestion): Promise<ProbeAnswer | null> {
    const answer = await this.#world.askPeer(member.url, paths.probe, question, this.#secrets.cell);
    return isProbeAnswer(answer) && answer.name === member.name ? answer : null;
  }

  askForVote(url: string, document: object): Promise<unknown> {
    return this.#world.askPeer(url, paths.promotion, document, this.#secrets.cell);
  }

  introduce(url: string, document: object): Promise<unknown> {
    return this.#world.askPeer(url, paths.introduction, document, this.#secrets.cell);
  }
}
