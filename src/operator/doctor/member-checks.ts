/** Is the cell what its members believe, and is each of them part of it? */
import { answerAt } from '../../client/member-status.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import { lagInstancesMax } from '../cell-status.ts';
import { type Check, type Finding, fail, notChecked, warn } from './check.ts';
import { startCommand } from './commands.ts';
import type { LiveFacts } from './live-facts.ts';

/** Waiting ends no freeze. */
const frozenCure = {
  advice: 'keep every data directory: both histories are still there',
  fix: 'paxosctl recover plan --keep-present',
};

export const memberChecks: readonly Check<LiveFacts>[] = [
  {
    id: 'serving',
    what: 'a master holds the lease, and a majority answers',
    look: ({ status: { cell }, own }) => {
      if (cell.health !== 'unavailable') return [];
      const [reason = 'nobody serves'] = cell.why;
      if (cell.frozen !== null) return [fail({ text: reason, ...frozenCure })];
      if (!own.every((it) => missesState(it) || it.role === 'rebuilding'))
        return [fail({ text: reason, fix: 'paxosctl wait master --timeout 2m' })];
      const advice = 'keep every data directory, and rebuild nobody: nothing is left to rebuild from';
      return [fail({ text: reason, advice, fix: 'paxosctl cell restore FILE' })];
    },
  },
  {
    id: 'frozen',
    what: 'no evidence was seen that the cell went back or forked',
    look: ({ status: { cell } }) =>
      cell.frozen === null
        ? []
        : [
            fail({
              text: `${cell.frozen.seenBy} saw at ${cell.frozen.seenAt}: ${cell.frozen.text}`,
              ...frozenCure,
            }),
          ],
  },
  {
    id: 'answers',
    what: 'every configured member answers',
    look: (facts) => {
      const { status, asked } = facts;
      return status.members.flatMap((member) => {
        // Somebody is there: that is another check.
        if (member.answered || answerAt(member.url, asked.answers)?.status != null) return [];
        const text = `${member.name} ${member.detail ?? 'does not answer'}`;
        return [fail({ member: member.name, text, fix: startCommand(member, status.members) })];
      });
    },
  },
  {
    id: 'identity',
    what: 'whoever answers at an address is the one who is meant',
    look: (facts) => [...wrongAnswers(facts), ...twice(facts), ...strangers(facts)],
  },
  {
    id: 'voting',
    what: 'every voter takes part, as the incarnation that is counted on',
    look: ({ status: { members }, own }) =>
      members.flatMap((member) => {
        const { name, answered, voting, role, detail } = member;
        if (!answered || !voting || detail === null || isElsewhere(detail)) return [];
        const text = `${name} ${detail}`;
        if (own.some((it) => it.name === name && missesState(it))) {
          const advice = 'its snapshots are bad, and it waits for a member that has the state: keep its data directory';
          return [fail({ member: name, text, advice, fix: 'paxosctl status' })];
        }
        return [fail({ member: name, text, ...cureOf(role, name) })];
      }),
  },
  {
    id: 'catch-up',
    what: 'everybody follows the log',
    look: ({ status: { members }, own, later }) =>
      members.flatMap(({ name, lag }) => {
        if (lag === null || lag <= lagInstancesMax) return [];
        const fix = `paxosctl wait caught-up=${name} --timeout 10m`;
        const before = own.find((it) => it.name === name);
        const now = later?.find((it) => it.name === name);
        const coming = (now ?? before)?.catchUp ?? null;
        if (now !== undefined && before !== undefined && !movedOn(before, now)) {
          const text = `${name} is ${lag} instances behind and does not come closer`;
          return [fail({ member: name, text, advice: 'its log says what it waits for', fix })];
        }
        const how = coming === null ? 'catching up' : `receives a snapshot from ${coming.from}`;
        return [warn({ member: name, text: `${name} is ${lag} instances behind and ${how}`, fix })];
      }),
  },
  {
    id: 'change',
    what: 'no change of the membership is half done',
    look: ({ status: { cell, members } }) => {
      const pending = cell.pendingMembership;
      const learners = members.filter(({ voting, role }) => !voting && role !== 'removed');
      return [
        ...(pending === null
          ? []
          : [
              warn({
                text: `from instance ${pending.from} on the members will be ${pending.members.join(', ')}`,
                fix: 'paxosctl members list',
              }),
            ]),
        ...(cell.id === null ? [] : learners).map(({ name }) =>
          warn({
            member: name,
            text: `${name} follows without a vote`,
            advice: 'a spare by intention needs nothing',
            fix: `paxosctl members promote ${name}`,
          }),
        ),
      ];
    },
  },
  {
    id: 'voters',
    what: 'the number of voters is odd and above one',
    look: ({ status: { cell } }) => {
      const { voters } = cell;
      if (cell.id === null) return [notChecked({ text: 'there is no cell yet', fix: 'paxosctl status' })];
      if (voters % 2 === 1 && voters > 1) return [];
      const text =
        voters === 1
          ? 'the only voter has no spare: its failure stops the cell'
          : `${voters} voters survive no more failures than ${voters - 1}, and need one more for each decision`;
      return [warn({ text, fix: 'paxosctl members add NAME --url http://HOST:7401' })];
    },
  },
  {
    id: 'versions',
    what: 'all replicas run the same version at the same level',
    look: ({ own }) => {
      const found: Finding[] = [];
      const newest =
        own
          .map(({ version }) => version)
          .sort(byVersion)
          .at(-1) ?? 'VERSION';
      const about = {
        advice: 'restart the others with the newer one',
        fix: `paxosctl wait version=${newest} --timeout 10m`,
      };
      const versions = groups(own.map(({ name, version }) => [version, name]));
      if (versions.size > 1) found.push(warn({ text: `versions are mixed: ${listed(versions)}`, ...about }));
      const levels = groups(own.map(({ name, level }) => [String(level), name]));
      if (levels.size > 1) found.push(fail({ text: `levels are mixed: ${listed(levels)}`, ...about }));
      return found;
    },
  },
  {
    id: 'hints',
    what: '`--cell` of each process says what the membership says',
    look: ({ own, status: { members } }) =>
      own.flatMap(({ name, hintsDiffer }) => {
        const [first] = hintsDiffer ?? [];
        if (first === undefined) return [];
        const member = members.find((it) => it.name === name);
        const advice = 'the recorded membership holds; correct the flag before the next start';
        const fix = member === undefined ? 'paxosctl members list' : startCommand(member, members);
        return [warn({ member: name, text: `${name}: ${first.replace(/\.$/, '')}`, advice, fix })];
      }),
  },
  {
    id: 'drain',
    what: 'mastership is kept away from nobody',
    look: ({ status: { members } }) =>
      members.flatMap(({ name, drain }) =>
        drain === null
          ? []
          : [
              warn({
                member: name,
                text: `${name} is drained until ${drain.until}`,
                advice: 'it ends by itself',
                fix: `paxosctl node drain ${name} --end`,
              }),
            ],
      ),
  },
];

/** Its snapshots are bad, and nobody has given it yet what they stood for. */
export const missesState = ({ instances }: ReplicaStatusDocument): boolean => (instances.missingUpTo ?? 0) > 0;

/** In the log, or in the snapshot that is on its way: nothing is applied before that is there. */
function movedOn(before: ReplicaStatusDocument, now: ReplicaStatusDocument): boolean {
  if (now.instances.applied > before.instances.applied) return true;
  const [then, present] = [before.catchUp ?? null, now.catchUp ?? null];
  return present !== null && (present.instance !== then?.instance || present.bytes > then.bytes);
}

const byVersion = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });

/** Is about where it is, and is told by another check. */
const isElsewhere = (detail: string): boolean =>
  /instances behind$|^has no connection|^was not heard|holds another database|^is read-only/.test(detail);

function cureOf(role: string, name: string): { readonly fix: string; readonly advice?: string } {
  switch (role) {
    case 'quarantined':
      return { fix: `paxosctl members rebuild ${name}`, advice: 'what it holds differs from the others; it is kept' };
    case 'halted':
      return { fix: `paxosctl verify data-dir DATA-DIR-OF-${name}`, advice: 'it stopped by itself; its log says why' };
    case 'removed':
      return { fix: 'paxosctl members list', advice: 'its process ends by itself, within ten seconds' };
    case 'frozen':
      return { fix: 'paxosctl recover plan --keep-present' };
    case 'rebuilding':
    case 'checking':
    case 'learner':
      return { fix: `paxosctl wait caught-up=${name} --timeout 10m` };
    default:
      return { fix: `paxosctl members rebuild ${name}`, advice: 'first see whether a moment helps' };
  }
}

/** At a member's address somebody else answers: the misspelled name of PML §6.3, a swapped address, another cell. */
function wrongAnswers({ status, asked }: LiveFacts): Finding[] {
  return status.members.flatMap((member) => {
    const there = answerAt(member.url, asked.answers)?.status;
    if (there == null) return [];
    const known = status.cell.id;
    if (there.name === member.name && there.cell.id === known) return [];
    const cell = there.cell.id === known ? '' : ` of cell ${there.cell.id ?? 'none'}`;
    const text = `at ${member.url}, the address of ${member.name}, ${there.name}${cell} answers`;
    const advice = `start ${member.name} there, or correct its name or address`;
    return [fail({ member: member.name, text, advice, fix: startCommand(member, status.members) })];
  });
}

/**
 * Two processes under one identity: as they answer, where both were asked, and as the members tell who turn the second away, wherever
 * that is. One that restarted between two answers has the same address.
 */
function twice({ asked, own, status }: LiveFacts): Finding[] {
  return status.members.flatMap(({ name }) => {
    const boots = new Map<string, string>();
    for (const { url, status: answer } of asked.answers) {
      if (answer !== null && answer.name === name && own.includes(answer)) boots.set(answer.boot?.id ?? '', url);
    }
    const text =
      boots.size > 1
        ? `two processes answer as ${name}: at ${[...boots.values()].join(' and ')}`
        : secondProcess(name, own);
    if (text === null) return [];
    const advice = 'stop the one that is not on its own data directory';
    return [fail({ member: name, text, advice, fix: `paxosctl doctor --data-dir DATA-DIR-OF-${name}` })];
  });
}

function secondProcess(name: string, own: LiveFacts['own']): string | null {
  const told = own.flatMap(({ name: by, secondProcesses }) =>
    (secondProcesses ?? []).filter((it) => it.name === name).map((it) => ({ ...it, by })),
  );
  const [first] = told;
  if (first === undefined) return null;
  const witnesses = [...new Set(told.map(({ by }) => by))].sort().join(', ');
  const addresses = [...new Set(told.flatMap(({ address }) => address ?? []))].sort();
  const from = addresses.length === 0 ? '' : ` from ${addresses.join(', ')}`;
  const boot = (id: string): string => id.slice(0, 8);
  return (
    `a second process runs as ${name}${from} (boot ${boot(first.boot)}): ${witnesses} turned it away, ` +
    `since boot ${boot(first.connectedBoot)} is connected`
  );
}

/** Endpoints that lead elsewhere: the tool would find this cell only as long as the others answer. */
function strangers({ asked, own, status }: LiveFacts): Finding[] {
  const isMember = (name: string): boolean => status.members.some((it) => it.name === name);
  return asked.answers.flatMap(({ url, status: answer }) => {
    if (answer === null || status.members.some((it) => it.url.replace(/\/$/, '') === url)) return [];
    if (own.includes(answer) && isMember(answer.name)) return [];
    const text = own.includes(answer)
      ? `at ${url} ${answer.name} answers, which is no member${answer.role === 'removed' ? ' any more, and is about to end' : ''}`
      : `at ${url} ${answer.name} of cell ${answer.cell.id ?? 'none'} answers, not one of this cell`;
    const endpoints = status.members.map((it) => it.url).join(',');
    return [warn({ text, fix: `paxosctl doctor --endpoints ${endpoints}` })];
  });
}

function groups(pairs: readonly (readonly [key: string, name: string])[]): Map<string, string[]> {
  const all = new Map<string, string[]>();
  for (const [key, name] of pairs) all.set(key, [...(all.get(key) ?? []), name]);
  return all;
}

const listed = (all: ReadonlyMap<string, readonly string[]>): string =>
  [...all].map(([key, names]) => `${key} on ${names.join(', ')}`).join('; ');
