/** A member's part in making a new generation (design §3 "Generations"); `paxosctl recover` drives it. Served in every role. */
import { OperatorError } from '../../errors/operator-error.ts';
import { readJson } from './body-reader.ts';
import { recoverSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import type { Route } from './route.ts';
import { sendFile } from './snapshot-routes.ts';

function report(exchange: Exchange): void {
  const recovery = exchange.service.recovery();
  if (recovery === null) return notServing(exchange);
  if (!exchange.hold()) return;
  recovery.wholeReport().then(
    (document) => exchange.json(document),
    (error: unknown) => exchange.problem('PAXOS_INTERNAL', `It cannot be told: ${String(error)}.`),
  );
}

function state(exchange: Exchange): void {
  const recovery = exchange.service.recovery();
  if (recovery === null) return notServing(exchange);
  recovery
    .openReady(exchange.parameter)
    .then(async (opened) => {
      if (opened === null) {
        return exchange.problem('PAXOS_NOT_FOUND', 'This member is not ready with a state of that digest.');
      }
      const { instance, digest, file } = opened;
      await sendFile(exchange, { instance, digest }, file);
    })
    .catch((error: unknown) => exchange.problem('PAXOS_INTERNAL', `The state cannot be read: ${String(error)}.`));
}

function carryOut(exchange: Exchange): void {
  readJson(exchange, recoverSchema, {}, (body) => {
    const recovery = exchange.service.recovery();
    if (recovery === null) return notServing(exchange);
    if (!exchange.hold()) return;
    recovery.handle(body).then(
      (answer) => exchange.json(answer),
      (error: unknown) => {
        if (error instanceof OperatorError) exchange.problem(error.code, error.message, { facts: error.facts });
        else exchange.problem('PAXOS_INTERNAL', `The step failed: ${error instanceof Error ? error.message : error}.`);
      },
    );
  });
}

const notServing = (exchange: Exchange): void =>
  exchange.problem('PAXOS_NOT_SERVING', 'This replica is opening its data directory.', { retryAfterMs: 500 });

export const recoverRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/v1/recover',
    operation: 'recoverReport',
    summary: 'What this member knows that a new generation of the cell depends on.',
    answer: 'Its history, what it has accepted beyond, its members, and how far an attempt is.',
    handle: report,
  },
  {
    method: 'GET',
    path: '/v1/recover/state/{digest}',
    operation: 'recoverState',
    summary: 'The first state of the generation that this member is ready for, which others may have begun.',
    answer: 'The file. Paxos-Snapshot-Instance and Paxos-Snapshot-Digest say which one it is.',
    problems: ['PAXOS_NOT_FOUND', 'PAXOS_NOT_SERVING'],
    handle: state,
  },
  {
    method: 'POST',
    path: '/v1/recover',
    operation: 'recoverStep',
    summary: 'One step of making a new generation. Asked for again, it is found done.',
    body: { json: recoverSchema },
    answer: '{"report","state"}.',
    problems: ['PAXOS_REFUSED'],
    handle: carryOut,
  },
];
