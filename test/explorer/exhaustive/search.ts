/**
 * Every state of a small cell that the production core can reach, breadth first.
 *
 * A state of the cell is the states of its members (`local-states.ts`), what is on its way to each (`flights.ts`), and how many faults
 * there were. From each state every event of every member is tried: each message on its way to it, a flush, the end of all its leases
 * and waits, its election timer, a submission, a crash with each part of its unflushed writes, the loss of its disk. A state is not
 * looked at when another one covers it (`#covers`): whatever can go wrong after it can go wrong after that one.
 *
 * Checked at every move: agreement by durable votes (I1), that what is applied was chosen, in order and in the right epoch
 * (I4, I21), ballots (I3), nothing sent before it is durable (I10), and the core's own invariants. Leases are free to end at
 * any moment, so that mastership is contested in every way; lease exclusion (I5) is therefore none of this search's business.
 */
import { parseReplicaId } from '../../../src/core/consensus/identity.ts';
import { valueText } from '../../support/core-text.ts';
import { Violation } from '../checker.ts';
import { ruleOf } from '../explore-random.ts';
import { Catalogue } from './catalogue.ts';
import { Flights, isSpent } from './flights.ts';
import {
  crashEvent,
  electEvent,
  eventOf,
  expireEvent,
  flushEvent,
  keptOf,
  loseDiskEvent,
  stepOf,
  submitEvent,
} from './local-run.ts';
import { type LocalMove, type LocalState, LocalStates } from './local-states.ts';
import type { Scope } from './scope.ts';
import { StateTable } from './state-table.ts';

export interface Move {
  /** Place of the member among the scope's voters. */
  readonly member: number;
  readonly step: number;
}

export interface SearchResult {
  readonly scope: string;
  /** Distinct states of the cell. */
  readonly states: number;
  readonly moves: number;
  /** The longest way that was needed to reach a state. */
  readonly depth: number;
  /** Nothing was left to try. */
  readonly exhausted: boolean;
  readonly membersStates: readonly number[];
  readonly messages: number;
  readonly instances: number;
  readonly seconds: number;
  readonly failure: { readonly rule: string; readonly message: string; readonly moves: readonly Move[] } | null;
}

export interface SearchOptions {
  /** Stops when so many states are known; unbounded when absent. */
  readonly statesMax?: number;
  readonly secondsMax?: number;
  readonly onProgress?: (sofar: SearchResult) => void;
}

const sameNumbers = (some: readonly number[], others: readonly number[]): boolean =>
  some.length === others.length && some.every((number, i) => number === others[i]);

export class Search {
  readonly scope: Scope;
  readonly catalogue = new Catalogue();
  readonly #members: readonly LocalStates[];
  #table: StateTable;
  /** How the first state of the search is reached. */
  readonly #before: Move[] = [];
  readonly #quorum: number;
  readonly #began = performance.now();
  readonly #width: number;
  /** Place of the faults' count in a tuple. */
  readonly #faults: number;
  readonly #flights = new Flights();
  readonly #next: Int32Array;
  /** What is left of a set of messages on its way to a member in a state. */
  readonly #left = new Map<number, number>();
  readonly #counts = new Map<number, number>();
  #moves = 0;
  #depth = 0;
  #instances = 0;
  #failure: SearchResult['failure'] = null;

  constructor(scope: Scope) {
    this.scope = scope;
    this.#width = scope.voters.length;
    this.#members = scope.voters.map((name) => new LocalStates(scope, this.catalogue, this.#flights, name));
    this.#faults = 2 * this.#width;
    this.#next = new Int32Array(this.#faults + 1);
    this.#table = this.#newTable();
    this.#quorum = Math.floor(this.#width / 2) + 1;
  }

  #newTable(): StateTable {
    const covers = (one: Int32Array, other: Int32Array): boolean => this.#covers(one, other);
    return new StateTable({ width: this.#faults + 1, keyWidth: this.#width, covers });
  }

  run(options: SearchOptions = {}): SearchResult {
    const { statesMax = Number.POSITIVE_INFINITY, secondsMax = Number.POSITIVE_INFINITY } = options;
    const tuple = new Int32Array(this.#faults + 1);
    this.#table.add(tuple, -1, -1, 0);
    if (this.scope.established === true) this.#establish(tuple);
    const table = this.#table;
    let levelEnds = table.size;
    let exhausted = true;
    for (let number = 0; number < table.size; number++) {
      if (number === levelEnds) {
        levelEnds = table.size;
        this.#depth++;
      }
      if (!table.isCovered(number)) {
        table.read(number, tuple);
        this.#expand(number, tuple);
      }
      if (this.#failure !== null) {
        exhausted = false;
        break;
      }
      if ((number & 0x3fff) !== 0) continue;
      options.onProgress?.(this.#result(false));
      if (table.size >= statesMax || (performance.now() - this.#began) / 1000 >= secondsMax) {
        exhausted = number + 1 === table.size;
        break;
      }
    }
    return this.#result(exhausted);
  }

  /**
   * Of two states with the same members, the one with more on its way to each of them and fewer faults behind it can go on in every
   * way that the other can, to states of which the same holds: messages may get lost, and faults need not strike. What is checked
   * looks at the members alone. So whatever goes wrong after `other` goes wrong after `one`.
   */
  #covers(one: Int32Array, other: Int32Array): boolean {
    const [had, has] = [one[this.#faults] as number, other[this.#faults] as number];
    if ((had & 0xff) > (has & 0xff) || had >> 8 > has >> 8) return false;
    for (let at = this.#width; at < this.#faults; at++) {
      if (!this.#flights.has(one[at] as number, other[at] as number)) return false;
    }
    return true;
  }

  #result(exhausted: boolean): SearchResult {
    return {
      scope: this.scope.name,
      states: this.#table.size,
      moves: this.#moves,
      depth: this.#depth,
      exhausted,
      membersStates: this.#members.map(({ states }) => states.length),
      messages: this.catalogue.messages,
      instances: this.#instances,
      seconds: (performance.now() - this.#began) / 1000,
      failure: this.#failure,
    };
  }

  #stateOf(member: number, tuple: Int32Array): LocalState {
    return (this.#members[member] as LocalStates).at(tuple[member] as number);
  }

  /** The first voter becomes master by the second alone. The search begins there: what led there is not looked at, and covers nothing. */
  #establish(tuple: Int32Array): void {
    const last = (): number => this.#table.size - 1;
    for (let i = 0; !this.#stateOf(0, tuple).canSubmit && i < 20; i++) {
      const [toFirst] = this.#flights.at(tuple[this.#width] as number);
      const [toSecond] = this.#flights.at(tuple[this.#width + 1] as number);
      if (toFirst !== undefined) this.#try(last(), tuple, 0, stepOf(toFirst, null));
      else if (toSecond !== undefined) this.#try(last(), tuple, 1, stepOf(toSecond, null));
      else this.#try(last(), tuple, 0, stepOf(electEvent, null));
      this.#table.read(last(), tuple);
    }
    this.#before.push(...this.#movesTo(last()));
    this.#table = this.#newTable();
    this.#table.add(tuple, -1, -1, 0);
  }

  /** Tries everything that can happen in `tuple`. */
  #expand(number: number, tuple: Int32Array): void {
    const { scope } = this;
    const faults = tuple[this.#faults] as number;
    let elections = 0;
    for (let m = 0; m < this.#width; m++) elections += this.#stateOf(m, tuple).elections;
    for (let m = 0; m < this.#width && this.#failure === null; m++) {
      const state = this.#stateOf(m, tuple);
      if (state.gone) continue;
      for (const message of this.#flights.at(tuple[this.#width + m] as number))
        this.#happens(number, tuple, m, message);
      if (state.missing >= 0) this.#catchUp(number, tuple, m, state.missing);
      if (state.pending > 0) this.#happens(number, tuple, m, flushEvent);
      if (state.canExpire) this.#happens(number, tuple, m, expireEvent);
      if (state.canElect && elections < scope.ballots) this.#happens(number, tuple, m, electEvent);
      if (state.canSubmit) this.#happens(number, tuple, m, submitEvent);
      if (this.#mayLoseDisk(faults) && !this.#losesInVain(number, tuple, m))
        this.#happens(number, tuple, m, loseDiskEvent);
      if (!this.#mayCrash(faults)) continue;
      for (let kept = 0; kept <= state.pending; kept++) this.#happens(number, tuple, m, crashEvent - kept);
    }
  }

  /** The last number of a tuple counts crashes, and lost disks in units of 256. */
  #mayCrash(faults: number): boolean {
    return (faults & 0xff) < this.scope.crashes;
  }

  #mayLoseDisk(faults: number): boolean {
    return faults >> 8 < this.scope.lostDisks;
  }

  /**
   * Whether the loss of its disk leads to a state that this one covers. Who lost it is gone for good, says nothing, and what it accepted
   * counts as before; in this search every member may do nothing more for ever. So what the others do after the loss they can do
   * without it. Looked at in each state of a member: not so where it comes back under the same identity.
   */
  #losesInVain(number: number, tuple: Int32Array, member: number): boolean {
    const states = this.#members[member] as LocalStates;
    const before = this.#stateOf(member, tuple);
    try {
      const { to, sent } = states.move(tuple[member] as number, stepOf(loseDiskEvent, null));
      const { gone, votes, elections } = states.at(to);
      return gone && sent === null && elections === before.elections && sameNumbers(votes, before.votes);
    } catch (error) {
      this.#failure = {
        ...ruleOf(error),
        moves: [...this.#movesTo(number), { member, step: stepOf(loseDiskEvent, null) }],
      };
      return true;
    }
  }

  /** The member asked answers, and the answer arrives. */
  #catchUp(number: number, tuple: Int32Array, member: number, request: number): void {
    const asked = this.scope.voters.indexOf(parseReplicaId(this.catalogue.message(request).to).name);
    if (this.#stateOf(asked, tuple).gone) return;
    const answer = (this.#members[asked] as LocalStates).answer(tuple[asked] as number, request);
    if (answer >= 0) this.#happens(number, tuple, member, answer);
  }

  /**
   * With prompt disks nothing else happens to a member between an event and the flush of what it wrote but a crash: a flush
   * and what the others do meanwhile do not disturb each other, so their order makes no difference.
   */
  #happens(number: number, tuple: Int32Array, member: number, event: number): void {
    const wrote = this.#try(number, tuple, member, stepOf(event, null));
    if (wrote === 0 || this.scope.disk !== 'prompt' || !this.#mayCrash(tuple[this.#faults] as number)) return;
    for (let kept = 0; kept <= wrote; kept++) this.#try(number, tuple, member, stepOf(event, kept));
  }

  /** Returns how many writes the event made. */
  #try(number: number, tuple: Int32Array, member: number, step: number): number {
    if (this.#failure !== null) return 0;
    const next = this.#next;
    next.set(tuple);
    try {
      const states = this.#members[member] as LocalStates;
      const before = tuple[member] as number;
      const move = states.move(before, step);
      if (move.to === before && move.sent === null) return move.wrote;
      this.#moves++;
      next[member] = move.to;
      const crashes = eventOf(step) <= crashEvent || keptOf(step) !== null;
      const faults = (next[this.#faults] as number) + (crashes ? 1 : 0) + (eventOf(step) === loseDiskEvent ? 0x100 : 0);
      next[this.#faults] = faults;
      this.#fly(next, member, { move, delivered: eventOf(step), wasLastCrash: crashes && !this.#mayCrash(faults) });
      const fresh = this.#table.add(next, number, member, step);
      if (fresh) this.#check(next, states.at(before), states.at(move.to));
      return move.wrote;
    } catch (error) {
      this.#failure = { ...ruleOf(error), moves: [...this.#movesTo(number), { member, step }] };
      return 0;
    }
  }

  /** What is on its way after a move: less what was delivered and what is spent, more what was sent. */
  #fly(
    next: Int32Array,
    member: number,
    by: { readonly move: LocalMove; readonly delivered: number; readonly wasLastCrash: boolean },
  ): void {
    const own = this.#width + member;
    if (by.delivered >= 0) next[own] = this.#flights.without(next[own] as number, by.delivered);
    for (let to = 0; to < this.#width; to++) {
      const sent = by.move.sent === null || to === member ? 0 : (by.move.sent[to] as number);
      if (sent === 0 && to !== member && !by.wasLastCrash) continue;
      const at = this.#width + to;
      next[at] = this.#unspent(next, to, this.#flights.with(next[at] as number, sent));
    }
  }

  /** Only of a member that writes nothing: what it holds in memory alone a crash may take back. */
  #unspent(next: Int32Array, member: number, flight: number): number {
    if (flight === 0) return 0;
    const state = next[member] as number;
    const { gone, interests, pending } = (this.#members[member] as LocalStates).at(state);
    if (gone || interests === null) return 0;
    if (pending > 0) return flight;
    const mayCrash = this.#mayCrash(next[this.#faults] as number);
    const key = ((state * this.#width + member) * 2 + (mayCrash ? 1 : 0)) * 0x200_0000 + flight;
    let left = this.#left.get(key);
    if (left === undefined) {
      const set = this.#flights.at(flight);
      const kept = set.filter((message) => !isSpent(this.catalogue.message(message), interests, !mayCrash));
      left = kept.length === set.length ? flight : this.#flights.numberOf(kept);
      this.#left.set(key, left);
    }
    return left;
  }

  #movesTo(number: number): Move[] {
    const moves: Move[] = [];
    for (let at = number; at > 0; at = this.#table.parent(at)) {
      moves.push({ member: this.#table.mover(at), step: this.#table.step(at) });
    }
    return [...this.#before, ...moves.reverse()];
  }

  // --- rules of the whole cell ------------------------------------------------------------------------------------------

  /** Only a new vote can choose, and only a member that moved can apply. */
  #check(tuple: Int32Array, before: LocalState, after: LocalState): void {
    const voted = after.votes.length !== before.votes.length;
    const applied = after.applied.length > 0 && after.applied !== before.applied;
    if (!voted && !applied) return;
    const chosen = this.#chosen(tuple);
    for (let i = 0; i < after.applied.length; i++) {
      if (chosen[i + 1] === after.applied[i]) continue;
      const value = valueText(this.catalogue.value(after.applied[i] as number));
      throw new Violation('I4 applied is chosen', `${i + 1}: ${value} was not chosen`);
    }
  }

  /** Numbers of the chosen values, by instance: a majority of the voters accepted durably in one ballot. */
  #chosen(tuple: Int32Array): (number | undefined)[] {
    const counts = this.#counts;
    counts.clear();
    for (let m = 0; m < this.#width; m++) {
      for (const vote of this.#stateOf(m, tuple).votes) counts.set(vote, (counts.get(vote) ?? 0) + 1);
    }
    const chosen: (number | undefined)[] = [];
    for (const [number, count] of counts) {
      if (count < this.#quorum) continue;
      const { instance, value, valueNumber } = this.catalogue.vote(number);
      const known = chosen[instance];
      if (known !== undefined && known !== valueNumber) {
        const other = valueText(this.catalogue.value(known));
        throw new Violation('I1 agreement', `${instance}: ${other} and ${valueText(value)}`);
      }
      chosen[instance] = valueNumber;
      if (instance > this.#instances) this.#instances = instance;
    }
    return chosen;
  }
}
