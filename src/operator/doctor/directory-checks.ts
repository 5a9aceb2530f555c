/** Is one data directory what its replica needs? Asked of the files alone, while no replica runs on them. */
import { cureOfLeftover } from './care-checks.ts';
import { type Check, type Finding, fail, notChecked, warn } from './check.ts';
import { diskFinding } from './machine-checks.ts';

/** What `verify data-dir` finds out, and how much room there is. */
export interface DirectoryFacts {
  readonly directory: string;
  readonly state: 'empty' | 'foreign' | 'forming' | 'formed' | 'unreadable';
  readonly member: { readonly name: string; readonly incarnation: number } | null;
  readonly flags: { readonly frozen: boolean; readonly quarantined: boolean; readonly removed: boolean } | null;
  readonly checks: readonly {
    readonly what: string;
    readonly verdict: 'ok' | 'note' | 'bad';
    readonly detail: string;
    /** Of what is bad: the other members have what is missing, or the newest directory of this one has. */
    readonly remedy?: 'members' | 'newest-directory';
  }[];
  readonly leftovers: readonly { readonly name: string; readonly what: string }[];
  /** Null where the system does not tell. */
  readonly diskFreeBytes: number | null;
  readonly diskBytes: number | null;
}

export const directoryChecks: readonly Check<DirectoryFacts>[] = [
  {
    id: 'formed',
    what: 'it is the data directory of a member',
    look: ({ directory, state }) => {
      const fix = `ls -la ${directory}`;
      if (state === 'formed') return [];
      if (state === 'unreadable') {
        return [fail({ text: `the manifest of ${directory} cannot be used`, advice: 'keep all of it', fix })];
      }
      if (state === 'forming') return [warn({ text: 'its cell was never formed to its end', fix: 'paxosctl status' })];
      const text = state === 'empty' ? `${directory} is empty` : `${directory} holds files, and no data directory`;
      const advice = 'is the disk mounted? an empty directory under a known name is a lost disk';
      return [fail({ text, advice, fix })];
    },
  },
  {
    id: 'member',
    what: 'its member may take part',
    look: ({ member, flags }) => {
      if (member === null || flags === null) return [];
      const { name } = member;
      const found: Finding[] = [];
      const frozen = { text: `${name} is frozen`, advice: 'the evidence stands in `status`' };
      if (flags.frozen) found.push(fail({ ...frozen, fix: 'paxosctl recover plan --keep-present' }));
      if (flags.quarantined) {
        found.push(fail({ text: `${name} is quarantined`, fix: `paxosctl members rebuild ${name}` }));
      }
      if (flags.removed) found.push(fail({ text: `${name} was removed from the cell`, fix: 'paxosctl members list' }));
      return found;
    },
  },
  {
    id: 'files',
    what: 'every file is there, can be read, and agrees with the others',
    look: ({ directory, checks, leftovers, member }) =>
      checks
        .filter(({ what, verdict }) => verdict === 'bad' && !leftovers.some(({ name }) => name === what))
        .map(({ what, detail, remedy }) => {
          const text = `${what}: ${detail}`;
          if (remedy === 'members') {
            const advice =
              'start it as ever, and see whether any member has what it lacks; don’t rebuild it before that';
            return fail({ text, advice, fix: 'paxosctl status' });
          }
          if (remedy === 'newest-directory') {
            const advice = 'put the newest directory of this member back, if there is one; else it is rebuilt';
            return fail({ text, advice, fix: `paxosctl members rebuild ${member?.name ?? 'NAME'}` });
          }
          return fail({ text, advice: 'keep it as it is', fix: `paxosctl verify data-dir ${directory}` });
        }),
  },
  {
    id: 'copied',
    what: 'it is the directory that was formed, not a copy',
    look: ({ directory, checks }) =>
      checks
        .filter(({ what, verdict }) => what === 'IDENTITY' && verdict !== 'ok')
        .map(({ detail }) =>
          fail({
            text: detail,
            advice: 'an older copy has forgotten what was promised: put the newest one back',
            fix: `paxosctl verify data-dir ${directory}`,
          }),
        ),
  },
  {
    id: 'snapshots',
    what: 'there is a snapshot to start from, or a short log',
    look: ({ checks }) =>
      checks.some(({ what, verdict }) => what === 'snapshots' && verdict === 'note')
        ? [notChecked({ text: 'no snapshot was taken yet', fix: 'paxosctl snapshot take' })]
        : [],
  },
  {
    id: 'leftovers',
    what: 'nothing lies there that does not belong',
    look: ({ directory, leftovers, checks }) => {
      const unknown = leftovers.map(({ name, what }) =>
        fail({ text: `${name} does not belong: ${what}`, ...cureOfLeftover(name, directory) }),
      );
      const aside = checks.filter(({ what }) => what === 'quarantine' || what === 'attempts');
      const folders = aside.map(({ what, detail }) =>
        warn({ text: `${what}: ${detail}`, ...cureOfLeftover(`${what}/`, directory) }),
      );
      return [...unknown, ...folders];
    },
  },
  {
    id: 'disk',
    what: 'there is room on the disk',
    look: ({ directory, diskFreeBytes, diskBytes }) => {
      const found = diskFinding({ whose: 'the disk', directory, freeBytes: diskFreeBytes, bytes: diskBytes });
      return found === null ? [] : [found];
    },
  },
];
