/** What `doctor --data-dir` advises for what is bad in a directory: by where what is missing can come from, whatever the words are. */
import { expect, test } from 'vitest';
import { type DirectoryFacts, directoryChecks } from '../../src/operator/doctor/directory-checks.ts';

const factsWith = (check: DirectoryFacts['checks'][number]): DirectoryFacts => ({
  directory: '/data/n2',
  state: 'formed',
  member: { name: 'n2', incarnation: 3 },
  flags: { frozen: false, quarantined: false, removed: false },
  checks: [check],
  leftovers: [],
  diskFreeBytes: null,
  diskBytes: null,
});

const filesCheck = directoryChecks.find(({ id }) => id === 'files');

test.each([
  ['members', 'paxosctl status'],
  ['newest-directory', 'paxosctl members rebuild n2'],
  [undefined, 'paxosctl verify data-dir /data/n2'],
] as const)('with remedy %s the next command is %s', async (remedy, fix) => {
  const line = { what: 'log', verdict: 'bad' as const, detail: 'it is bad' };
  const found = await filesCheck?.look(factsWith(remedy === undefined ? line : { ...line, remedy }));
  expect(found).toMatchObject([{ text: 'log: it is bad', fix }]);
});
