/** The journal of upgrades, kept in the cell itself, and what attempts have on this member (design §6). */
import type { Epoch } from '../../core/consensus/identity.ts';
import { touchesLevel } from '../../core/database/level-rule.ts';
import { levelKey, type SystemCommand } from '../../core/database/system-entry.ts';
import { catalogued } from '../../errors/catalogue.ts';
import { validateCommand } from '../../formats/command.ts';
import { levelRefusalText } from '../../formats/levels.ts';
import type { UpgradeStateDocument, UpgradeWriteBody, UpgradeWriteDocument } from '../../formats/upgrade-body.ts';
import { claimRenewedKey, upgradeKeyPrefix } from '../../formats/upgrade-body.ts';
import { readBody, readJson } from './body-reader.ts';
import { attemptSchema, scanSchema, upgradeSchema } from './body-schemas.ts';
import { epochFrom } from './conditions.ts';
import type { Exchange } from './exchange.ts';
import { onAnyReplica, onMasterSince } from './gate.ts';
import { journalProblem } from './journal-schema.ts';
import { consistencyParameter } from './kv-routes.ts';
import { propose } from './propose.ts';
import { isFault } from './query.ts';
import type { Route } from './route.ts';
import type { UpgradeService } from './service.ts';

const isOurs = (key: string): boolean => key.startsWith(upgradeKeyPrefix) || key === levelKey;

function withUpgrade(exchange: Exchange, use: (upgrade: UpgradeService) => void): void {
  const upgrade = exchange.service.upgrade();
  if (upgrade === null) exchange.problem('PAXOS_NOT_SERVING', 'This replica has no database yet.');
  else use(upgrade);
}

function state(exchange: Exchange): void {
  const consistency = exchange.query.get('consistency') ?? 'linearizable';
  if (consistency !== 'linearizable' && consistency !== 'stale') {
    return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "consistency" is "linearizable" or "stale".');
  }
  const gate = consistency === 'stale' ? onAnyReplica : onMasterSince;
  gate(exchange, () => withUpgrade(exchange, (upgrade) => exchange.json(upgradeStateOf(upgrade))));
}

/** The document of `GET /v1/upgrade`. */
export function upgradeStateOf(upgrade: UpgradeService): UpgradeStateDocument {
  const { level, epoch, cellTimeMs, instance, entries } = upgrade.system();
  return {
    level,
    epoch,
    cellTimeMs,
    instance,
    entries: [...entries]
      .filter(([key]) => isOurs(key))
      .map(([key, { instance, value }]) => ({ key, instance, value: Buffer.from(value).toString('utf8') })),
  };
}

/** What a request to change the journal proposes, at a master whose cell time it is. */
export function upgradeCommandOf(body: UpgradeWriteBody, cellTimeMs: number, ifEpoch: Epoch | null): SystemCommand {
  const writes = (body.writes ?? []).map(({ key, value }) => ({
    key,
    value: value === null ? null : Buffer.from(value, 'utf8'),
  }));
  // By the master's own clock, so that no driver's can lengthen or shorten a claim.
  if (body.renew === true) writes.push({ key: claimRenewedKey, value: Buffer.from(String(cellTimeMs)) });
  return { kind: 'system', guard: body.guard ?? [], writes, ifEpoch };
}

function write(exchange: Exchange): void {
  readJson(exchange, upgradeSchema, {}, (body) => {
    const ifEpoch = epochFrom(exchange.headers);
    if (isFault(ifEpoch)) return exchange.fault(ifEpoch);
    const foreign = [...(body.guard ?? []), ...(body.writes ?? [])].find(({ key }) => !isOurs(key));
    if (foreign !== undefined) {
      return exchange.problem('PAXOS_KEY_RESERVED', 'Only the level and the journal of upgrades are written here.');
    }
    const wrong = (body.writes ?? []).map(({ key, value }) => journalProblem(key, value)).find((it) => it !== null);
    if (wrong !== undefined) return exchange.problem('PAXOS_SYSTEM_ENTRY_INVALID', wrong);
    onMasterSince(exchange, () => withUpgrade(exchange, (upgrade) => proposeWrite(exchange, upgrade, body)));
  });
}

function proposeWrite(exchange: Exchange, upgrade: UpgradeService, body: UpgradeWriteBody): void {
  const ifEpoch = epochFrom(exchange.headers);
  const command = upgradeCommandOf(body, upgrade.system().cellTimeMs, isFault(ifEpoch) ? null : ifEpoch);
  const problem = validateCommand(command)[0];
  if (problem !== undefined) return exchange.problem(problem.code, problem.message);
  if (!touchesLevel(command)) return proposeChecked(exchange, command);
  if (!exchange.hold()) return;
  upgrade.levelProblem(command).then(
    (why) => (why === null ? proposeChecked(exchange, command) : exchange.problem('PAXOS_LEVEL_REFUSED', why)),
    (error: unknown) => exchange.problem('PAXOS_INTERNAL', error instanceof Error ? error.message : String(error)),
  );
}

function proposeChecked(exchange: Exchange, command: SystemCommand): void {
  // Answered while members were asked: its time was up.
  if (exchange.answered) return;
  propose(exchange, command, (result) => {
    if (result.kind !== 'system') return exchange.problem('PAXOS_INTERNAL', 'A system write had another result.');
    const { succeeded, guard, instance, epoch, refused } = result;
    if (refused !== null) {
      const { level } = exchange.service.upgrade()?.system() ?? { level: 0 };
      return exchange.problem('PAXOS_LEVEL_REFUSED', levelRefusalText(refused, level), { facts: { instance } });
    }
    const document: UpgradeWriteDocument = { succeeded, guard, instance, epoch };
    exchange.json(document);
  });
}

/** Free text would let whoever asks have anything signed. */
const noncePattern = /^[0-9a-f]{0,64}$/;

function withAttempts(exchange: Exchange, change: (upgrade: UpgradeService) => Promise<void>): void {
  if (!noncePattern.test(exchange.query.get('nonce') ?? '')) {
    return exchange.problem('PAXOS_BAD_QUERY', 'Query parameter "nonce" has up to 64 hexadecimal digits.');
  }
  withUpgrade(exchange, (upgrade) => {
    change(upgrade)
      .then(() => upgrade.scan(exchange.query.get('nonce') ?? ''))
      .then(
        (document) => exchange.json(document),
        (error: unknown) => {
          const message = error instanceof Error ? error.message : String(error);
          exchange.problem('PAXOS_REFUSED', message, { status: catalogued('PAXOS_REFUSED').status ?? 409 });
        },
      );
  });
}

export const upgradeRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/upgrade',
    operation: 'upgradeState',
    summary: 'The level of the cell and its journal of upgrades.',
    query: { consistency: consistencyParameter },
    answer: '{"level","epoch","cellTimeMs","instance","entries":[{"key","instance","value"}]}.',
    problems: ['PAXOS_NOT_SERVING'],
    handle: state,
  },
  {
    method: 'POST',
    path: '/v1/upgrade',
    operation: 'writeUpgrade',
    summary: 'Changes the journal, or the level, on condition that nobody else has.',
    body: { json: upgradeSchema },
    headers: { 'Paxos-Epoch': 'Fails unless the master has been master without a break since this epoch.' },
    answer: '{"succeeded","guard":[…],"instance","epoch"}.',
    problems: [
      'PAXOS_SYSTEM_ENTRY_INVALID',
      'PAXOS_KEY_RESERVED',
      'PAXOS_EPOCH_CHANGED',
      'PAXOS_LEVEL_REFUSED',
      'PAXOS_LEVEL_TOO_LOW',
      'PAXOS_MEMBERSHIP_CHANGING',
    ],
    handle: write,
  },
  {
    method: 'GET',
    path: '/v1/upgrade/attempts',
    operation: 'scanAttempts',
    summary: 'What attempts of upgrades have on this member, signed by it.',
    query: { nonce: { type: 'string', description: 'Up to 64 hexadecimal digits that are signed too.' } },
    answer: '{"member","incarnation","boot","version","instance","at","folders":[…],"nonce","signature"}.',
    problems: ['PAXOS_NOT_SERVING', 'PAXOS_REFUSED'],
    handle: (exchange) => withAttempts(exchange, async () => undefined),
  },
  {
    method: 'POST',
    path: '/v1/upgrade/scans',
    operation: 'verifyScan',
    summary: 'Whether a member of this cell signed the scan as it is. Any member can tell.',
    body: { json: scanSchema },
    answer: '{"valid","by"}.',
    problems: ['PAXOS_NOT_SERVING'],
    handle: (exchange) =>
      readJson(exchange, scanSchema, {}, (body) =>
        withUpgrade(exchange, (upgrade) => exchange.json(upgrade.verify(body))),
      ),
  },
  {
    method: 'POST',
    path: '/v1/upgrade/attempts',
    operation: 'beginAttempt',
    summary: 'Makes the folder of an attempt on this member.',
    body: { json: attemptSchema },
    answer: 'As the scan.',
    problems: ['PAXOS_NOT_SERVING', 'PAXOS_REFUSED'],
    handle: (exchange) =>
      readJson(exchange, attemptSchema, {}, (body) => withAttempts(exchange, (upgrade) => upgrade.begin(body))),
  },
  {
    method: 'DELETE',
    path: '/v1/upgrade/attempts/{id}',
    operation: 'clearAttempt',
    summary: 'Deletes everything that an attempt has on this member.',
    answer: 'As the scan: what is left.',
    problems: ['PAXOS_NOT_SERVING', 'PAXOS_REFUSED'],
    handle: (exchange) =>
      readBody(exchange, 0, () => withAttempts(exchange, (upgrade) => upgrade.clear(exchange.parameter))),
  },
];
