/** What this replica says of itself and of the cell. Served in every role, without lease and without waiting. */
import { catalogued } from '../../errors/catalogue.ts';
import { readJson } from './body-reader.ts';
import { drainSchema, transferSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import { membersDocument } from './member-routes.ts';
import type { Route } from './route.ts';
import type { ReplicaStatus } from './service.ts';

const hundredths = (n: number): number => Math.round(n * 100) / 100;

/** Measured times to a hundredth: what stands behind that is noise of the representation. */
const statusDocument = (status: ReplicaStatus): ReplicaStatus => ({
  ...status,
  load: {
    ...status.load,
    eventLoopLagMsP99: hundredths(status.load.eventLoopLagMsP99),
    flushMsP50: hundredths(status.load.flushMsP50),
    flushMsP99: hundredths(status.load.flushMsP99),
  },
});

function cell(exchange: Exchange): void {
  const status = exchange.service.status();
  const { members, quorum, tolerates } = membersDocument(status);
  const { id, name, generation } = status.cell;
  exchange.json({
    cell: { id, name, generation, level: status.level, master: status.master, epoch: status.epoch, quorum, tolerates },
    seenBy: status.name,
    members,
  });
}

function transfer(exchange: Exchange): void {
  readJson(exchange, transferSchema, { optional: true }, (body) => {
    onMasterSince(exchange, () => {
      const dryRun = body.dryRun ?? false;
      exchange.proposed();
      exchange.service.transfer(body.to ?? null, dryRun).then(
        (result) => {
          exchange.settled();
          if (result.kind === 'refused') refused(exchange, result.code, result.message);
          else exchange.json({ from: result.from, to: result.to, epoch: result.epoch, dryRun });
        },
        (error: unknown) => {
          exchange.settled();
          exchange.problem('PAXOS_INTERNAL', 'The transfer failed in an unexpected way.');
          throw error;
        },
      );
    });
  });
}

function drain(exchange: Exchange): void {
  readJson(exchange, drainSchema, { optional: false }, (body) => {
    onMasterSince(exchange, () => {
      const dryRun = body.dryRun ?? false;
      exchange.proposed();
      exchange.service.drainMember({ member: body.member, forMs: body.forMs, dryRun }).then(
        (result) => {
          exchange.settled();
          if (result.kind === 'refused') refused(exchange, result.code, result.message);
          else if (result.kind === 'unknown') {
            exchange.problem('PAXOS_OUTCOME_UNKNOWN', 'Mastership was lost while the drain was recorded.');
          } else exchange.json({ ...result.drained, dryRun });
        },
        (error: unknown) => {
          exchange.settled();
          exchange.problem('PAXOS_INTERNAL', 'The drain failed in an unexpected way.');
          throw error;
        },
      );
    });
  });
}

function refused(exchange: Exchange, code: string, message: string): void {
  exchange.problem(code, message, { outcome: 'none', status: catalogued(code).status ?? 409 });
}

export const statusRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/status',
    operation: 'status',
    summary: 'This replica: role, lease, position, load, members as it knows them.',
    answer: 'The status document of this replica.',
    handle: (exchange) => exchange.json(statusDocument(exchange.service.status())),
  },
  {
    method: 'GET',
    path: '/v1/cell',
    operation: 'cell',
    summary: 'The cell as this replica sees it; `paxosctl status` asks every member instead.',
    answer: '{"cell":{…},"seenBy","members":[…]}.',
    handle: cell,
  },
  {
    method: 'POST',
    path: '/v1/master/transfer',
    operation: 'transferMaster',
    summary: 'Hands mastership to another voter without a gap; answers when that one serves.',
    body: { json: transferSchema, optional: true },
    answer: '{"from","to","epoch","dryRun"}.',
    problems: ['PAXOS_NO_SUCCESSOR', 'PAXOS_ALREADY_MASTER', 'PAXOS_MEMBER_UNKNOWN', 'PAXOS_MEMBER_DRAINED'],
    handle: transfer,
  },
  {
    method: 'POST',
    path: '/v1/drain',
    operation: 'drain',
    summary:
      'Keeps mastership away from a member for a while, and hands it over when the member has it; ends by itself.',
    body: { json: drainSchema },
    answer: '{"member","until","handedTo","warning","epoch","changed","dryRun"}.',
    problems: ['PAXOS_NO_SUCCESSOR', 'PAXOS_MEMBER_UNKNOWN'],
    handle: drain,
  },
];
