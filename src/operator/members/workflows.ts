/**
 * `members add`, `promote`, `remove`, `replace`, `rebuild`: several logged changes each, in an order in which the cell never has
 * fewer votes than it may (design §3). Everything that they remember is in the cell.
 */

import { answersOfCell } from '../../client/cell-status.ts';
import { OperatorError, OutcomeUnknownError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import type {
  MembersChangeBody,
  MembersChangeDocument,
  MembersDocument,
  ReplicaStatusDocument,
} from '../../formats/http-body.ts';
import { sizeOfMembers } from '../../formats/membership-size.ts';
import { currentMaster, survey } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';
import type { MembersPort } from './port.ts';
import { admit, presentMaster, promoteWhenCaughtUp, type StepOptions, untilDone, withMoreTime } from './steps.ts';

export interface ChangeFlags {
  readonly dryRun: boolean;
  readonly allowNoSpare: boolean;
}

/** What a command has done; with `dryRun`, what its first step would do. */
export interface MembersResult {
  readonly action: 'add' | 'promote' | 'remove' | 'replace' | 'rebuild';
  readonly name: string;
  readonly dryRun: boolean;
  /** False when everything was so already. */
  readonly changed: boolean;
  readonly before: MembersChangeDocument['before'];
  readonly after: MembersChangeDocument['after'];
  readonly version: number;
  readonly member: MembersChangeDocument['member'];
  readonly probes: MembersChangeDocument['probes'];
  readonly warnings: readonly string[];
  /** What was done, in order. */
  readonly steps: readonly { readonly action: string; readonly name: string; readonly changed: boolean }[];
}

/**
 * `members list`: as the master has them; without a master, as the replica has them that knows the newest.
 * @throws {UnreachableError} (exit 3) when nobody answers, or those that do have formed no cell yet.
 */
export async function listMembers(flags: CellFlags): Promise<ListedMembers> {
  const known = answersOfCell(await survey(flags.endpoints, flags.timeout)).filter(({ cell }) => cell.id !== null);
  const versionOf = ({ membershipFrom }: ReplicaStatusDocument): number => membershipFrom ?? 0;
  const master = currentMaster(known);
  const best = master ?? [...known].sort((a, b) => versionOf(b) - versionOf(a))[0];
  if (best === undefined) {
    throw new UnreachableError('The cell is not formed yet: it has no members.', { code: 'PAXOS_NO_MASTER' });
  }
  const members = [...best.members].sort((a, b) => (a.name < b.name ? -1 : 1));
  const { quorum, tolerates, intended } = sizeOfMembers(members);
  return {
    version: versionOf(best),
    quorum,
    tolerates,
    intended,
    toldBy: best.name,
    current: master !== null,
    members,
  };
}

/** The JSON document of `members list` (contract §1). */
export interface ListedMembers extends MembersDocument {
  readonly toldBy: string;
  /** False without a master: the cell may have changed since this member heard of it. */
  readonly current: boolean;
}

function resultOf(
  action: MembersResult['action'],
  name: string,
  documents: readonly MembersChangeDocument[],
): MembersResult {
  const first = documents[0] as MembersChangeDocument;
  const last = documents.at(-1) as MembersChangeDocument;
  return {
    action,
    name,
    dryRun: last.dryRun,
    changed: documents.some(({ changed }) => changed),
    before: first.before,
    after: last.after,
    version: last.version,
    member: documents.findLast((document) => document.name === name)?.member ?? null,
    probes: documents.flatMap(({ probes }) => probes),
    warnings: [...new Set(last.warnings)],
    steps: documents.map((document) => ({ action: document.action, name: document.name, changed: document.changed })),
  };
}

export interface AddOptions extends ChangeFlags {
  readonly name: string;
  readonly url: string;
  readonly promote: boolean;
}

/**
 * Admits a replica as a warm learner, and gives it its vote once it has caught up. When it makes no progress it is removed
 * again, unless it was there before.
 * @throws {OperatorError} that says so when it ends with a member that has no vote; exit 7 then where the cell does not answer.
 */
export async function addMember(asked: StepOptions, add: AddOptions): Promise<MembersResult> {
  const { name, url, promote, dryRun, allowNoSpare } = add;
  const again = `paxosctl members add ${name} --url ${url}`;
  const options = { ...asked, again };
  const body = { name, url, allowNoSpare, ...(promote ? { role: 'voter' as const } : {}) };
  if (dryRun) return resultOf('add', name, [await options.port.change({ ...body, dryRun })]);
  const admitted = await admit(options, body);
  if (!promote || admitted.member?.voting === true) return resultOf('add', name, [admitted]);
  try {
    return resultOf('add', name, [admitted, await promoteWhenCaughtUp(options, name)]);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    if (admitted.changed && error.code === 'PAXOS_MEMBER_BEHIND')
      throw await takenBack(options, { name, error, again });
    throw halfDone(error, `${name} is a member without a vote`, again);
  }
}

interface Stalled {
  readonly name: string;
  readonly error: OperatorError;
  readonly again: string;
}

async function takenBack({ port, timeoutMs }: StepOptions, { name, error, again }: Stalled): Promise<unknown> {
  const facts = { member: name, why: error.message };
  try {
    const member = (await port.master())?.members.find((it) => it.name === name);
    // Somebody else has given it its vote: it is not this command's any more.
    if (member?.voting === true) return halfDone(error, `${name} has got its vote from somebody else`, again);
    const { changed } = await port.remove(name, { dryRun: false, allowNoSpare: false });
    if (!changed) return error;
  } catch (failure) {
    if (!(failure instanceof OperatorError)) throw failure;
    return halfDone(
      error,
      `${name} is a member without a vote, and could not be removed again (${failure.message})`,
      again,
    );
  }
  return new RefusedError(
    `${name} was removed again; the cell is as it was, and the next try wants an empty data directory. ${error.message}`,
    { code: 'PAXOS_MEMBER_BEHIND', facts, suggestions: [withMoreTime(again, timeoutMs), 'paxosctl members list'] },
  );
}

/** What ended a command after it had changed something: never as if nothing had been done. */
function halfDone(error: OperatorError, what: string, again: string): OperatorError {
  const own = error.code === 'PAXOS_MEMBER_BEHIND' ? [] : [again];
  const suggestions = [...new Set([...own, ...error.suggestions, 'paxosctl members list'])];
  const options = { facts: { ...error.facts, halfDone: what }, suggestions, cause: error };
  const message = `${what}. ${error.message}`;
  if (error.exitCode === 3 || error.outcome === 'unknown') return new OutcomeUnknownError(message, options);
  return new OperatorError(error.code, message, { ...options, exitCode: error.exitCode, outcome: error.outcome });
}

export async function promoteMember(options: StepOptions, name: string, flags: ChangeFlags): Promise<MembersResult> {
  if (flags.dryRun)
    return resultOf('promote', name, [await options.port.change({ name, role: 'voter', dryRun: true })]);
  return resultOf('promote', name, [await promoteWhenCaughtUp(options, name)]);
}

export async function removeMember(options: StepOptions, name: string, flags: ChangeFlags): Promise<MembersResult> {
  const ask = () => options.port.remove(name, flags);
  return resultOf('remove', name, [flags.dryRun ? await ask() : await untilDone(options, `Removing ${name}`, ask)]);
}

/**
 * Ends an incarnation and has the next one admitted in its place, then waits for its vote. The replica itself asks for that
 * too; whoever is first does it.
 */
export async function rebuildMember(options: StepOptions, name: string, flags: ChangeFlags): Promise<MembersResult> {
  const { dryRun, allowNoSpare } = flags;
  const body = { name, rebuild: true, allowNoSpare };
  if (dryRun) return resultOf('rebuild', name, [await options.port.change({ ...body, dryRun })]);
  const ended = await untilDone(options, `Ending the incarnation of ${name}`, () => options.port.change(body));
  if (ended.member?.role !== 'rebuilding') return resultOf('rebuild', name, [ended]);
  const again = `paxosctl members rebuild ${name}`;
  try {
    return resultOf('rebuild', name, [ended, await promoteWhenCaughtUp({ ...options, again }, name)]);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    throw halfDone(error, `The next incarnation of ${name} has no vote yet; it asks for it by itself`, again);
  }
}

export interface ReplaceOptions extends ChangeFlags {
  readonly old: string;
  readonly name: string;
  readonly url: string;
}

/**
 * OLD alive: NEW is added, gets its vote, and OLD goes. OLD dead: OLD goes in the step that admits NEW, which then gets its
 * vote. Run again it goes on where it stands: what is done shows in the membership.
 * @throws {UsageError} when NEW is OLD; {RefusedError} PAXOS_MEMBER_EXISTS, with nothing changed, when NEW is a member that no run of
 * this command can have admitted: OLD would go, and nobody come.
 */
export async function replaceMember(asked: StepOptions, replace: ReplaceOptions): Promise<MembersResult> {
  const { port } = asked;
  const { old, name, url, dryRun, allowNoSpare } = replace;
  const again = `paxosctl members replace ${old} ${name} --url ${url}`;
  const options = { ...asked, again };
  if (old === name) {
    throw new UsageError(
      `${name} cannot take its own place: a member that moves gets another name, and a lost disk is rebuilt under the old one.`,
      { suggestions: [`paxosctl members replace ${old} NEW --url ${url}`, `paxosctl members rebuild ${old}`] },
    );
  }
  const master = await presentMaster(options);
  const leaving = master.members.find((member) => member.name === old);
  const coming = master.members.find((member) => member.name === name);
  if (leaving === undefined && coming === undefined) throw unknown(old, master);
  if (coming !== undefined) refuseStranger(coming, { url, leaving });
  const done: MembersChangeDocument[] = [];
  if (leaving !== undefined && coming === undefined) {
    const body = { name, url, role: 'voter' as const, allowNoSpare };
    const admitted = await admitFor(options, { body, old, dead: !(await isAlive(port, leaving, master)), dryRun });
    done.push(admitted);
    if (dryRun) return resultOf('replace', name, done);
  }
  try {
    return await finish(options, replace, done);
  } catch (error) {
    if (!(error instanceof OperatorError) || dryRun) throw error;
    throw halfDone(error, `${name} is a member, and the replacement of ${old} is not at its end`, again);
  }
}

/** NEW is admitted; in the place of OLD only where the cell, too, finds it dead: from here it may just be out of reach. */
async function admitFor(
  options: StepOptions,
  how: { readonly body: MembersChangeBody; readonly old: string; readonly dead: boolean; readonly dryRun: boolean },
): Promise<MembersChangeDocument> {
  const { body, old, dead, dryRun } = how;
  const ask = (asked: MembersChangeBody) =>
    dryRun ? options.port.change({ ...asked, dryRun }) : admit(options, asked);
  if (dead) {
    try {
      return await ask({ ...body, replaces: old });
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code !== 'PAXOS_MEMBER_ALIVE') throw error;
    }
  }
  const admitted = await ask(body);
  // A live one goes last: then there are as many voters as before.
  return dryRun ? { ...admitted, after: admitted.before, warnings: [] } : admitted;
}

/** NEW is a member by now: it gets its vote, and then OLD goes. */
async function finish(
  options: StepOptions,
  { old, name, dryRun, allowNoSpare }: ReplaceOptions,
  done: MembersChangeDocument[],
): Promise<MembersResult> {
  const { port } = options;
  const remove = () => port.remove(old, { dryRun, allowNoSpare });
  const master = await presentMaster(options);
  const newcomer = master.members.find((member) => member.name === name);
  const stays = master.members.find((member) => member.name === old);
  if (newcomer?.voting !== true) {
    // Had it died meanwhile, it would only stand in the way of the promotion.
    if (stays !== undefined && !dryRun && !(await isAlive(port, stays, master))) {
      done.push(await untilDone(options, `Removing ${old}`, remove));
    }
    if (dryRun) return resultOf('replace', name, [await port.change({ name, role: 'voter', dryRun })]);
    done.push(await promoteWhenCaughtUp(options, name));
  }
  done.push(dryRun ? await remove() : await untilDone(options, `Removing ${old}`, remove));
  return resultOf('replace', name, done);
}

type ListedMember = ReplicaStatusDocument['members'][number];

/** NEW is there already, which is right only when this command was killed, or when it was a spare: at the same address, and younger. */
function refuseStranger(
  coming: ListedMember,
  { url, leaving }: { readonly url: string; readonly leaving: ListedMember | undefined },
): void {
  const { name } = coming;
  const refuse = (why: string): never => {
    throw new RefusedError(`${name} ${why}; nothing was changed.`, {
      code: 'PAXOS_MEMBER_EXISTS',
      facts: { member: name, url: coming.url },
      suggestions: [`paxosctl members replace ${leaving?.name ?? 'OLD'} NEW --url URL`, 'paxosctl members list'],
    });
  };
  const bare = (address: string): string => address.replace(/\/+$/, '');
  if (bare(coming.url) !== bare(url)) refuse(`is a member already, at ${coming.url}`);
  // Lives are numbered upwards: who came to take this place is the younger of the two.
  if (leaving !== undefined && coming.voting && coming.incarnation <= leaving.incarnation) {
    refuse(`is a voter already, of no later date than ${leaving.name}, and takes nobody's place`);
  }
}

/** By its own word; where there is none, by that of the master, who may reach what is out of reach from here. */
async function isAlive(port: MembersPort, member: ListedMember, master: ReplicaStatusDocument): Promise<boolean> {
  const { name, incarnation, url } = member;
  const status = await port.status(url);
  if (status !== null) return status.name === name && status.incarnation === incarnation && status.role !== 'halted';
  return master.name === name || (master.peers.includes(name) && master.unheard?.includes(name) !== true);
}

const unknown = (name: string, master: ReplicaStatusDocument): OperatorError =>
  new RefusedError(
    `${name} is not a member of this cell; its members are ${master.members.map((it) => it.name).join(', ')}.`,
    { code: 'PAXOS_MEMBER_UNKNOWN', facts: { member: name }, suggestions: ['paxosctl members list'] },
  );
