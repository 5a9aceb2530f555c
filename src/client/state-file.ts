/**
 * What the tool remembers between two commands: the newest position mark of each cell, and which cell it met at which
 * endpoints (contract §1). Without it a cell that was rolled back between two commands would go unnoticed.
 *
 *     cells/<cell id>/<generation>-<epoch>-<instance>.mark    the mark; the last name in order is the newest
 *     cells/<cell id>/cell.json                               {"id","name","members"}: its name, and where its members were
 *     endpoints/<hash of the endpoint>.json                   {"endpoint","cell"}
 *
 * A mark's file is named after its place in history, so that several commands at a time need no lock: each adds its own
 * and removes only those that come before it. The newest can never be replaced by an older one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { NotAllowedError } from '../errors/cell-errors.ts';
import { comparePoints, type MarkedPoint, readPositionMark } from '../formats/position-mark.ts';
import type { KnownCell } from './find-master.ts';
import type { MarkStore } from './marks.ts';

/** `$XDG_STATE_HOME/paxosctl`, by default `~/.local/state/paxosctl`. */
export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const given = env.XDG_STATE_HOME ?? '';
  // A relative path is to be ignored, says the XDG Base Directory Specification.
  return path.join(path.isAbsolute(given) ? given : path.join(homedir(), '.local', 'state'), 'paxosctl');
}

const digits = (n: number): string => String(n).padStart(16, '0');
const markName = ({ generation, epoch, instance }: MarkedPoint): string =>
  `${digits(generation)}-${digits(epoch)}-${digits(instance)}.mark`;
const cellName = 'cell.json';
const markPattern = /^\d{16}-\d{16}-\d{16}\.mark$/;

/** Ids come from the network: one that could mean another place on the disk is hashed. */
const folderOf = (cell: string): string =>
  /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(cell) ? cell : `sha256-${createHash('sha256').update(cell).digest('hex')}`;

export class StateFile {
  readonly #directory: string;

  /** Created when there is something to keep. */
  constructor(directory: string = stateDirectory()) {
    this.#directory = directory;
  }

  /** The newest mark of a cell, or null. */
  async newestMark(cell: string): Promise<string | null> {
    const folder = this.#cellFolder(cell);
    // Another command may remove what was just listed, when it has a newer one.
    for (let tries = 0; tries < 10; tries++) {
      const newest = (await markFiles(folder)).at(-1);
      if (newest === undefined) return null;
      try {
        return (await readFile(path.join(folder, newest), 'utf8')).trim();
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
    return null;
  }

  /** Keeps a mark unless a newer one of its cell is there. */
  async keepMark(mark: string): Promise<void> {
    const point = readPositionMark(mark);
    if (point === null) return;
    const folder = this.#cellFolder(point.cellId);
    const name = markName(point);
    const before = await markFiles(folder);
    const newest = before.at(-1);
    if (newest !== undefined && newest >= name) return;
    await writeWhole(folder, name, `${mark}\n`);
    await Promise.all(before.filter((it) => it < name).map((it) => rm(path.join(folder, it), { force: true })));
  }

  /** What is remembered of the cell that was met at the first of these endpoints that is known. */
  async cellMetAt(endpoints: readonly string[]): Promise<KnownCell | null> {
    for (const endpoint of endpoints) {
      const id = await this.cellAt(endpoint);
      if (id !== null) return (await this.knownCell(id)) ?? { id, name: null, members: [] };
    }
    return null;
  }

  /** Remembers name and members of a cell: the newest description counts. One without members adds nothing. */
  async keepCell(cell: KnownCell): Promise<void> {
    if (cell.members.length === 0) return;
    const text = `${JSON.stringify({ id: cell.id, name: cell.name, members: cell.members })}\n`;
    const folder = this.#cellFolder(cell.id);
    const before = await readFile(path.join(folder, cellName), 'utf8').catch(() => '');
    if (before !== text) await writeWhole(folder, cellName, text);
  }

  /** Ids of the remembered cells of this name; names are not unique. */
  async cellsNamed(name: string): Promise<string[]> {
    const folders = await names(path.join(this.#directory, 'cells'));
    const cells = await Promise.all(folders.map((folder) => this.knownCell(folder)));
    return cells.flatMap((it) => (it !== null && it.name === name ? [it.id] : [])).sort();
  }

  /** Whether any cell is remembered. */
  async knowsAny(): Promise<boolean> {
    return (await names(path.join(this.#directory, 'cells'))).length > 0;
  }

  /** What is remembered of a cell by its id; null for nothing. */
  async knownCell(id: string): Promise<KnownCell | null> {
    const text = await readFile(path.join(this.#cellFolder(id), cellName), 'utf8').catch(() => '');
    return describedIn(text);
  }

  /** The cell that was met at an endpoint first, or null. */
  async cellAt(endpoint: string): Promise<string | null> {
    try {
      const { cell } = JSON.parse(await readFile(this.#endpointFile(endpoint), 'utf8')) as { cell?: unknown };
      return typeof cell === 'string' ? cell : null;
    } catch (error) {
      // Half a file of another program's making is as good as none.
      if (isMissing(error) || error instanceof SyntaxError) return null;
      throw error;
    }
  }

  /**
   * Remembers the cell that answers at an endpoint.
   * @throws {NotAllowedError} (exit 12) when another one was met there before; nothing is changed then.
   */
  async meet(endpoint: string, cell: string): Promise<void> {
    const known = await this.cellAt(endpoint);
    if (known === cell) return;
    if (known !== null) throw wrongCell(endpoint, known, cell);
    const file = this.#endpointFile(endpoint);
    const text = `${JSON.stringify({ endpoint, cell })}\n`;
    const temporary = await writeTemporary(path.dirname(file), text);
    try {
      // Fails when somebody was first: then that one counts.
      await link(temporary, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const first = await this.cellAt(endpoint);
      if (first !== null && first !== cell) throw wrongCell(endpoint, first, cell);
      if (first === null) await rename(temporary, file);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  /** Whether anything is remembered of a cell. */
  async knows(cell: string): Promise<boolean> {
    const kept = await names(this.#cellFolder(cell));
    if (kept.some((it) => it === cellName || markPattern.test(it))) return true;
    return (await this.#endpointsOf(cell)).length > 0;
  }

  /** Forgets a cell: its marks, its members, and at which endpoints it was met. False when it was not known. */
  async forget(cell: string): Promise<boolean> {
    const known = await this.knows(cell);
    await rm(this.#cellFolder(cell), { recursive: true, force: true });
    for (const file of await this.#endpointsOf(cell)) await rm(file, { force: true });
    return known;
  }

  /** The files of the endpoints at which a cell was met. */
  async #endpointsOf(cell: string): Promise<string[]> {
    const folder = path.join(this.#directory, 'endpoints');
    const files = (await names(folder)).map((name) => path.join(folder, name));
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    return files.filter((_, at) => cellIn(texts[at] ?? '') === cell);
  }

  #cellFolder(cell: string): string {
    return path.join(this.#directory, 'cells', folderOf(cell));
  }

  #endpointFile(endpoint: string): string {
    const name = createHash('sha256').update(endpoint).digest('hex').slice(0, 32);
    return path.join(this.#directory, 'endpoints', `${name}.json`);
  }
}

/** Begins with what is stored, collects in memory, and writes when {@link StoredMarks.save} is called. */
export class StoredMarks implements MarkStore {
  readonly #state: StateFile;
  #newest: string | null;
  #point: MarkedPoint | null;
  #changed = false;
  /** Whether what is stored of the cell was looked up, and so has gone along with every request. */
  #begun = false;
  readonly #acceptedGeneration: number;

  private constructor(state: StateFile, acceptedGeneration: number) {
    this.#state = state;
    this.#newest = null;
    this.#point = null;
    this.#acceptedGeneration = acceptedGeneration;
  }

  /**
   * With the newest mark of the cell that was met at the first of these endpoints that is known; one of a generation before
   * `acceptedGeneration` is left where it is until a newer one replaces it, and not sent.
   */
  static async load(state: StateFile, endpoints: readonly string[], acceptedGeneration = 0): Promise<StoredMarks> {
    const marks = new StoredMarks(state, acceptedGeneration);
    for (const endpoint of endpoints) {
      const cell = await state.cellAt(endpoint);
      if (cell !== null) await marks.meet(cell);
    }
    return marks;
  }

  /** None of the endpoints was met before: which cell answers there, and with it what is stored, is not known yet. */
  get isStranger(): boolean {
    return !this.#begun;
  }

  /** That cell answers at the endpoints: it may have been met at others. The first one counts; to be called before the first request. */
  async meet(cell: string): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const mark = await this.#state.newestMark(cell);
    const point = mark === null ? null : readPositionMark(mark);
    if (point !== null && point.generation < this.#acceptedGeneration) return;
    this.#newest = mark;
    this.#point = point;
  }

  newest(): string | null {
    return this.#newest;
  }

  saw(mark: string): void {
    const point = readPositionMark(mark);
    if (point === null || mark === this.#newest) return;
    if (this.#point?.cellId === point.cellId && comparePoints(point, this.#point) <= 0) return;
    this.#newest = mark;
    this.#point = point;
    this.#changed = true;
  }

  /** The cell of the newest mark. */
  get cell(): string | null {
    return this.#point?.cellId ?? null;
  }

  async save(): Promise<void> {
    if (!this.#changed || this.#newest === null || this.#point === null) return;
    this.#changed = false;
    // What is stored was held against no answer of this command: the next one does that, and must still have it.
    if (!this.#begun && (await this.#state.newestMark(this.#point.cellId)) !== null) return;
    await this.#state.keepMark(this.#newest);
  }
}

const wrongCell = (endpoint: string, known: string, found: string): NotAllowedError =>
  new NotAllowedError(`Cell ${found} answers at ${endpoint}, where cell ${known} was met before.`, {
    code: 'PAXOS_WRONG_CELL',
    facts: { endpoint, known, found },
    suggestions: [`paxosctl cell forget ${known}`],
  });

/** Half a file, or one of another program's making, is as good as none. */
function describedIn(text: string): KnownCell | null {
  try {
    const { id, name, members } = JSON.parse(text) as { readonly [Key in keyof KnownCell]?: unknown };
    if (typeof id !== 'string' || !Array.isArray(members)) return null;
    const urls = members.filter((it): it is string => typeof it === 'string' && URL.canParse(it));
    return { id, name: typeof name === 'string' ? name : null, members: urls };
  } catch {
    return null;
  }
}

function cellIn(text: string): string | null {
  try {
    return (JSON.parse(text) as { cell?: string }).cell ?? null;
  } catch {
    return null;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

const markFiles = async (folder: string): Promise<string[]> =>
  (await names(folder)).filter((it) => markPattern.test(it)).sort();

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** For nobody else's eyes. */
async function writeTemporary(folder: string, text: string): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = path.join(folder, `.${randomBytes(12).toString('hex')}.tmp`);
  await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
  return temporary;
}

async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  await rename(await writeTemporary(folder, text), path.join(folder, name));
}
