/**
 * The fence: what replicas remember of each other's disks is compared whenever two of them connect, before any message of
 * Paxos. A disk that is older than what it acknowledged is found by whoever remembers more of it.
 *
 * Source: design §4 (fence); PML §5.1 and footnote 2; pitfalls P20, P22, I16, I17, O2, O6.
 * Keeps: what a member refuses is not remembered, so that the newest directory may still be put back; what was accepted of it
 * is never forgotten.
 */
import { type BootHistory, type Contradiction, contradiction, shortened } from '../core/consensus/boot-history.ts';
import type { ComparisonRule } from '../core/consensus/comparison.ts';
import { type Configuration, memberId } from '../core/consensus/configuration.ts';
import type { FreezeEvidence } from '../core/consensus/freeze.ts';
import { parseReplicaId, type ReplicaId } from '../core/consensus/identity.ts';
import { isQuorum, quorumSize, voters } from '../core/consensus/quorum.ts';
import type { Remembered, WitnessMemory } from '../core/consensus/witness-memory.ts';
import { FormatError } from '../formats/bytes.ts';
import { testimonyBytesMax } from '../formats/handshake.ts';
import type { DiskDocument } from '../formats/recovery.ts';
import { decodeTestimony, encodeTestimony, type Testimony } from '../formats/witness.ts';
import type { Admission, PeerHello, PeerMark, PeerRefusal } from '../ports/network.ts';
import { SecondProcesses } from './second-processes.ts';

/** Boots of its own that a replica tells, and of others; fewer where they would not fit into a hello. */
const bootsTold = [
  { own: 16, others: 3 },
  { own: 8, others: 1 },
  { own: 4, others: 1 },
] as const;

/** The disk of who is refused is too old. */
export const rolledBackCode = 'PAXOS_DATA_ROLLED_BACK';
/** The disk of who refuses is. */
const selfRolledBackCode = 'PAXOS_PEER_ROLLED_BACK';

export interface FencingOptions {
  readonly self: ReplicaId;
  /** What is known of the disks of others. */
  readonly memory: WitnessMemory;
  /** The past of the own disk. */
  readonly history: () => BootHistory;
  /** Who must have compared this disk before it is known to be as new as the others remember. */
  readonly rule: ComparisonRule;
  /** Peers with a live connection. */
  readonly connected: () => readonly ReplicaId[];
  /** In force. */
  readonly configuration: () => Configuration;
  /** The cell has been stopped for good. */
  readonly frozen: () => boolean;
  /** Nothing that either remembers of the other is missing. */
  readonly onCompared: (member: ReplicaId) => void;
  /** This disk is older than what it acknowledged. */
  readonly onRolledBack: (evidence: string) => void;
  /** The disks of a majority are: two histories of the cell exist. */
  readonly onFork: (evidence: string, facts: Readonly<Record<string, string>>) => void;
  /** What was learned of `member` must be said to it: connect anew. */
  readonly reconnect: (member: ReplicaId) => void;
  /** Monotonic; for what is told of second processes. */
  readonly nowMs: () => number;
}

export class Fencing {
  readonly #options: FencingOptions;
  /** Members that were refused because of what is remembered of them, and what that is. */
  readonly #refused = new Map<ReplicaId, string>();
  /** The process of each member that was let in last. */
  readonly #processes = new Map<ReplicaId, PeerHello['boot']>();
  readonly #compared = new Set<ReplicaId>();
  readonly secondProcesses: SecondProcesses;
  /** Somebody remembers more of this disk than it has. */
  #older = false;
  #rolledBack: string | null = null;
  #forked = false;

  constructor(options: FencingOptions) {
    this.#options = options;
    this.secondProcesses = new SecondProcesses(options.nowMs);
  }

  /** Why this disk is too old, or null. */
  get rolledBack(): string | null {
    return this.#rolledBack;
  }

  /** What is known of this disk, for whoever is to rely on what it holds. */
  get disk(): DiskDocument {
    const { self, rule, configuration } = this.#options;
    if (this.#older || this.#rolledBack !== null) return 'older';
    const present = configuration();
    const known = new Set([self, ...this.#compared]);
    if (rule === 'majority') return isQuorum(present, known) ? 'compared' : 'not-compared';
    const { members } = present;
    return members.length > 1 && members.every((member) => known.has(memberId(member))) ? 'compared' : 'copied';
  }

  /** Members whose disks are older than what is remembered of them, and what that is. */
  get refused(): ReadonlyMap<ReplicaId, string> {
    return this.#refused;
  }

  /** What a hello for `to` says of disks. */
  testimony(to: ReplicaId): Uint8Array {
    const { memory, history } = this.#options;
    const own = history();
    const known = memory.all();
    const ordered = [...known.filter(({ member }) => member === to), ...known.filter(({ member }) => member !== to)];
    for (const boots of bootsTold) {
      const bytes = encodeTestimony(cut({ own, others: ordered }, boots));
      if (bytes.length <= testimonyBytesMax) return bytes;
    }
    // A cell of so many members tells each of them at least what concerns it.
    const least = { own: 4, others: 1 };
    return encodeTestimony(cut({ own, others: ordered.slice(0, 1) }, least));
  }

  /** Compares, in either direction, before anything of the connection counts. */
  admit(hello: PeerHello): Admission {
    // Where nothing serves any more, everybody is told why, whatever disk that is.
    if (this.#forked || this.#options.frozen()) return this.#onlyCompare(hello);
    if (this.#rolledBack !== null) return refuse(selfRolledBackCode, this.#rolledBack, 503);
    const testimony = read(hello);
    if (testimony === 'malformed') return refuse('PAXOS_PEER_BAD_HELLO', 'What it says of disks cannot be read.', 400);
    if (testimony === null) return { ok: true };
    const first = this.#firstProcess(hello);
    if (first !== null) {
      this.secondProcesses.turnedAway(hello, first);
      return refuse('PAXOS_PEER_TWICE', `Another process of ${hello.id} is connected.`, 409);
    }
    this.#learnOfOthers(hello.id, testimony.others);
    const own = this.#judgeSelf(hello.id, testimony.others);
    if (own !== null) {
      this.#findRolledBack(own);
      if (this.#forked) return { ok: true };
      return refuse(selfRolledBackCode, own, 503);
    }
    const theirs = this.#judge(hello.id, testimony.own);
    if (theirs !== null) {
      this.#refused.set(hello.id, theirs);
      this.#checkFork();
      // It is not the one that is lost, then: it is to be told, and freezes as well.
      if (this.#forked) return { ok: true };
      return refuse(rolledBackCode, theirs, 409);
    }
    this.#refused.delete(hello.id);
    this.#processes.set(hello.id, hello.boot);
    this.#options.memory.learn(hello.id, testimony.own);
    this.#compared.add(hello.id);
    this.#options.onCompared(hello.id);
    return { ok: true };
  }

  /** Nothing follows from it but what an operator is told, who is to decide what is gone on from. */
  #onlyCompare(hello: PeerHello): Admission {
    const testimony = read(hello);
    if (testimony === null || testimony === 'malformed') return { ok: true };
    const { self, history } = this.#options;
    const own = testimony.others.filter(({ member }) => member === self).flatMap(({ histories }) => histories);
    if (own.some((remembered) => contradiction(remembered, history()) !== null)) this.#older = true;
    else if (this.#judge(hello.id, testimony.own) === null) this.#compared.add(hello.id);
    return { ok: true };
  }

  /** How far a peer's disk was when it sent; called before anything that it sent is looked at. */
  onMark(from: ReplicaId, mark: PeerMark): void {
    this.#options.memory.advance(from, mark.boot, mark);
  }

  /** A peer that proved to be of this cell has refused this replica. */
  onRefusal(from: ReplicaId, { code, message, authentic }: PeerRefusal): void {
    if (!authentic || this.#options.frozen()) return;
    const said = `${parseReplicaId(from).name} says: ${message}`;
    if (code === rolledBackCode) this.#findRolledBack(said);
    if (code !== selfRolledBackCode) return;
    // It ends by itself, and who is left must know of how many that is true.
    this.#refused.set(from, said);
    this.#checkFork();
  }

  /** Evidence from elsewhere: the witness on other storage. */
  judgeBy(witness: string, remembered: BootHistory): string | null {
    const { self, history } = this.#options;
    const found = contradiction(remembered, history());
    return found === null ? null : describe(found, witness, self);
  }

  /** One process a member: the second is turned away while the first, whose boot this gives, is heard (pitfall O2). */
  #firstProcess({ id, boot }: PeerHello): PeerHello['boot'] | null {
    const known = this.#processes.get(id);
    if (known === undefined || (known.number === boot.number && known.id === boot.id)) return null;
    return this.#options.connected().includes(id) ? known : null;
  }

  #learnOfOthers(from: ReplicaId, others: readonly Remembered[]): void {
    const { memory, self, reconnect } = this.#options;
    for (const { member, histories } of others) {
      if (member === self) continue;
      const divided = memory.isDivided(member);
      for (const history of histories) memory.learn(member, history);
      if (divided || !memory.isDivided(member)) continue;
      this.#refused.set(member, `${parseReplicaId(from).name} remembers another past of ${member} than this replica.`);
      reconnect(member);
    }
    this.#checkFork();
  }

  #judgeSelf(from: ReplicaId, others: readonly Remembered[]): string | null {
    const { self, history } = this.#options;
    const own = history();
    for (const { member, histories } of others) {
      if (member !== self) continue;
      for (const remembered of histories) {
        const found = contradiction(remembered, own);
        if (found === null) continue;
        // Told on: those who are in the same case must learn that they are not alone in it.
        this.#options.memory.learn(self, remembered);
        return describe(found, parseReplicaId(from).name, self);
      }
    }
    return null;
  }

  #judge(member: ReplicaId, shown: BootHistory): string | null {
    const { memory, self } = this.#options;
    for (const remembered of memory.of(member)) {
      const found = contradiction(remembered, shown);
      if (found !== null) return describe(found, parseReplicaId(self).name, member);
    }
    return null;
  }

  #findRolledBack(evidence: string): void {
    if (this.#rolledBack !== null) return;
    this.#rolledBack = evidence;
    this.#checkFork();
    if (!this.#forked) this.#options.onRolledBack(evidence);
  }

  /** One member whose disk is old is a member lost; a majority has acknowledged what is nowhere any more, or on other branches. */
  #checkFork(): void {
    if (this.#forked) return;
    const { self, memory, configuration, onFork } = this.#options;
    const present = configuration();
    const old = [...voters(present)].filter((id) =>
      id === self ? this.#rolledBack !== null : this.#refused.has(id) || memory.isDivided(id),
    );
    if (old.length < quorumSize(present)) return;
    this.#forked = true;
    const facts = Object.fromEntries(
      old.map((id) => [id, (id === self ? this.#rolledBack : this.#refused.get(id)) ?? '']),
    );
    onFork(`The data directories of ${old.join(', ')} are older than what they acknowledged.`, facts);
  }
}

const refuse = (code: string, message: string, status: number): Admission => ({ ok: false, status, code, message });

const cut = ({ own, others }: Testimony, boots: { readonly own: number; readonly others: number }): Testimony => ({
  own: shortened(own, boots.own),
  others: others.map(({ member, histories }) => ({
    member,
    histories: histories.map((history) => shortened(history, boots.others)),
  })),
});

function read({ testimony }: PeerHello): Testimony | null | 'malformed' {
  if (testimony === null) return null;
  try {
    return decodeTestimony(testimony);
  } catch (error) {
    if (error instanceof FormatError) return 'malformed';
    throw error;
  }
}

/** `n1 remembers flush 1204 of boot 3 of n2#1; on this disk …` */
export function describe({ kind, remembered, shown }: Contradiction, witness: string, member: ReplicaId): string {
  const known = `${witness} remembers flush ${remembered.flush} of boot ${remembered.boot} (${short(remembered.id)}) of ${member}`;
  switch (kind) {
    case 'boot-missing':
      return `${known}; its disk has come only to boot ${shown.boot} (${short(shown.id)}), which began at flush ${shown.flush} or before.`;
    case 'other-boot':
      return `${known}; on its disk another process has that number.`;
    case 'promise-missing':
      return `${known}, which was a promise; the newest promise on its disk is that of flush ${shown.flush}.`;
    default:
      return `${known}; on its disk that boot ended at flush ${shown.flush}, ${remembered.flush - shown.flush} flushes earlier.`;
  }
}

const short = (id: string): string => id.slice(0, 8);

/** For {@link FencingOptions.onFork}: what the cell is stopped with. */
export const majorityRolledBack = (
  seen: Pick<FreezeEvidence, 'generation' | 'seenBy' | 'seenAtMs' | 'text' | 'facts'>,
): FreezeEvidence => ({ cause: 'majority-rolled-back', ...seen });
