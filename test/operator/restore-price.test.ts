/** What going back to a backup costs, from what is reported: never less than what is known to be lost (design §3, PML §7). */
import { describe, expect, it } from 'vitest';
import type { CellTimeMs, Epoch } from '../../src/core/consensus/identity.ts';
import type { RecoverReport } from '../../src/formats/recovery.ts';
import { encodeValue } from '../../src/formats/value.ts';
import type { Witnessed } from '../../src/operator/recovery/decide.ts';
import { type Backup, beganWith, decideRestore, isBlank } from '../../src/operator/restore/price.ts';
import { backupOfReports as backup, epochsOfReport as epochs, report } from '../support/recover-report.ts';

const apart = 2 ** 40;
const to = { generation: 2, generationId: 'ab'.repeat(16) };
const all = (instance: number, more: Partial<RecoverReport> = {}): RecoverReport[] =>
  ['n1', 'n2', 'n3'].map((name) => report(name, instance, more));

const priceOf = (reports: readonly RecoverReport[], witnessed: readonly Witnessed[] = [], of: Backup = backup) =>
  decideRestore({ to, backup: of, reports, witnessed }).price;

describe('the price of going back', () => {
  it('counts from the file to the furthest member', () => {
    const price = priceOf([report('n1', 30), report('n2', 42), report('n3', 41)]);
    expect(price).toMatchObject({
      revisionsAtLeast: 17,
      notAsked: [],
      present: { member: 'n2', revision: 42 },
      lost: { instances: 17, entries: 22, cellTimeMs: 17_000 },
    });
    expect(price.because).toHaveLength(3);
  });

  it('is nothing for a file that has all that is left', () => {
    expect(priceOf(all(25))).toMatchObject({ revisionsAtLeast: 0, because: [] });
    expect(priceOf(all(20))).toMatchObject({ revisionsAtLeast: 0, because: [], lost: { instances: 0, cellTimeMs: 0 } });
  });

  it('counts values that were accepted and may have been chosen', () => {
    const items = [Buffer.from('a'), Buffer.from('b')];
    const value = { kind: 'submitted', epoch: 2 as Epoch, cellTimeMs: 0 as CellTimeMs, items } as const;
    const valueBase64 = Buffer.from(encodeValue(value)).toString('base64');
    const entries = [{ instance: 31, ballot: { round: 4, name: 'n1', incarnation: 1 }, valueBase64 }];
    const decided = decideRestore({ to, backup, reports: [...all(30), report('n3', 30, { entries })], witnessed: [] });
    expect(decided.price.revisionsAtLeast).toBe(5 + 2);
    // They belong to what is saved first.
    expect(decided.beyond.map(({ instance }) => instance)).toEqual([31]);
  });

  it('counts over the generations that began in between', () => {
    // Generation 1 ended at revision 30, generation 2 counted 8, generation 3 has counted 4.
    const began = (numbers: number, instance: number, revision: number) => ({
      epoch: numbers,
      instance,
      id: `began ${numbers}`,
      revision,
    });
    const generations = [began(apart, 31, 30), began(2 * apart, apart + 21, apart + 8)];
    const later = all(0, {
      generation: 3,
      epochs: [...epochs, ...generations],
      generations,
      applied: { instance: 2 * apart + 9, epoch: 2 * apart, epochId: `began ${2 * apart}`, revision: 2 * apart + 4 },
    });
    expect(priceOf(later)).toMatchObject({ revisionsAtLeast: 5 + 8 + 4, lost: { instances: 5 + 20 + 9 } });
    // A mark of the present generation, beyond what its members hold now: lost besides.
    const seen = {
      generation: 3,
      epoch: 2 * apart + 5,
      epochId: 'gone',
      instance: 2 * apart + 50,
      revision: 2 * apart + 10,
    };
    expect(priceOf(later, [{ ...seen, by: 'this tool' }]).revisionsAtLeast).toBe(17 + 6);
  });

  it('counts all that was written since a file of what was given up, in every generation that it knows nothing of', () => {
    // The file goes on in generation 1 beyond instance 21, from which generation 2 went on: it wrote 2, and generation 3 has written `own`.
    const began = (numbers: number, instance: number, revision: number) => {
      const id = `began ${numbers}`;
      return { epoch: numbers, instance, id, revision };
    };
    const second = began(apart, 22, 21);
    const third = began(2 * apart, apart + 9, apart + 2);
    const present = (own: number, generations: readonly (typeof second)[], epoch: number) =>
      all(0, {
        generation: generations.length + 1,
        epochs: [...epochs, ...generations],
        generations,
        applied: { instance: epoch + 9, epoch, epochId: `began ${epoch}`, revision: epoch + own },
      });
    expect(priceOf(present(2, [second], apart)).revisionsAtLeast).toBe(2);
    expect(priceOf(present(0, [second, third], 2 * apart)).revisionsAtLeast).toBe(2);
    expect(priceOf(present(5, [second, third], 2 * apart)).revisionsAtLeast).toBe(2 + 5);
    // A file of generation 2, further than where generation 3 went on from.
    const later = { ...backup, generation: 2, epochs: [...epochs, second], epoch: apart, epochId: second.id };
    const file = { ...later, instance: apart + 30, revision: apart + 4 };
    expect(priceOf(present(0, [second, third], 2 * apart), [], file).revisionsAtLeast).toBe(0);
    expect(priceOf(present(5, [second, third], 2 * apart), [], file).revisionsAtLeast).toBe(5);
  });

  it('counts what came back with an earlier restore, and is not in the file', () => {
    // Generation 2 went on from instance 21, and was saved; generation 3 went on from where generation 1 had come to: 30.
    const began = (numbers: number, instance: number, revision: number) => ({
      ...{ epoch: numbers, instance, id: `began ${numbers}`, revision },
    });
    const second = began(apart, 22, 21);
    const file = { ...backup, generation: 2, epochs: [...epochs, second], epoch: apart, epochId: second.id };
    const saved = { ...file, instance: apart + 9, revision: apart + 2 };
    const third = began(2 * apart, 31, 30);
    const present = all(0, {
      generation: 3,
      epochs: [...epochs, third],
      generations: [third],
      applied: { instance: 2 * apart + 9, epoch: 2 * apart, epochId: third.id, revision: 2 * apart + 5 },
    });
    expect(priceOf(present, [], saved).revisionsAtLeast).toBe(30 - 21 + 5);
  });

  it('counts from the file on where so many epochs came after it that members tell none of its own', () => {
    const ninth = { epoch: 9, instance: 50, id: 'nine', revision: 40 };
    const second = { epoch: apart, instance: 81, id: 'second', revision: 70 };
    const present = all(0, {
      ...{ generation: 2, epochs: [ninth, second], generations: [second] },
      applied: { instance: apart + 9, epoch: apart, epochId: second.id, revision: apart + 3 },
    });
    expect(priceOf(present).revisionsAtLeast).toBe(70 - 25 + 3);
  });

  it('counts what a mark proves where the members know nothing any more', () => {
    const mark = { generation: 1, epoch: 2, epochId: 'two', instance: 60, revision: 58, by: 'this tool' };
    const blank = all(0, { epochs: [], applied: { instance: 3, epoch: 1, epochId: 'of another cell', revision: 0 } });
    expect(priceOf(blank, [mark]).revisionsAtLeast).toBe(58 - 25);
    expect(priceOf(all(30), [mark]).revisionsAtLeast).toBe(58 - 25);
    // One that the file has proves nothing.
    expect(priceOf(all(25), [{ ...mark, instance: 24, revision: 24 }]).because).toEqual([]);
  });

  it('names who was not asked, and leaves them out', () => {
    const { decision, price } = decideRestore({
      to,
      backup,
      reports: [report('n3', 30), report('n1', 30)],
      witnessed: [],
    });
    expect(price.notAsked).toEqual(['n2']);
    expect(decision.members.map(({ name, incarnation }) => [name, incarnation])).toEqual([
      ['n1', apart],
      ['n3', apart],
    ]);
  });

  it('does not take its measure from a member whose database is set aside', () => {
    const price = priceOf([report('n1', 30), report('n2', 30), report('n3', 31, { setAside: true })]);
    expect(price.present.member).toBe('n1');
    // What it alone has is lost all the same.
    expect(price.revisionsAtLeast).toBe(6);
  });
});

describe('going back where members have lost their state', () => {
  const value = Buffer.from(encodeValue({ kind: 'noop' })).toString('base64');
  /** All snapshots bad, in a generation whose instances begin at a multiple of 2^40. */
  const lost = (name: string): RecoverReport =>
    report(name, 0, {
      missingUpTo: apart,
      chosenUpTo: apart + 3,
      epochs: [],
      applied: { instance: 0, epoch: 0, epochId: '', revision: 0 },
      entryCount: 0,
      entries: [{ instance: apart + 3, ballot: { round: 9, name: 'n1', incarnation: 1 }, valueBase64: value }],
    });

  it('is priced by who has its state, whatever records the others have', () => {
    const decided = decideRestore({ to, backup, reports: [lost('n1'), ...all(30).slice(1)], witnessed: [] });
    expect(decided.beyond).toEqual([]);
    expect(decided.price).toMatchObject({
      revisionsAtLeast: 5,
      present: { member: 'n2', instance: 30 },
      unknown: [`n1 has lost its state up to instance ${apart}`],
    });
  });

  it('is possible when all of them have, for an unknown loss, and the cell is not taken for a new one', () => {
    const reports = ['n1', 'n2', 'n3'].map(lost);
    const decided = decideRestore({ to, backup, reports, witnessed: [] });
    expect(decided.beyond).toEqual([]);
    expect(decided.price.notAsked).toEqual(['n1', 'n2', 'n3']);
    expect(reports.some(isBlank)).toBe(false);
  });
});

describe('the generation that begins with a backup', () => {
  it('counts on from above every number, also those of the file', () => {
    const high = { ...backup, revision: 5 * apart + 3, epoch: 5 * apart };
    expect(decideRestore({ to, backup: high, reports: all(30), witnessed: [] }).decision.numbers).toBe(6 * apart);
    expect(
      decideRestore({ to, backup, reports: all(30, { highest: 3 * apart }), witnessed: [] }).decision.numbers,
    ).toBe(4 * apart);
  });

  it('is decided alike from the same reports in any order, and otherwise for another file', () => {
    const digest = (reports: readonly RecoverReport[], of = backup) =>
      decideRestore({ to, backup: of, reports, witnessed: [] }).digest;
    expect(digest([...all(30)].reverse())).toBe(digest(all(30)));
    expect(digest(all(30), { ...backup, logChain: 'ce'.repeat(32) })).not.toBe(digest(all(30)));
  });

  it('is known again by the point at which it began, and by nothing that only looks like it', () => {
    const began = {
      generation: 2,
      begun: { instance: 25, epoch: 2 },
      epochs: [...epochs, { epoch: apart, instance: 26, id: 'began', revision: 25 }],
    };
    const [restored] = all(30, began) as [RecoverReport];
    expect(beganWith(restored, backup)).toBe(true);
    expect(beganWith(restored, { ...backup, instance: 24 })).toBe(false);
    expect(beganWith(restored, { ...backup, epochId: 'another history' })).toBe(false);
    expect(beganWith(restored, { ...backup, generation: 2 })).toBe(false);
    expect(beganWith(report('n1', 30), backup)).toBe(false);
  });
});
