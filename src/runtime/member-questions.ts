/** What members ask one another below `/peer/v1/` besides messages and admission: of the cell's formation, of generations, of backups. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { World } from '../ports/world.ts';
import { backupPath } from './backups/backup-question.ts';
import { type FormationView, isFormationView, type ListedMember } from './formation.ts';
import type { GenerationView } from './recovery.ts';

const formationPath = '/peer/v1/formation';
const generationPath = '/peer/v1/generation';

export interface MemberQuestionsOptions {
  readonly world: World;
  readonly operatorSecret: Uint8Array | null;
  /** The cell's secret, hex; null before this member knows its cell. */
  readonly cell: () => string | null;
  /** What is answered; null for nothing. */
  readonly formation: () => FormationView | null;
  readonly generation: () => GenerationView | null;
  readonly backup: (question: unknown) => object | null;
}

export class MemberQuestions {
  readonly #options: MemberQuestionsOptions;

  constructor(options: MemberQuestionsOptions) {
    this.#options = options;
  }

  /** False for what is no question of these. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.url === formationPath) void this.#answerFormation(request, response);
    else if (request.url === generationPath)
      void this.#answerProven(request, response, () => this.#options.generation());
    else if (request.url === backupPath)
      void this.#answerProven(request, response, (asked) => this.#options.backup(asked));
    else return false;
    return true;
  }

  async #answerFormation(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { world, operatorSecret: secret } = this.#options;
    const asked = await world.readPeerRequest(request, secret);
    const view = asked === null ? null : this.#options.formation();
    const status = asked === null ? 401 : view === null ? 503 : 200;
    world.answerPeer(request, response, { status, document: view ?? {}, secret });
  }

  /** Proven by the cell's secret in both directions: what is said of a generation decides whether it begins. */
  async #answerProven(
    request: IncomingMessage,
    response: ServerResponse,
    answerTo: (asked: unknown) => object | null,
  ): Promise<void> {
    const { world } = this.#options;
    const secret = this.#cellSecret();
    const asked = secret === null ? null : await world.readPeerRequest(request, secret);
    const answer = asked === null ? null : answerTo(asked);
    const status = asked === null ? 401 : answer === null ? 503 : 200;
    world.answerPeer(request, response, { status, document: answer ?? {}, secret });
  }

  /** What another member answers to that question. Null when it does not answer, or is not of this cell. */
  async askBackup(url: string, question: object): Promise<unknown> {
    const secret = this.#cellSecret();
    return secret === null ? null : this.#options.world.askPeer(url, backupPath, question, secret);
  }

  /** What another member says of the generations. Null when it does not answer, or is not of this cell. */
  async askGeneration(url: string): Promise<GenerationView | null> {
    const secret = this.#cellSecret();
    if (secret === null) return null;
    const answer = await this.#options.world.askPeer(url, generationPath, {}, secret);
    return isGenerationView(answer) ? answer : null;
  }

  /** What another listed member knows of the cell, or of its being formed. */
  async askFormation(member: ListedMember): Promise<FormationView | null> {
    const { world, operatorSecret } = this.#options;
    const answer = await world.askPeer(member.url, formationPath, {}, operatorSecret);
    return isFormationView(answer) ? answer : null;
  }

  #cellSecret(): Uint8Array | null {
    const { cell, operatorSecret } = this.#options;
    const secretHex = cell();
    return secretHex === null ? null : peerSecret(secretHex, operatorSecret);
  }
}

/** What peers prove to each other: the cell's secret, bound to the operator's where there is one. */
export function peerSecret(secretHex: string, operatorSecret: Uint8Array | null): Uint8Array {
  const secret = Buffer.from(secretHex, 'hex');
  if (operatorSecret === null) return secret;
  return createHash('sha256').update(secret).update(operatorSecret).digest();
}

export function isGenerationView(answer: unknown): answer is GenerationView {
  if (typeof answer !== 'object' || answer === null) return false;
  const { name, present, presentId, generation, generationId, step, decision } = answer as Partial<GenerationView>;
  const named = [name, presentId, generationId, decision].every((it) => typeof it === 'string');
  return (
    named &&
    typeof present === 'number' &&
    typeof generation === 'number' &&
    ['none', 'fenced', 'ready', 'active'].includes(step ?? '')
  );
}
