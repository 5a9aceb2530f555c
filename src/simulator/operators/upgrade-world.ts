/**
 * The world of an upgrade's driver above a simulated cell: what `cell-world` does over HTTP, over connections that lose requests and
 * answers, from a desk that can be killed at any call (design §6; pitfalls U1 to U5, O11).
 *
 * Driver, judge, preflight, claim and journal are those of `src/operator/upgrade`; what a member says and how the master carries a
 * write out is what stands behind the routes.
 */
import { levelOf } from '../../core/database/system-entry.ts';
import { CheckIncompleteError } from '../../errors/index.ts';
import { levelKey, raiseKey } from '../../formats/levels.ts';
import type { AttemptScanDocument, UpgradeStateDocument } from '../../formats/upgrade-body.ts';
import { type Seen, seenIn } from '../../operator/upgrade/seen.ts';
import { type Asked, verifiedScan } from '../../operator/upgrade/verified-scan.ts';
import type { RestartRequest, UpgradeWorld } from '../../operator/upgrade/world.ts';
import type { UpgradeService, WriteOutcome } from '../../runtime/http/service.ts';
import { upgradeCommandOf, upgradeStateOf } from '../../runtime/http/upgrade-routes.ts';
import { opens } from '../../runtime/open-upgrade.ts';
import type { DatabaseService } from '../../runtime/replica-service.ts';
import { programNamed } from '../program.ts';
import type { Scheduler } from '../virtual-clock.ts';
import type { Answer, Desk } from './desk.ts';

export interface SimulatedUpgradeOptions {
  readonly scheduler: Scheduler;
  readonly desk: Desk;
  /** Drawn: a nonce of a scan. */
  readonly nonce: () => string;
  readonly restart: (request: RestartRequest) => Promise<string>;
  /** The master lets that level come, having asked all members. */
  readonly onRaise?: (master: DatabaseService, levels: readonly number[]) => void;
  /** An attempt was opened by what was chosen there. */
  readonly onOpened?: (instance: number) => void;
}

/** Between looks whether a check has been finished, and how long one is waited for. */
const checkPollMs = 50;
const checkMsMax = 5_000;

export function simulatedUpgradeWorld(options: SimulatedUpgradeOptions): UpgradeWorld {
  const { desk, scheduler } = options;
  let members: readonly Asked[] = [];
  const tell = async (
    url: string,
    ask: (upgrade: UpgradeService) => Promise<AttemptScanDocument>,
  ): Promise<AttemptScanDocument> => {
    const told = await desk.at(url, async (service) => {
      const upgrade = service.upgrade();
      return upgrade === null ? null : ask(upgrade);
    });
    if (told === null) throw new CheckIncompleteError(`${url} does not answer.`, {});
    return told;
  };
  const asker = {
    scan: (url: string, nonce: string) => tell(url, (upgrade) => upgrade.scan(nonce)),
    verdict: async (url: string, scan: AttemptScanDocument) => {
      const verdict = await desk.at(url, async (service) => service.upgrade()?.verify(scan) ?? null);
      if (verdict === null) throw new CheckIncompleteError(`${url} does not answer.`, {});
      return verdict;
    },
  };
  const scan = (url: string) => verifiedScan(asker, url, members, options.nonce);
  return {
    see: async (known) => {
      const answers = await desk.statuses();
      const asked = answers.map(({ url, status }) => ({
        ...{ url, status, why: status === null ? 'no answer' : null },
        at: { wallMs: 0, tookMs: 0 },
      }));
      const seen = seenIn({ answers: asked, endpoints: [] });
      members = seen.members.map(({ member }) => member);
      return seen.members.length > 0 ? seen : nobody(known);
    },
    readState: () =>
      desk.ofMaster(async (service): Promise<Answer<UpgradeStateDocument>> => {
        const upgrade = service.upgrade();
        return upgrade === null ? { kind: 'no-master' } : { kind: 'done', done: upgradeStateOf(upgrade) };
      }),
    write: (body) =>
      desk.ofMaster(async (service): Promise<Answer<boolean>> => {
        const upgrade = service.upgrade();
        if (upgrade === null) return { kind: 'no-master' };
        const command = upgradeCommandOf(body, upgrade.system().cellTimeMs, null);
        const why = await upgrade.levelProblem(command);
        if (why !== null) return { kind: 'refused', code: 'PAXOS_LEVEL_REFUSED', message: why };
        const levels = command.writes.flatMap(({ key, value }) =>
          (key === levelKey || key === raiseKey) && value !== null ? [levelOf(value)] : [],
        );
        if (levels.length > 0) options.onRaise?.(service, levels);
        const opened = opens(command, upgrade.system().entries);
        const outcome = await submitted(scheduler, service, command);
        if (outcome.kind !== 'result') return movedOf(outcome);
        const { instance, result } = outcome;
        if (opened !== null && result.kind === 'system' && result.succeeded) options.onOpened?.(instance);
        return result.kind === 'system'
          ? { kind: 'done', done: result.succeeded }
          : { kind: 'refused', code: 'PAXOS_REFUSED', message: `a system write had the result ${result.kind}` };
      }),
    backup: async (attempt) => {
      const { instances } = await firstStatus(desk);
      const file = `${attempt.attempt}.snapshot`;
      return { file, host: '', at: attempt.startedAt, instance: instances.applied, bytes: 1, digest: '' };
    },
    begin: (member, manifest) =>
      tell(member.url, async (upgrade) => {
        await upgrade.begin(manifest);
        return upgrade.scan('');
      }),
    scan: (member) => scan(member.url),
    clear: async (member, attempt) => {
      await tell(member.url, async (upgrade) => {
        await upgrade.clear(attempt);
        return upgrade.scan('');
      });
      return scan(member.url);
    },
    restart: (request) => options.restart(request),
    rehearse: async () => 'not simulated',
    levelsOf: async ({ version }) => programNamed(version).levels,
    transfer: async (to) => void (await desk.transfer(to)),
    verify: () => verified(desk, scheduler),
    nowMs: () => desk.nowMs(),
    at: () => new Date(Date.UTC(2024, 0, 1) + Math.round(scheduler.nowMs)).toISOString(),
    sleep: (ms) => desk.pause(ms),
    every: (ms, callback) => {
      let over = false;
      const again = (): void => {
        scheduler.after(ms, () => {
          if (over || desk.dead) return;
          callback();
          again();
        });
      };
      again();
      return () => {
        over = true;
      };
    },
  };
}

function nobody(known: Parameters<UpgradeWorld['see']>[0]): Seen {
  const members = known.map(({ name, url, incarnation, voting }) => ({
    member: { name, url, incarnation, voting, role: voting ? ('voter' as const) : ('learner' as const) },
    status: null,
    why: 'nobody answers',
  }));
  return { members, master: null, epoch: 0, applied: 0, cell: { id: null, name: '', generation: 0 } };
}

async function firstStatus(desk: Desk) {
  const master = await desk.master();
  if (master === null) throw new CheckIncompleteError('Nobody is master.', {});
  return master;
}

const submitted = (
  scheduler: Scheduler,
  service: DatabaseService,
  command: Parameters<DatabaseService['submit']>[0],
): Promise<WriteOutcome> =>
  new Promise((resolve) => {
    service.submit(command, (outcome) => {
      scheduler.settle();
      resolve(outcome);
    });
  });

function movedOf(outcome: Exclude<WriteOutcome, { kind: 'result' }>): Answer<never> {
  if (outcome.kind === 'unknown') return { kind: 'unknown' };
  return outcome.redirect === null ? { kind: 'no-master' } : { kind: 'redirect', name: outcome.redirect.name };
}

/** As `verify checksums`: an instance is named through the log, and every member says what it holds there. */
async function verified(desk: Desk, scheduler: Scheduler): ReturnType<UpgradeWorld['verify']> {
  const instance = await desk.ofMaster(async (service): Promise<Answer<number>> => {
    const outcome = await submitted(scheduler, service, { kind: 'checksum', deep: false });
    return outcome.kind === 'result' ? { kind: 'done', done: outcome.instance } : movedOf(outcome);
  });
  const master = await firstStatus(desk);
  const deadline = desk.nowMs() + checkMsMax;
  const found = new Map<string, string>();
  for (;;) {
    for (const { name, url } of master.members) {
      if (found.has(name)) continue;
      const check = await desk.at(url, async (service) => service.checks().at(instance));
      if (check !== null) found.set(name, `${check.logChain} ${check.checksum}`);
    }
    if (found.size === master.members.length) break;
    if (desk.nowMs() >= deadline) {
      const silent = master.members.filter(({ name }) => !found.has(name)).map(({ name }) => name);
      const agreeing = new Set(found.values()).size === 1 ? [...found.keys()] : [];
      return { verdict: 'incomplete', agreeing, detail: `${silent.join(', ')} did not say at instance ${instance}` };
    }
    await desk.pause(checkPollMs);
  }
  const different = new Set(found.values()).size > 1;
  if (different) return { verdict: 'differ', agreeing: [], detail: `databases differ at instance ${instance}` };
  return { verdict: 'agree', agreeing: [...found.keys()], detail: `all agree at instance ${instance}` };
}
