/** A replica from which an operator keeps mastership away (contract §1 `node drain`): a preference that costs no availability. */
import { describe, expect, test } from 'vitest';
import { fiveReplicaCell, LogCell, threeReplicaCell } from '../../support/log-cell.ts';
import type { LogMember } from '../../support/log-member.ts';

const leaseMs = 500;

describe('a drained replica', () => {
  test('does not even ask while somebody else can become master, however the draws fall', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const cell = new LogCell({ names: ['a', 'b', 'c'], seed });
      const master = cell.runUntilServing();
      cell.runUntilEqual();
      const [drained, other] = cell.members.filter((member) => member !== master) as [LogMember, LogMember];
      drained.feed({ kind: 'drain', drained: true });
      cell.run(100);
      let asked = 0;
      cell.drop(({ from, message }) => {
        if (from === drained.id && message.kind === 'pre-vote') asked++;
        return false;
      });
      master.crash();
      cell.run(2 * leaseMs);
      expect(cell.serving?.id, `seed ${seed}`).toBe(other.id);
      cell.run(10 * leaseMs);
      expect(asked, `seed ${seed}`).toBe(0);
    }
  });

  test('leads when nobody else can, a few leases later', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    cell.runUntilEqual();
    for (const name of ['b', 'c']) cell.member(name).feed({ kind: 'drain', drained: true });
    cell.member('a').crash();
    cell.run(3 * leaseMs);
    expect(cell.serving).toBe(null);
    cell.runUntilServing(undefined, 5 * leaseMs);
  });

  test('campaigns as ever once the drain is over', () => {
    const cell = fiveReplicaCell();
    cell.elect('a');
    cell.runUntilEqual();
    for (const name of ['b', 'c', 'd', 'e']) cell.member(name).feed({ kind: 'drain', drained: true });
    cell.run(100);
    cell.member('d').feed({ kind: 'drain', drained: false });
    cell.member('a').crash();
    cell.runUntilServing('d', 2 * leaseMs);
  });

  test('votes, and takes mastership that is handed to it by name', () => {
    const cell = threeReplicaCell();
    cell.elect('a');
    cell.runUntilEqual();
    cell.member('b').feed({ kind: 'drain', drained: true });
    cell.handOverTo('b');
    expect(cell.serving?.id).toBe(cell.member('b').id);
  });
});
