/** What is at stake: a damaged replica that teaches the rest, the master too (P30), and silence that counts as equal (I15). */
import { describe, expect, it } from 'vitest';
import { compareVersions, type DatabaseReport, judgeDatabases } from '../../../src/core/consensus/database-verdict.ts';

const three = ['n1', 'n2', 'n3'];
const five = [...three, 'n4', 'n5'];

/** `n1:A@1.0.0`: member, database, version; `/L2` for another log. */
function report(text: string): DatabaseReport {
  const [, member = '', database = '', version = '1.0.0', logChain = 'L1'] =
    /^(\w+):(\w+)(?:@([^/]+))?(?:\/(\w+))?$/.exec(text) ?? [];
  return { member, database, version, logChain };
}
const judge = (voters: readonly string[], ...reports: string[]) => judgeDatabases(voters, reports.map(report));

describe('databases at one instance', () => {
  it('agree when all that reported hold the same', () => {
    expect(judge(three, 'n1:A', 'n2:A', 'n3:A')).toEqual({ kind: 'agree' });
    expect(judge(three, 'n1:A')).toEqual({ kind: 'agree' });
    expect(judge(three)).toEqual({ kind: 'agree' });
  });

  it('are judged by the majority of the voters, whoever is master; the odd one out is set aside', () => {
    for (const odd of three) {
      const reports = three.map((name) => `${name}:${name === odd ? 'B' : 'A'}`);
      const found = { kind: 'differ', right: 'A', by: 'majority', odd: [odd], quarantine: [odd] };
      expect(judge(three, ...reports)).toEqual(found);
    }
    expect(judge(five, 'n1:A', 'n2:B', 'n3:A', 'n4:C', 'n5:A')).toMatchObject({ right: 'A', quarantine: ['n2', 'n4'] });
  });

  it('are judged by nobody when no majority of all voters holds the same: those who are silent are no votes', () => {
    const undecided = { kind: 'differ', right: null, by: null, quarantine: [] };
    expect(judge(three, 'n1:A', 'n2:B')).toEqual({ ...undecided, odd: ['n1', 'n2'] });
    expect(judge(five, 'n1:A', 'n2:A', 'n3:B')).toMatchObject(undecided);
    expect(judge(['n1', 'n2', 'n3', 'n4'], 'n1:A', 'n2:A', 'n3:B', 'n4:B')).toMatchObject(undecided);
    // Two of three are a majority even though the third one, which differs, is one of those who answered.
    expect(judge(three, 'n1:A', 'n2:A', 'n3:B')).toMatchObject({ right: 'A', quarantine: ['n3'] });
  });

  it('of learners count as no votes, but a learner that differs is set aside', () => {
    expect(judge(three, 'n1:A', 'n2:A', 'n9:B')).toMatchObject({ right: 'A', quarantine: ['n9'] });
    expect(judge(three, 'n1:A', 'n8:B', 'n9:B')).toMatchObject({ right: null, quarantine: [] });
  });

  it('of different logs are a fork, which no majority decides', () => {
    expect(judge(three, 'n1:A', 'n2:A', 'n3:B/L2')).toEqual({ kind: 'fork', branches: [['n1', 'n2'], ['n3']] });
    // Two old copies of three never outvote the one that has the acknowledged writes.
    expect(judge(three, 'n1:A/L2', 'n2:A/L2', 'n3:A')).toMatchObject({ kind: 'fork' });
  });
});

describe('a difference while versions are mixed', () => {
  it('that follows the versions is held against the newer one, however many run it', () => {
    const newer = ['n2:B@1.1.0', 'n3:B@1.1.0'];
    expect(judge(three, 'n1:A@1.0.0', ...newer)).toEqual({
      kind: 'differ',
      right: 'A',
      by: 'version',
      odd: ['n2', 'n3'],
      // They are the majority: setting them aside would end the cell, and the upgrade is what is to be taken back.
      quarantine: [],
    });
    expect(judge(three, 'n1:A@1.0.0', 'n2:A@1.0.0', 'n3:B@1.1.0')).toMatchObject({ by: 'version', quarantine: ['n3'] });
  });

  it('that does not follow them is judged by the majority', () => {
    const found = { right: 'A', by: 'majority', quarantine: ['n1'] };
    expect(judge(three, 'n1:B@1.0.0', 'n2:A@1.0.0', 'n3:A@1.1.0')).toMatchObject(found);
    expect(judge(five, 'n1:B@1.1.0', 'n2:A@1.0.0', 'n3:A@1.0.0', 'n4:A@1.1.0', 'n5:A@1.1.0')).toMatchObject(found);
  });

  it('compares versions by number, a pre-release before its release', () => {
    const sorted = ['0.9.0', '0.10.0-rc.2', '0.10.0-rc.10', '0.10.0', '0.10.1', '1.0.0'];
    expect([...sorted].reverse().sort(compareVersions)).toEqual(sorted);
    expect(compareVersions('1.0.0+build', '1.0.0')).toBe(0);
  });
});
