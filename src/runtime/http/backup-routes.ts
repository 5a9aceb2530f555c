/** The cell's own backups: the schedule, and what the cell knows of backups (contract §1 `snapshot schedule`, `snapshot rehearse`). */
import { catalogued } from '../../errors/catalogue.ts';
import type { BackupChangeBody } from '../../formats/backup-body.ts';
import { readJson } from './body-reader.ts';
import { backupSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import type { Route } from './route.ts';
import type { BackupService } from './service.ts';

function withBackups(exchange: Exchange, use: (backups: BackupService) => void): void {
  const backups = exchange.service.backups?.() ?? null;
  if (backups === null) exchange.problem('PAXOS_NOT_SERVING', 'This replica has no database yet.');
  else use(backups);
}

function change(exchange: Exchange, backups: BackupService, body: BackupChangeBody): void {
  exchange.proposed();
  backups.change(body).then(
    (changed) => {
      exchange.settled();
      if (changed.kind === 'done') return exchange.json(changed.document);
      if (changed.kind === 'unknown') {
        return exchange.problem('PAXOS_OUTCOME_UNKNOWN', 'Mastership was lost while it was recorded.');
      }
      const { code, message } = changed;
      exchange.problem(code, message, { outcome: 'none', status: catalogued(code).status ?? 409 });
    },
    (error: unknown) => {
      exchange.settled();
      exchange.problem('PAXOS_INTERNAL', 'The change failed in an unexpected way.');
      throw error;
    },
  );
}

export const backupRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/backups',
    operation: 'backups',
    summary:
      'What the cell knows of its backups, as far as this replica has applied it, and the directory as it sees it.',
    answer: '{"schedule","scheduled","saved","rehearsed","cellTimeMs","here","running","failed":[…]}.',
    problems: ['PAXOS_NOT_SERVING'],
    handle: (exchange) => withBackups(exchange, (backups) => exchange.json(backups.document())),
  },
  {
    method: 'POST',
    path: '/v1/backups',
    operation: 'changeBackups',
    summary: 'Sets or ends the schedule of backups, or tells the cell of one that was saved or rehearsed.',
    body: { json: backupSchema },
    answer: 'As GET, with "changed" and "dryRun".',
    problems: ['PAXOS_NOT_SERVING', 'PAXOS_MEMBER_UNKNOWN', 'PAXOS_REFUSED'],
    handle: (exchange) =>
      readJson(exchange, backupSchema, {}, (body) =>
        onMasterSince(exchange, () => withBackups(exchange, (backups) => change(exchange, backups, body))),
      ),
  },
];
