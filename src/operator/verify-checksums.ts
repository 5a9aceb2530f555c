/**
 * Do all replicas hold the same database at the same instance? The cell logs an instance, every replica digests all that it
 * stores there, and every configured member is asked what it found (contract §1 `verify checksums`; PML §6.2; design §5).
 *
 * Keeps: who was not heard is not counted as equal (pitfall I15); the verdict is "agree" only when every configured member
 * said so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type DatabaseReport, type Judgement, judgeDatabases } from '../formats/database-verdict.ts';
import type { BadFileDocument, ChecksumDocument } from '../formats/http-body.ts';
import { statusOf, survey } from './cell-status.ts';
import { type CellFlags, withCell } from './connect.ts';
import { type Difference, narrow } from './narrow-difference.ts';
import { getJson } from './replica-http.ts';

export type MemberVerdict = 'agrees' | 'differs' | 'no-answer' | 'behind';

/** One row of the document of `verify checksums` (contract §1). */
export interface CheckedMember {
  readonly name: string;
  readonly url: string;
  readonly verdict: MemberVerdict;
  /** Where it was checked; for one that is behind, where it stands. */
  readonly instance: number | null;
  readonly entries: number | null;
  readonly checksum: string | null;
  readonly log: string | null;
  readonly version: string | null;
  readonly role: string | null;
  /** Entries that are no longer what was written there. */
  readonly rotten: number | null;
  /** Of a deep check: files that are bad, and stay so. */
  readonly files: readonly BadFileDocument[] | null;
  readonly detail: string | null;
}

/** The JSON document of `verify checksums` (contract §1). */
export interface ChecksumsDocument {
  readonly ok: boolean;
  readonly verdict: 'agree' | 'differ' | 'incomplete';
  readonly instance: number;
  readonly epoch: number;
  readonly deep: boolean;
  readonly tookMs: number;
  /** Different logs: the cell has forked, and no majority decides which branch is right. */
  readonly forked: boolean;
  /** By what the right database was told from the others; null when nothing decides, or nothing differs. */
  readonly decidedBy: 'majority' | 'version' | null;
  readonly members: readonly CheckedMember[];
  /** Of a deep check: files that were bad, and are whole again. */
  readonly repaired: readonly ({ readonly member: string } & BadFileDocument)[];
  readonly differences: readonly Difference[];
  /** More keys differ than are listed. */
  readonly differencesCut: boolean;
}

export interface VerifyOptions {
  readonly deep: boolean;
  /** Show the values of keys that differ. */
  readonly values: boolean;
  readonly onProgress?: (text: string) => void;
}

const pollMs = 50;
/** Who does not answer for so long while all others have is not waited for until the time is up. */
const silentMsMax = 3_000;
const answerMsMax = 2_000;

/** What is known of one member's check so far. */
interface Asked {
  readonly name: string;
  readonly url: string;
  answer: ChecksumDocument | null;
  why: string | null;
  silentSinceMs: number | null;
  settled: boolean;
}

/**
 * @throws {UnreachableError} (exit 3) when no master takes the check; nothing was done then.
 */
export function verifyChecksums(cell: CellFlags, options: VerifyOptions): Promise<ChecksumsDocument> {
  return withCell(cell, async (client) => {
    const startedMs = performance.now();
    const started = await client.startCheck({ deep: options.deep });
    const { members } = statusOf(await survey(cell.endpoints, cell.timeout));
    const asked = members.map(
      ({ name, url }): Asked => ({ name, url, answer: null, why: null, silentSinceMs: null, settled: false }),
    );
    await collect(asked, started.instance, { deadlineMs: startedMs + cell.timeout, ...options });
    const voters = members.filter(({ voting }) => voting).map(({ name }) => name);
    const judgement = judge(voters, asked);
    const found = await differencesOf(judgement, asked, { instance: started.instance, values: options.values });
    const rows = asked.map((one) => row(one, judgement, started.instance));
    // A file that stays bad is found as much as a database that differs (exit 4).
    const badFiles = rows.some(({ files }) => files !== null && files.length > 0);
    const differs = badFiles || judgement.kind !== 'agree' || rows.some(({ verdict }) => verdict === 'differs');
    const complete = rows.length > 0 && rows.every(({ verdict }) => verdict === 'agrees' || verdict === 'differs');
    const verdict = differs ? 'differ' : complete ? 'agree' : 'incomplete';
    return {
      ok: verdict === 'agree',
      verdict,
      instance: started.instance,
      epoch: started.epoch,
      deep: options.deep,
      tookMs: Math.round(performance.now() - startedMs),
      forked: judgement.kind === 'fork',
      decidedBy: judgement.kind === 'differ' ? judgement.by : null,
      members: rows,
      repaired: asked.flatMap(repairsOf),
      differences: found.differences,
      differencesCut: found.cut,
    };
  });
}

const exitCodes = { agree: 0, differ: 4, incomplete: 8 } as const;

/** The exit code that says the same as the verdict (contract §1). */
export const exitCodeOfVerdict = (verdict: ChecksumsDocument['verdict']): 0 | 4 | 8 => exitCodes[verdict];

async function collect(
  asked: readonly Asked[],
  instance: number,
  { deadlineMs, onProgress }: { readonly deadlineMs: number; readonly onProgress?: (text: string) => void },
): Promise<void> {
  for (;;) {
    await Promise.all(asked.filter(({ settled }) => !settled).map((one) => ask(one, instance, deadlineMs)));
    const open = asked.filter(({ settled }) => !settled);
    if (open.length === 0) return;
    const now = performance.now();
    const silent = ({ silentSinceMs }: Asked): boolean => silentSinceMs !== null && now - silentSinceMs >= silentMsMax;
    if (now >= deadlineMs || open.every(silent)) return;
    onProgress?.(
      `instance ${instance}: ${asked.length - open.length} of ${asked.length}, waiting for ${namesOf(open)}`,
    );
    await sleep(pollMs);
  }
}

const namesOf = (members: readonly Asked[]): string => members.map(({ name }) => name).join(', ');

async function ask(one: Asked, instance: number, deadlineMs: number): Promise<void> {
  const now = performance.now();
  const timeoutMs = Math.round(Math.max(1, Math.min(answerMsMax, deadlineMs - now)));
  try {
    const answer = (await getJson(`${one.url.replace(/\/$/, '')}/v1/checksums?instance=${instance}`, timeoutMs)) as
      | ChecksumDocument
      | undefined;
    if (answer?.member !== one.name) throw new Error(`${answer?.member ?? 'something else'} answers there`);
    one.answer = answer;
    one.why = null;
    one.silentSinceMs = null;
    // Past the instance and without a check: it came there by a snapshot, or has started anew since.
    one.settled = answer.state === 'done' || (answer.state === 'none' && answer.instance > instance);
  } catch (error) {
    // What it has said before is kept: it was checked.
    one.why = (error as Error).message;
    one.silentSinceMs ??= now;
  }
}

/** A replica of a version that repairs nothing says nothing of it. */
const repairsOf = (one: Asked): ChecksumsDocument['repaired'] =>
  (checkOf(one)?.repaired ?? []).map((it) => ({ member: one.name, ...it }));

const checkOf = ({ answer }: Asked) => (answer?.state === 'done' ? answer.check : null);

function judge(voters: readonly string[], asked: readonly Asked[]): Judgement {
  const reports = asked.flatMap((one): DatabaseReport[] => {
    const check = checkOf(one);
    if (check === null || one.answer === null) return [];
    const { log: logChain, database } = check;
    return [{ member: one.name, version: one.answer.version, logChain, database }];
  });
  return judgeDatabases(voters, reports);
}

function row(one: Asked, judgement: Judgement, instance: number): CheckedMember {
  const { name, url, answer } = one;
  const check = checkOf(one);
  const common = { name, url, version: answer?.version ?? null, role: answer?.role ?? null };
  if (check === null) {
    const behind = answer !== null && one.why === null && answer.instance < instance;
    return {
      ...common,
      verdict: behind ? 'behind' : 'no-answer',
      instance: answer?.instance ?? null,
      entries: null,
      checksum: null,
      log: null,
      rotten: null,
      files: null,
      detail: one.why ?? whyNot(answer, instance),
    };
  }
  const differs = judgement.kind === 'fork' || (judgement.kind === 'differ' && judgement.odd.includes(name));
  return {
    ...common,
    verdict: differs ? 'differs' : 'agrees',
    instance: check.instance,
    entries: check.entries,
    checksum: check.database,
    log: check.log,
    rotten: check.rotten.count,
    files: check.files,
    detail: detailOf(check),
  };
}

function whyNot(answer: ChecksumDocument | null, instance: number): string {
  if (answer === null) return 'was not asked';
  if (answer.instance < instance) return `has applied ${answer.instance} and is ${instance - answer.instance} behind`;
  if (answer.state === 'running') return 'was still checking when the time was up';
  return 'came past that instance without a check: by a snapshot, or it has just started';
}

function detailOf(check: NonNullable<ChecksumDocument['check']>): string | null {
  const [bad] = check.files ?? [];
  if (bad !== undefined) return `${bad.file} is damaged: ${bad.problem}`;
  if (check.rotten.count > 0) return `${check.rotten.count} entries changed in memory since they were written`;
  return check.kept === check.database ? null : 'its running sum is not that of what it stores';
}

/** Every odd one against a member that holds the right database, or the largest group where nothing decides. */
async function differencesOf(
  judgement: Judgement,
  asked: readonly Asked[],
  options: { readonly instance: number; readonly values: boolean },
): Promise<{ readonly differences: readonly Difference[]; readonly cut: boolean }> {
  const checked = asked.filter((one) => checkOf(one) !== null);
  if (judgement.kind !== 'differ') return { differences: [], cut: false };
  const right = judgement.right ?? mostCommon(checked.map((one) => checkOf(one)?.database ?? ''));
  const sound = checked.find((one) => checkOf(one)?.database === right);
  const odd = checked.filter((one) => checkOf(one)?.database !== right);
  return sound === undefined ? { differences: [], cut: false } : narrow(sound, odd, options);
}

function mostCommon(digests: readonly string[]): string {
  const count = (digest: string): number => digests.filter((other) => other === digest).length;
  return [...digests].sort((a, b) => count(b) - count(a))[0] ?? '';
}
