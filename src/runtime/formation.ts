/**
 * How a cell comes into being: once, when all listed members answer, agree on the list, and have nothing to lose.
 *
 * Source: contract §1 (`node start`). Two durable steps. The member first by name draws cell id and secret and stores
 * `forming`; each other one stores the same; only when all have, any becomes `formed`, and a forming one that meets a
 * formed one follows. Killed anywhere and started again, the same commands form the same cell, because nobody draws
 * while anybody already holds a drawing, and nobody is formed while anybody is empty. So an empty member that meets a
 * formed one has lost its disk, and members that lost theirs cannot form a second cell (PML §5.1, pitfall P20).
 *
 * The level of the new cell is drawn with the rest: the highest that all listed programs speak, so that a mixed set locks nobody out
 * (design §6). It is stored before anybody is formed and never asked for again. Whose program does not speak what was drawn waits, and says so.
 */
import { DataDirectoryLostError, OperatorError } from '../errors/index.ts';
import { commonLevel, firstLevel, isLevels, isSupported, type LevelRange, levelsText } from '../formats/levels.ts';
import { type ClockPort, fromNow } from '../ports/clocks.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import type { Logger } from './logger.ts';

const askAgainMs = 100;
/** A reason for waiting is said again after this long, so that a log shows that the process lives. */
const sayAgainMs = 10_000;

export interface ListedMember {
  readonly name: string;
  readonly url: string;
}

/** What was drawn for the new cell. The secret leaves a member only to those that may form with it. */
export interface FormationDocument {
  readonly cellId: string;
  readonly cellName: string;
  readonly secretHex: string;
  /** At which the cell begins; absent where a version drew that speaks level 1 alone. */
  readonly level?: number;
  /** Sorted by name. */
  readonly members: readonly ListedMember[];
}

/** What a member tells another about itself. */
export interface FormationView {
  readonly name: string;
  readonly cellName: string;
  readonly members: readonly ListedMember[];
  /** That its program speaks; level 1 alone where absent, as the first version says it. */
  readonly levels?: LevelRange;
  readonly state: 'empty' | 'forming' | 'formed';
  /** Only while forming. */
  readonly document: FormationDocument | null;
  /** Only once formed: the cell's id and everybody in it. */
  readonly cell: { readonly id: string; readonly members: readonly string[]; readonly appliedUpTo: number } | null;
  /** Of the generation that it is making, or has begun; absent or empty without one. */
  readonly attempt?: string;
}

export interface FormationOptions {
  readonly name: string;
  readonly cellName: string;
  readonly members: readonly ListedMember[];
  readonly directory: string;
  /** That this program speaks. */
  readonly levels: LevelRange;
  readonly found: FormationDocument | null;
  /** Durable when it resolves. */
  storeForming(document: FormationDocument): Promise<void>;
  storeFormed(): Promise<void>;
  /** Null when the member does not answer. */
  ask(member: ListedMember): Promise<FormationView | null>;
  readonly clocks: ClockPort;
  readonly randomness: RandomnessPort;
  readonly logger: Logger;
}

export class Formation {
  readonly #options: FormationOptions;
  readonly #members: readonly ListedMember[];
  #document: FormationDocument | null;
  #formed = false;
  #stopped = false;
  #said = { reason: '', atMs: 0 };

  constructor(options: FormationOptions) {
    this.#options = options;
    this.#members = sortedByName(options.members);
    this.#document = options.found;
  }

  /** What this member answers to the others. */
  view(): FormationView {
    const { name, cellName, levels } = this.#options;
    const document = this.#document;
    const told = { name, cellName, members: this.#members, levels };
    if (document === null) return { ...told, state: 'empty', document: null, cell: null };
    if (!this.#formed) return { ...told, state: 'forming', document, cell: null };
    const cell = { id: document.cellId, members: document.members.map((member) => member.name), appliedUpTo: 0 };
    return { ...told, state: 'formed', document: null, cell };
  }

  stop(): void {
    this.#stopped = true;
  }

  /**
   * Resolves when this member is durably formed; null when it was stopped before.
   * @throws {DataDirectoryLostError} when the others are a cell that knows this member; {OperatorError} when they belong
   * to another one.
   */
  async run(): Promise<FormationDocument | null> {
    while (!this.#stopped) {
      const waiting = await this.#round();
      if (waiting === null) return this.#document;
      this.#say(waiting);
      await this.#pause();
    }
    return null;
  }

  /** One look at everybody. Returns what it waits for, or null when formed. */
  async #round(): Promise<string | null> {
    const others = this.#members.filter(({ name }) => name !== this.#options.name);
    const answers = await Promise.all(others.map((member) => this.#options.ask(member)));
    const views: FormationView[] = [];
    let waiting: string | null = null;
    for (const [i, view] of answers.entries()) {
      const member = others[i] as ListedMember;
      if (view === null) waiting ??= `${member.name} does not answer at ${member.url}`;
      else if (view.name !== member.name) waiting ??= `${member.url} answers as ${view.name}, not as ${member.name}`;
      else views.push(view);
    }
    const formed = views.find(({ state }) => state === 'formed');
    if (formed !== undefined) return this.#meetFormed(formed);
    const disagreeing = views.find((view) => !this.#agrees(view));
    if (disagreeing !== undefined) {
      return `${disagreeing.name} was started with another --cell or --cell-name: ${listText(disagreeing.members)}`;
    }
    if (waiting !== null) return waiting;
    return this.#agree(views);
  }

  #agrees(view: FormationView): boolean {
    return view.cellName === this.#options.cellName && listText(view.members) === listText(this.#members);
  }

  /** A forming member follows a formed one of its own cell. Anything else is not a formation any more. */
  async #meetFormed(formed: FormationView): Promise<string | null> {
    const cell = formed.cell;
    if (cell === null) return `${formed.name} is formed and does not say of which cell`;
    if (this.#document?.cellId === cell.id) return this.#becomeFormed();
    const { name, directory } = this.#options;
    if (cell.members.includes(name)) {
      const servedUpTo = cell.appliedUpTo;
      throw new DataDirectoryLostError({ directory, member: name, cell: cell.id, servedUpTo });
    }
    throw new OperatorError(
      'PAXOS_WRONG_CELL',
      `${formed.name} belongs to cell ${cell.id} already, in which there is no member ${name}.`,
      { facts: { member: name, cell: cell.id }, suggestions: ['paxosctl status'] },
    );
  }

  /** Everybody answers and agrees, nobody is formed. */
  async #agree(views: readonly FormationView[]): Promise<string | null> {
    const drawn = views.find(({ state }) => state === 'forming')?.document ?? null;
    if (this.#document === null) {
      const unspoken = drawn === null ? null : this.#unspoken(drawn);
      if (unspoken !== null) return unspoken;
      if (drawn !== null) await this.#becomeForming(drawn);
      else if (this.#members[0]?.name !== this.#options.name)
        return `${this.#members[0]?.name} draws the identity of the cell`;
      else {
        const spoken = [this.view(), ...views].map(({ name, levels = firstAlone }) => ({ name, levels }));
        const level = commonLevel(spoken.map(({ levels }) => levels));
        if (level === null) return `no level is spoken by all: ${spokenText(spoken)}`;
        await this.#becomeForming(this.#draw(level));
      }
    }
    const own = this.#document as unknown as FormationDocument;
    const missing = views.find(({ document }) => document?.cellId !== own.cellId);
    if (missing === undefined) return this.#becomeFormed();
    // Two drawings can only meet when the first member lost its disk in between: the smaller id wins, nothing is lost.
    if (missing.document !== null && missing.document.cellId < own.cellId) {
      const unspoken = this.#unspoken(missing.document);
      if (unspoken !== null) return unspoken;
      await this.#becomeForming(missing.document);
    }
    return `${missing.name} stores the identity of the cell`;
  }

  /** Why this program cannot take part in what was drawn; null where it can. */
  #unspoken(drawn: FormationDocument): string | null {
    const { name, levels } = this.#options;
    const level = levelOfDocument(drawn);
    if (isSupported(level, levels)) return null;
    return `the cell is being formed at level ${level}, and the program of ${name} speaks ${levelsText(levels)}`;
  }

  #draw(level: number): FormationDocument {
    const { randomness, cellName } = this.#options;
    const hex = (bytes: number): string => Buffer.from(randomness.bytes(bytes)).toString('hex');
    return { cellId: hex(16), cellName, secretHex: hex(32), level, members: this.#members };
  }

  async #becomeForming(document: FormationDocument): Promise<void> {
    await this.#options.storeForming(document);
    this.#document = document;
  }

  async #becomeFormed(): Promise<null> {
    await this.#options.storeFormed();
    this.#formed = true;
    return null;
  }

  #say(reason: string): void {
    const now = this.#options.clocks.now().monotonicMs;
    if (reason === this.#said.reason && now - this.#said.atMs < sayAgainMs) return;
    this.#said = { reason, atMs: now };
    this.#options.logger.info({ waitingFor: reason }, 'waiting to form the cell');
  }

  #pause(): Promise<void> {
    const { clocks } = this.#options;
    const at = fromNow(clocks, askAgainMs);
    return new Promise((resolve) => void clocks.schedule(at, resolve));
  }
}

/** Of a program that does not say which levels it speaks. */
const firstAlone: LevelRange = { min: firstLevel, max: firstLevel };

export const levelOfDocument = ({ level = firstLevel }: Pick<FormationDocument, 'level'>): number => level;

const spokenText = (spoken: readonly { readonly name: string; readonly levels: LevelRange }[]): string =>
  spoken.map(({ name, levels }) => `${name} speaks ${levelsText(levels)}`).join(', ');

export const sortedByName = (members: readonly ListedMember[]): readonly ListedMember[] =>
  [...members].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));

const listText = (members: readonly ListedMember[]): string =>
  sortedByName(members)
    .map(({ name, url }) => `${name}=${url}`)
    .join(',');

/** What came in is not believed to have the right shape before it was looked at. */
export function isFormationView(answer: unknown): answer is FormationView {
  if (typeof answer !== 'object' || answer === null) return false;
  const { name, cellName, members, state, levels, document } = answer as Partial<FormationView>;
  return (
    typeof name === 'string' &&
    typeof cellName === 'string' &&
    Array.isArray(members) &&
    (levels === undefined || isLevels(levels)) &&
    (document == null || document.level === undefined || isLevels({ min: document.level, max: document.level })) &&
    (state === 'empty' || state === 'forming' || state === 'formed')
  );
}
