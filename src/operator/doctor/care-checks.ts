/** Is what would be needed on a bad day there, and is the data that it would be needed for good? */
import { type Check, type Finding, fail, notChecked, warn } from './check.ts';
import type { LiveFacts } from './live-facts.ts';
import { missesState } from './member-checks.ts';

const hourMs = 3_600_000;
/** Full checks run by themselves far more often. */
const checkAgeMsMax = 25 * hourMs;
/** So long after a start a full check is to be expected. */
const firstCheckMsMax = 25 * hourMs;
/** Of the length at which a snapshot is due: more than a failed attempt or two. */
const logFactorMax = 4;

export const careChecks: readonly Check<LiveFacts>[] = [
  {
    id: 'databases',
    what: 'all replicas hold the same database',
    look: ({ status: { cell, members } }) => {
      const fix = 'paxosctl verify checksums';
      const differing = members.filter(({ checksum }) => checksum === 'differs');
      const found: Finding[] = differing.map(({ name, checksumInstance }) =>
        fail({
          member: name,
          text: `${name} holds another database than the others at instance ${checksumInstance}`,
          fix,
        }),
      );
      if (cell.checksum?.verdict === 'differ') {
        found.push(
          fail({ text: `the full check at instance ${cell.checksum.instance} found different databases`, fix }),
        );
      }
      return found;
    },
  },
  {
    id: 'checksums',
    what: 'everything stored was compared not long ago',
    look: ({ own, status: { cell } }) => {
      const fix = 'paxosctl verify checksums';
      if (cell.id === null) return [];
      const off = own.filter(({ check }) => check?.everyMs === 0).map(({ name }) => name);
      if (off.length > 0) return [warn({ text: `full checks are off on ${off.join(', ')}`, fix })];
      if (cell.checksum === null) {
        const upMs = Math.max(0, ...own.map(({ uptimeMs }) => uptimeMs ?? 0));
        const text = `nothing was checked in full since the replicas started (${hours(upMs)} ago)`;
        return [upMs > firstCheckMsMax ? warn({ text, fix }) : notChecked({ text, fix })];
      }
      const { ageMs, verdict, agreeing } = cell.checksum;
      if (ageMs > checkAgeMsMax) return [warn({ text: `the last full check was ${hours(ageMs)} ago`, fix })];
      if (verdict !== 'incomplete') return [];
      return [notChecked({ text: `the last full check is known of ${agreeing.join(', ')} only`, fix })];
    },
  },
  {
    id: 'snapshots',
    what: 'every member takes snapshots, and finds them good',
    look: ({ own }) =>
      own.flatMap((it) => {
        const { name, role, newestSnapshot, logBytesSinceSnapshot, snapshotLogBytes } = it;
        // There is nothing yet of which another could be taken.
        if (role === 'waiting' || missesState(it)) return [];
        const fix = `paxosctl snapshot take --member ${name}`;
        if (logBytesSinceSnapshot === undefined || snapshotLogBytes === undefined) {
          return [notChecked({ member: name, text: `${name} does not tell of its snapshots`, fix })];
        }
        if (newestSnapshot?.verified === false) {
          const text = `the newest snapshot of ${name}, at instance ${newestSnapshot.instance}, was found bad`;
          return [warn({ member: name, text, fix })];
        }
        if (logBytesSinceSnapshot <= logFactorMax * snapshotLogBytes) return [];
        const mebibytes = Math.round(logBytesSinceSnapshot / 1024 / 1024);
        const text = `${name} has ${mebibytes} MiB of log since its last snapshot`;
        return [warn({ member: name, text, advice: 'snapshots seem to fail; its log says why', fix })];
      }),
  },
  {
    id: 'leftovers',
    what: 'nothing lies in the data directories that does not belong',
    look: ({ own }) =>
      own.flatMap(({ name, leftovers: found, upgrade }) => {
        // What the open upgrade keeps there is its own.
        const leftovers = (found ?? []).filter((it) => it !== `attempts/${upgrade?.attempt}`);
        if (leftovers.length === 0) return [];
        const text = `the data directory of ${name} has ${leftovers.join(', ')}`;
        return [warn({ member: name, text, ...cureOfLeftover(leftovers[0] as string, `DATA-DIR-OF-${name}`) })];
      }),
  },
  {
    id: 'warnings',
    what: 'no replica warns of anything',
    look: ({ own, status: { cell } }) =>
      own.flatMap(({ name, warnings, hintsDiffer }) => {
        // What each waits for before there is a cell is said once, and hints have a check of their own.
        if (cell.id === null)
          return (warnings ?? []).map((it) =>
            fail({ member: name, text: `${name} waits: ${it}`, fix: 'paxosctl status' }),
          );
        const others = (warnings ?? []).filter((it) => !hintsDiffer?.includes(it));
        return others.map((it) =>
          warn({ member: name, text: `${name}: ${it.replace(/\.$/, '')}`, fix: 'paxosctl status' }),
        );
      }),
  },
];

/** Nothing is deleted by these. */
export function cureOfLeftover(name: string, directory: string): { readonly fix: string; readonly advice: string } {
  if (name.startsWith('quarantine/')) {
    return { fix: `mv ${directory}/${name} ELSEWHERE/`, advice: 'set aside; move it out once you know what it is' };
  }
  if (name.startsWith('attempts/'))
    return { fix: `ls -la ${directory}/${name}`, advice: 'of an upgrade that did not end; never read as data' };
  const advice = 'find out who put it there; the next start moves it aside with this flag, and refuses without';
  return { fix: `paxosctl node start … --data-dir ${directory} --quarantine-leftovers`, advice };
}

function hours(ms: number): string {
  if (ms < hourMs) return `${Math.round(ms / 60_000)} min`;
  return ms < 48 * hourMs ? `${Math.round(ms / hourMs)} h` : `${Math.round(ms / 24 / hourMs)} days`;
}
