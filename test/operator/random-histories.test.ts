/**
 * Prices of random histories: a cell that writes, changes masters, is saved, goes back to files and parts in two within a generation. What is
 * shown as lost is exactly what was written and is not there any more, however often it went back before (design §1).
 */
import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { numbersApart } from '../../src/formats/history-points.ts';
import type { EpochDocument, RecoverReport } from '../../src/formats/recovery.ts';
import { decide } from '../../src/operator/recovery/decide.ts';
import { beginnings } from '../../src/operator/recovery/history.ts';
import { type Backup, decideRestore } from '../../src/operator/restore/price.ts';
import { report } from '../support/recover-report.ts';

interface State {
  readonly generation: number;
  readonly generationId: string;
  readonly epochs: readonly EpochDocument[];
  readonly instance: number;
  readonly epoch: number;
  readonly revision: number;
  /** Of the writes that it holds. */
  readonly writes: ReadonlySet<number>;
}

/** One cell; every state that it was in at some moment stays known. */
class History {
  readonly #random: Random;
  #ids = 0;
  #generations = 1;
  readonly files: State[] = [];
  present: State = {
    ...{ generation: 1, generationId: 'first', instance: 1, epoch: 1, revision: 0, writes: new Set() },
    epochs: [{ epoch: 1, instance: 1, id: 'epoch 0', revision: 0 }],
  };

  constructor(random: Random) {
    this.#random = random;
    for (let steps = 5 + random.below(40); steps > 0; steps--) this.#step();
    this.files.push(this.present);
  }

  get next() {
    return { generation: this.#generations + 1, generationId: 'next' };
  }

  #step(): void {
    const { present, files } = this;
    const random = this.#random;
    switch (random.pick(['write', 'write', 'write', 'master', 'save', 'save', 'restore', 'part'] as const)) {
      case 'write':
        for (let left = random.below(6); left > 0; left--) this.#write();
        return;
      case 'master':
        return this.#master(present.epoch + 1);
      case 'save':
        files.push(present);
        return;
      case 'restore':
        if (files.length === 0) return;
        files.push(present);
        this.present = this.#begun(random.pick(files));
        if (random.chance(0.9)) this.#master(this.present.epoch + 1);
        return;
      case 'part': {
        const earlier = files.filter(({ generationId }) => generationId === present.generationId);
        if (earlier.length === 0) return;
        files.push(present);
        this.present = random.pick(earlier);
        return this.#master(present.epoch + 1 + random.below(3));
      }
    }
  }

  #write(): void {
    const { instance, revision, writes } = this.present;
    const written = { instance: instance + 1, revision: revision + 1, writes: new Set([...writes, this.#ids++]) };
    this.present = { ...this.present, ...written };
  }

  #master(epoch: number): void {
    const { epochs, revision } = this.present;
    const instance = this.present.instance + 1;
    const began = { epoch, instance, id: `epoch ${this.#ids++}`, revision };
    this.present = { ...this.present, epoch, instance, epochs: [...epochs, began] };
  }

  #begun(file: State): State {
    const generation = ++this.#generations;
    const numbers = generation * numbersApart;
    const generationId = `generation ${generation}`;
    const began = { epoch: numbers, instance: file.instance + 1, id: generationId, revision: file.revision };
    const at = { instance: numbers, epoch: numbers, revision: numbers };
    return { ...file, generation, generationId, ...at, epochs: [...file.epochs, began] };
  }
}

const pointOf = ({ instance, epoch, epochs, revision }: State): RecoverReport['applied'] => ({
  ...{ instance, epoch, revision },
  epochId: epochs.at(-1)?.id ?? '',
});

const told = (member: string, state: State, epochsMax: number): RecoverReport =>
  report(member, 0, {
    ...{ generation: state.generation, generationId: state.generationId, applied: pointOf(state) },
    ...{ epochs: state.epochs.slice(-epochsMax), generations: beginnings(state.epochs) },
    ...{ chosenUpTo: state.instance, highest: state.instance },
  });

const backupOf = (state: State): Backup => ({
  ...{ file: 'a.snapshot', cell: 'cell-1', generation: state.generation, ...pointOf(state), epochs: state.epochs },
  ...{ entries: 0, cellTimeMs: 0, level: 1, logChain: 'cd'.repeat(32), digest: 'ef'.repeat(32), bytes: 7 },
});

const onlyIn = (own: State, other: State): number => [...own.writes].filter((it) => !other.writes.has(it)).length;

/** `epochsMax`: so many of them are told. */
function restored({ present, files, next }: History, epochsMax: number) {
  return files.map((file) => {
    const reports = ['n1', 'n2', 'n3'].map((name) => told(name, present, epochsMax));
    const { price } = decideRestore({ to: next, backup: backupOf(file), reports, witnessed: [] });
    return { shown: price.revisionsAtLeast, lost: onlyIn(present, file) };
  });
}

/** Of two members that parted within the present generation. */
function goneOnFromOther({ present, files, next }: History, epochsMax: number) {
  const branches = files.filter(({ generationId }) => generationId === present.generationId);
  return branches.map((branch) => {
    const reports = [told('n1', present, epochsMax), told('n2', branch, epochsMax)];
    const { decision, price } = decide({ to: next, reports, witnessed: [], branch: 'n2' });
    const [kept, other] = decision.base === 'n2' ? [branch, present] : [present, branch];
    return { shown: price.revisionsAtLeast, lost: onlyIn(other, kept) };
  });
}

describe.each([
  ['of going back to a file', restored],
  ['of going on from one of two members', goneOnFromOther],
])('the price %s', (_, prices) => {
  const histories = Array.from({ length: 250 }, (_, seed) => new History(new Random(`history ${seed}`)));

  test('is what was written and is not in what is gone on from', () => {
    const all = histories.flatMap((history) => prices(history, 1_000));
    expect(all.filter(({ shown, lost }) => shown !== lost)).toEqual([]);
    expect(all.filter(({ lost }) => lost > 0).length).toBeGreaterThan(all.length / 20);
  });

  test('is never more than that where members tell the newest epochs alone', () => {
    const all = histories.flatMap((history) => [2, 5].flatMap((epochsMax) => prices(history, epochsMax)));
    expect(all.filter(({ shown, lost }) => shown > lost)).toEqual([]);
    expect(all.filter(({ shown, lost }) => shown === lost).length).toBeGreaterThan(0.9 * all.length);
  });
});
