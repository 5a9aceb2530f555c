/**
 * `members add`, `promote`, `remove`, `replace`, `rebuild`: several logged changes each, in an order in which the cell never has
 * fewer votes than it may (design §3). Everything that they remember is in the cell.
 */
import { type OperatorError, RefusedError, UsageError } from '../../errors/index.ts';
import type { MembersChangeDocument, MembersDocument, ReplicaStatusDocument } from '../../formats/http-body.ts';
import { survey } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';
import { admit, promoteWhenCaughtUp, type StepOptions, untilDone } from './steps.ts';

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

/** `members list`: as the master has them; without a master, as the replica has them that knows the newest. */
export async function listMembers(flags: CellFlags): Promise<MembersDocument> {
  const { answers } = await survey(flags.endpoints, flags.timeout);
  const known = answers.flatMap(({ status }) => (status === null || status.cell.id === null ? [] : [status]));
  const versionOf = (status: ReplicaStatusDocument): number => membershipFrom(status);
  const [best] = [...known].sort((a, b) => versionOf(b) - versionOf(a));
  const members = best?.members ?? [];
  const voters = members.filter(({ voting }) => voting).length;
  const quorum = Math.floor(voters / 2) + 1;
  return {
    version: best === undefined ? 0 : versionOf(best),
    quorum,
    tolerates: Math.max(0, voters - quorum),
    members: [...members].sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

const membershipFrom = (status: ReplicaStatusDocument): number => {
  const { membershipFrom: from } = status as { readonly membershipFrom?: unknown };
  return typeof from === 'number' ? from : 0;
};

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
 */
export async function addMember(options: StepOptions, add: AddOptions): Promise<MembersResult> {
  const { name, url, promote, dryRun, allowNoSpare } = add;
  const body = { name, url, allowNoSpare, ...(promote ? { role: 'voter' as const } : {}) };
  if (dryRun) return resultOf('add', name, [await options.port.change({ ...body, dryRun })]);
  const admitted = await admit(options, body);
  if (!promote || admitted.member?.voting === true) return resultOf('add', name, [admitted]);
  try {
    return resultOf('add', name, [admitted, await promoteWhenCaughtUp(options, name)]);
  } catch (error) {
    if (admitted.changed && (error as OperatorError).code === 'PAXOS_MEMBER_BEHIND')
      throw await takenBack(options, name, error);
    throw error;
  }
}

async function takenBack({ port }: StepOptions, name: string, error: unknown): Promise<unknown> {
  const why = (error as Error).message;
  const { changed } = await port.remove(name, { dryRun: false, allowNoSpare: false });
  if (!changed) return error;
  return new RefusedError(`${name} was removed again; the cell is as it was. ${why}`, {
    code: 'PAXOS_MEMBER_BEHIND',
    facts: { member: name, why },
    suggestions: ['paxosctl status', 'paxosctl members list'],
  });
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
  return resultOf('rebuild', name, [ended, await promoteWhenCaughtUp(options, name)]);
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
export async function replaceMember(options: StepOptions, replace: ReplaceOptions): Promise<MembersResult> {
  const { port } = options;
  const { old, name, url, dryRun, allowNoSpare } = replace;
  if (old === name) {
    throw new UsageError(
      `${name} cannot take its own place: a member that moves gets another name, and a lost disk is rebuilt under the old one.`,
      { suggestions: [`paxosctl members replace ${old} NEW --url ${url}`, `paxosctl members rebuild ${old}`] },
    );
  }
  const master = await port.master();
  if (master === null) throw new RefusedError('Nobody is master now.', { code: 'PAXOS_NO_MASTER' });
  const leaving = master.members.find((member) => member.name === old);
  const coming = master.members.find((member) => member.name === name);
  if (leaving === undefined && coming === undefined) throw unknown(old, master);
  if (coming !== undefined) refuseStranger(coming, { url, leaving });
  const remove = () => port.remove(old, { dryRun, allowNoSpare });
  const done: MembersChangeDocument[] = [];
  const finish = () => resultOf('replace', name, done);
  if (leaving !== undefined && coming === undefined) {
    const alive = await isAlive(options, leaving);
    const body = { name, url, role: 'voter' as const, allowNoSpare, ...(alive ? {} : { replaces: old }) };
    if (dryRun) {
      const judged = await port.change({ ...body, dryRun });
      // A live one goes last: then there are as many voters as before.
      done.push(alive ? { ...judged, after: judged.before, warnings: [] } : judged);
      return finish();
    }
    done.push(await admit(options, body));
  }
  const present = (await port.master())?.members ?? master.members;
  const newcomer = present.find((member) => member.name === name);
  const stays = present.find((member) => member.name === old);
  if (newcomer?.voting !== true) {
    // Had it died meanwhile, it would only stand in the way of the promotion.
    if (stays !== undefined && !dryRun && !(await isAlive(options, stays))) {
      done.push(await untilDone(options, `Removing ${old}`, remove));
    }
    if (dryRun) return resultOf('replace', name, [await port.change({ name, role: 'voter', dryRun })]);
    done.push(await promoteWhenCaughtUp(options, name));
  }
  done.push(dryRun ? await remove() : await untilDone(options, `Removing ${old}`, remove));
  return finish();
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

async function isAlive(
  { port }: StepOptions,
  member: { readonly name: string; readonly url: string; readonly incarnation: number },
): Promise<boolean> {
  const status = await port.status(member.url);
  return status?.name === member.name && status.incarnation === member.incarnation && status.role !== 'halted';
}

const unknown = (name: string, master: ReplicaStatusDocument): OperatorError =>
  new RefusedError(
    `${name} is not a member of this cell; its members are ${master.members.map((it) => it.name).join(', ')}.`,
    { code: 'PAXOS_MEMBER_UNKNOWN', facts: { member: name }, suggestions: ['paxosctl members list'] },
  );
