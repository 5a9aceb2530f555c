/**
 * A replica that is to be admitted: asks the members until one says that it is, and with which identity.
 *
 * Source: contract §1 (`node start --join`, `--rebuild`), design §3 "Incarnations". The order of the two commands does not
 * matter: what is asked here is whether the log has admitted it. Nothing is stored before that.
 */
import { DataDirectoryLostError } from '../../errors/index.ts';
import { type ClockPort, fromNow } from '../../ports/clocks.ts';
import type { Logger } from '../logger.ts';
import { type AdmissionDocument, isJoinAnswer, type JoinAnswer, type JoinQuestion } from './documents.ts';

const askAgainMs = 200;
const sayAgainMs = 10_000;
const redirectsMax = 3;

export interface AdmissionOptions {
  readonly question: JoinQuestion;
  readonly directory: string;
  /** Where members were said to be. Those that they name are asked too. */
  readonly urls: readonly string[];
  /** The only cell to be admitted to, where one is expected. */
  readonly expectCell: string | null;
  ask(url: string, question: JoinQuestion): Promise<unknown>;
  onWaiting(reason: string): void;
  readonly clocks: ClockPort;
  readonly logger: Logger;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #urls: string[];
  #stopped = false;
  #said = { reason: '', atMs: 0 };

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#urls = [...options.urls];
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * Resolves when the cell has admitted it; null when it was stopped before.
   * @throws {DataDirectoryLostError} when the cell has counted on this member before, and nobody wants it rebuilt.
   */
  async run(): Promise<AdmissionDocument | null> {
    for (let at = 0; !this.#stopped; at++) {
      const url = this.#urls[at % this.#urls.length] as string;
      const answer = await this.#askFrom(url);
      const document = this.#take(answer, url);
      if (document !== null) return this.#stopped ? null : document;
      if ((at + 1) % this.#urls.length === 0 || answer !== null) await this.#pause();
    }
    return null;
  }

  /** Asks each of them once: the identity that is waiting for it there, if there is one. */
  async once(): Promise<AdmissionDocument | null> {
    for (let at = 0; at < this.#urls.length && !this.#stopped; at++) {
      const answer = await this.#askFrom(this.#urls[at] as string);
      if (answer === null || answer.kind === 'wait') continue;
      return answer.kind === 'admitted' ? answer.document : null;
    }
    return null;
  }

  /** The answer of whoever decides, as far as `url` knows the way to it. */
  async #askFrom(url: string): Promise<JoinAnswer | null> {
    let next = url;
    for (let hop = 0; hop <= redirectsMax; hop++) {
      const answer = await this.#options.ask(next, this.#options.question);
      if (!isJoinAnswer(answer)) return null;
      if (answer.kind !== 'elsewhere') return answer;
      next = answer.url;
    }
    return null;
  }

  #take(answer: JoinAnswer | null, url: string): AdmissionDocument | null {
    const { question, directory, expectCell } = this.#options;
    if (answer === null) return this.#say(`no member answers at ${url} with the right secret`);
    switch (answer.kind) {
      case 'admitted': {
        const { id } = answer.document.cell;
        if (expectCell === null || expectCell === id) return answer.document;
        return this.#say(`${url} is of cell ${id}, and ${expectCell} is expected`);
      }
      case 'wait':
      case 'stranger':
        for (const more of answer.urls) if (!this.#urls.includes(more)) this.#urls.push(more);
        return this.#say(answer.reason);
      case 'lost': {
        const { cell, appliedUpTo } = answer;
        throw new DataDirectoryLostError({ directory, member: question.name, cell, servedUpTo: appliedUpTo });
      }
      default:
        return this.#say(`${url} does not know who is master`);
    }
  }

  #say(reason: string): null {
    const { clocks, logger, onWaiting } = this.#options;
    onWaiting(reason);
    const now = clocks.now().monotonicMs;
    if (reason !== this.#said.reason || now - this.#said.atMs >= sayAgainMs) {
      this.#said = { reason, atMs: now };
      logger.info({ waitingFor: reason }, 'waiting to be admitted');
    }
    return null;
  }

  #pause(): Promise<void> {
    const { clocks } = this.#options;
    const at = fromNow(clocks, askAgainMs);
    return new Promise((resolve) => void clocks.schedule(at, resolve));
  }
}
