/** The world of an upgrade as it is: a cell over HTTP, and the operator's way to restart its members. */
import { access, mkdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PaxosClient } from '../../client/client.ts';
import { CheckIncompleteError, RefusedError, UnreachableError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { LevelRange } from '../../formats/levels.ts';
import type { AttemptScanDocument, ScanVerdictDocument, UpgradeStateDocument } from '../../formats/upgrade-body.ts';
import { survey } from '../cell-status.ts';
import type { CellFlags } from '../connect.ts';
import { getJson } from '../replica-http.ts';
import { type SaveOptions, saveSnapshot } from '../snapshot-save.ts';
import { verifyChecksums } from '../verify-checksums.ts';
import { doctorFindings } from './doctor-findings.ts';
import type { Attempt, MemberProgress } from './journal.ts';
import { filledIn, runCommand } from './restart-command.ts';
import { type Seen, seenIn } from './seen.ts';
import { type Asked, type ScanAsker, verifiedScan } from './verified-scan.ts';
import type { RestartRequest, UpgradeWorld } from './world.ts';

export interface CellWorldOptions {
  readonly client: PaxosClient;
  readonly flags: CellFlags;
  readonly backupDir: string;
  /** Reads a saved snapshot whole. */
  readonly verifySnapshot: SaveOptions['verify'];
  /** The built-in restart of a local cell; null with COMMAND or by hand. */
  readonly local: ((member: MemberProgress, version: string) => Promise<string>) | null;
  /** By hand: tells the operator what to restart. */
  readonly onManual: (request: RestartRequest) => void;
}

const lookMsMax = 2_000;

export function cellWorld(options: CellWorldOptions): UpgradeWorld {
  const { client, flags } = options;
  // Members that move on their addresses are found through the others.
  let endpoints = [...flags.endpoints];
  const timeoutMs = flags.timeout;
  const tell = async (
    url: string,
    method: 'GET' | 'POST' | 'DELETE',
    where: string,
    body?: object,
  ): Promise<AttemptScanDocument> => {
    const request = { method, path: where, ...(body === undefined ? {} : { body }) };
    return (await client.tell(url, request, { timeoutMs })) as AttemptScanDocument;
  };
  const ask: ScanAsker = {
    scan: (url, nonce) => tell(url, 'GET', `/v1/upgrade/attempts?nonce=${nonce}`),
    verdict: async (url, scan) =>
      (await client.tell(
        url,
        { method: 'POST', path: '/v1/upgrade/scans', body: scan },
        { timeoutMs: Math.min(timeoutMs, lookMsMax) },
      )) as ScanVerdictDocument,
  };
  let members: readonly Asked[] = [];
  const scan = (url: string) => verifiedScan(ask, url, members);
  return {
    see: async (known) => {
      try {
        const asked = await survey(endpoints, Math.min(timeoutMs, lookMsMax));
        const seen = { ...seenIn(asked), doctor: doctorFindings(asked) };
        members = seen.members.map(({ member }) => member);
        endpoints = [...new Set([...endpoints, ...seen.members.map(({ member }) => member.url.replace(/\/$/, ''))])];
        return seen.members.length > 0 ? seen : nobody(known);
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
        return nobody(known, error.message);
      }
    },
    readState: () => client.upgradeState({ timeoutMs }),
    write: async (body) => (await client.writeUpgrade(body, { timeoutMs })).succeeded,
    backup: (attempt) => backup(options, attempt),
    begin: (member, manifest) => tell(member.url, 'POST', '/v1/upgrade/attempts', manifest),
    scan: (member) => scan(member.url),
    clear: async (member, attempt) => {
      await tell(member.url, 'DELETE', `/v1/upgrade/attempts/${encodeURIComponent(attempt)}`);
      return scan(member.url);
    },
    restart: (request) => restart(options, request),
    rehearse: (request) => rehearse(request),
    levelsOf: async (request) => levelsIn(await rehearsed(request)),
    transfer: async (to) => {
      await client.transfer({ to }, { timeoutMs });
    },
    verify: async () => {
      const checked = await verifyChecksums({ endpoints, timeout: timeoutMs }, { deep: false, values: false });
      const { instance, members, verdict } = checked;
      const others = members.filter((it) => it.verdict !== 'agrees');
      const agreeing = members.filter((it) => it.verdict === 'agrees').map(({ name }) => name);
      const rows = others.map(
        ({ name, verdict: said, detail }) => `${name} ${said}${detail === null ? '' : ` (${detail})`}`,
      );
      if (verdict === 'agree') return { verdict, agreeing, detail: `all agree at instance ${instance}` };
      return { verdict, agreeing, detail: `at instance ${instance}: ${rows.join(', ')}` };
    },
    nowMs: () => performance.now(),
    at: () => new Date().toISOString(),
    sleep: (ms) => sleep(ms),
    every: (ms, callback) => {
      const timer = setInterval(callback, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}

/** Nobody answers: the members are those of the journal. */
function nobody(known: Parameters<UpgradeWorld['see']>[0], why = 'nobody answers'): Seen {
  const members = known.map(({ name, url, incarnation, voting }) => ({
    member: { name, url, incarnation, voting, role: voting ? 'voter' : 'learner' },
    status: null as ReplicaStatusDocument | null,
    why,
  }));
  return { members, master: null, epoch: 0, applied: 0, cell: { id: null, name: '', generation: 0 } };
}

async function backup({ backupDir, flags, verifySnapshot }: CellWorldOptions, attempt: Attempt) {
  await mkdir(backupDir, { recursive: true, mode: 0o700 });
  const file = await unused(path.join(backupDir, `${attempt.attempt}-from-${attempt.from}`));
  const options = { file, member: undefined, overwrite: false, onProgress: () => undefined, verify: verifySnapshot };
  const at = new Date().toISOString();
  const { snapshots } = await saveSnapshot(flags, options);
  const [saved] = snapshots;
  if (saved === undefined) throw new RefusedError('No member gave a snapshot for the backup.');
  const { bytes, digest, instance } = saved;
  return { file, host: os.hostname(), at, instance, bytes, digest };
}

/** The first one of an attempt may be all that there is from before it: a later one never takes its place. */
async function unused(name: string): Promise<string> {
  for (let number = 1; ; number++) {
    const file = `${name}${number === 1 ? '' : `-${number}`}.snapshot`;
    try {
      await access(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return file;
    }
  }
}

async function restart({ local, onManual }: CellWorldOptions, request: RestartRequest): Promise<string> {
  const { attempt, member, timeoutMs, version } = request;
  if (attempt.how === 'manual') {
    onManual(request);
    return `it was left to you to restart ${member.name} with version ${version}`;
  }
  if (attempt.how === 'local' && local !== null) return local(member, version);
  if (attempt.exec === null) throw new RefusedError('The journal has no COMMAND: give --exec.');
  return (await runCommand(filledIn(attempt.exec, request), timeoutMs)).text;
}

/** What the target's own `node rehearse --json` prints counts, and not how COMMAND ends. */
export async function rehearse(request: RestartRequest): Promise<string> {
  const said = await rehearsed(request);
  // Each member records a point when the attempt begins there.
  if (!((said.points ?? 0) > 0)) throw new CheckIncompleteError('no recorded point was met, so nothing was compared');
  const mark = request.attempt.mark?.instance ?? 0;
  if (!((said.instance ?? 0) >= mark)) {
    const found = `the data ends at instance ${said.instance}, the cell was at ${mark}`;
    throw new CheckIncompleteError(`${found}: an older copy was rehearsed`);
  }
  return `instances ${said.from} to ${said.instance}, ${said.points} recorded points came out again`;
}

async function rehearsed(request: RestartRequest): Promise<RehearseDocument> {
  const { attempt, member, timeoutMs, version } = request;
  const { stdout, text } = await runCommand(filledIn(attempt.rehearse ?? '', request), timeoutMs);
  const said = documentIn(stdout);
  if (said === null) throw new CheckIncompleteError(`it printed no document of "node rehearse --json" (${text})`);
  if (said.ok !== true) throw new Error(`version ${version} refuses: ${said.error?.message ?? text}`);
  if (said.version !== version) {
    throw new CheckIncompleteError(`version ${said.version} rehearsed instead of ${version}`);
  }
  if (said.member !== `${member.name}#${member.incarnation}`) {
    throw new CheckIncompleteError(`the data of ${said.member} was rehearsed`);
  }
  return said;
}

function levelsIn({ levels }: RehearseDocument): LevelRange {
  const { min, max } = levels ?? {};
  if (min === undefined || max === undefined) throw new Error('it did not say which levels it speaks');
  return { min, max };
}

interface RehearseDocument {
  readonly ok?: boolean;
  readonly version?: string;
  readonly member?: string;
  readonly from?: number;
  readonly instance?: number;
  readonly points?: number;
  readonly levels?: Partial<LevelRange>;
  readonly error?: { readonly message?: string };
}

function documentIn(text: string): RehearseDocument | null {
  const from = text.indexOf('{');
  try {
    return from < 0 ? null : (JSON.parse(text.slice(from)) as RehearseDocument);
  } catch {
    return null;
  }
}

/**
 * The journal as the furthest of the replicas that answer has it, for when nobody is master: it may be older than the last word. The
 * first that answers may be the one that was cut off an upgrade ago.
 */
export async function staleJournal(endpoints: readonly string[], timeoutMs: number): Promise<UpgradeStateDocument> {
  const { answers } = await survey([...endpoints], timeoutMs);
  const urls = new Set([...endpoints, ...answers.map(({ url }) => url)]);
  const asked = await Promise.allSettled(
    [...urls].map((url) => getJson(`${url}/v1/upgrade?consistency=stale`, timeoutMs) as Promise<UpgradeStateDocument>),
  );
  const told = asked.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
  const [furthest] = told.sort((a, b) => b.instance - a.instance);
  if (furthest !== undefined) return furthest;
  const [first] = asked.flatMap((it) => (it.status === 'rejected' ? [String(it.reason)] : []));
  throw new UnreachableError(`No replica tells its journal: ${first ?? 'nobody answers'}.`);
}
