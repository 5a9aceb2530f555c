/**
 * Who may answer now: the rules of contract §2 on masters, redirects and position marks, in front of every data request.
 *
 * Keeps: `then` runs in the same synchronous step as the lease check and the judgement of the mark (pitfall P32).
 */
import type { Epoch } from '../../core/consensus/identity.ts';
import type { Facts } from '../../errors/operator-error.ts';
import { epochFrom } from './conditions.ts';
import type { Exchange } from './exchange.ts';
import { isFault } from './query.ts';

/** Runs `then` on a serving master whose history holds the client's mark; else answers. */
export function onMaster(exchange: Exchange, then: (exchange: Exchange, epoch: Epoch) => void): void {
  if (exchange.answered) return;
  const { service } = exchange;
  const serving = service.serving();
  switch (serving.kind) {
    case 'serving':
      if (exchange.headers.paxosPosition === null) then(exchange, serving.epoch);
      else
        judged(
          exchange,
          () => onMaster(exchange, then),
          () => then(exchange, serving.epoch),
        );
      return;
    case 'redirect':
      exchange.redirect(serving);
      return;
    case 'no-master':
      exchange.problem('PAXOS_NO_MASTER', 'No replica is known as master.', { retryAfterMs: serving.retryAfterMs });
      return;
    case 'moving':
      // Mastership is being handed over: requests wait for that, they are not refused (design §3).
      if (exchange.hold()) whenMoved(exchange, performance.now(), () => onMaster(exchange, then));
      return;
    case 'refused':
      exchange.problem(serving.code, serving.message, factsOf(serving));
  }
}

/**
 * As {@link onMaster}, for everything that is answered without being proposed: `Paxos-Epoch` is compared in the same
 * step. The condition of a write is judged when it is applied, and only there (pitfall P41).
 */
export function onMasterSince(exchange: Exchange, then: (exchange: Exchange) => void): void {
  const ifEpoch = epochFrom(exchange.headers);
  if (isFault(ifEpoch)) return exchange.fault(ifEpoch);
  onMaster(exchange, (_, epoch) => {
    if (ifEpoch === null || ifEpoch === epoch) return then(exchange);
    exchange.problem('PAXOS_EPOCH_CHANGED', `Mastership was broken: the epoch is ${epoch} now.`, {
      facts: { wantedEpoch: ifEpoch, epoch },
    });
  });
}

/** Runs `then` on any replica that answers data and has applied what the client has seen; else answers. */
export function onAnyReplica(exchange: Exchange, then: (exchange: Exchange) => void): void {
  if (exchange.answered) return;
  const serving = exchange.service.serving();
  if (serving.kind === 'refused') {
    exchange.problem(serving.code, serving.message, factsOf(serving));
  } else if (serving.kind === 'redirect' && serving.staleToo === true) {
    exchange.redirect(serving);
  } else if (serving.kind !== 'serving' && typeof exchange.service.incomplete?.() === 'string') {
    exchange.problem('PAXOS_NOT_SERVING', exchange.service.incomplete() as string);
  } else if (exchange.headers.paxosPosition === null) {
    then(exchange);
  } else {
    judged(
      exchange,
      () => onAnyReplica(exchange, then),
      () => then(exchange),
    );
  }
}

function judged(exchange: Exchange, again: () => void, then: () => void): void {
  const { service } = exchange;
  const verdict = service.judgePosition(exchange.headers.paxosPosition as string);
  switch (verdict.kind) {
    case 'serve':
      exchange.markServed = true;
      then();
      return;
    case 'refuse':
      exchange.problem(verdict.code, verdict.message, { status: verdict.status, ...factsOf(verdict) });
      return;
    case 'hold':
      // Ends with the request's own deadline, if nothing is decided before.
      if (exchange.hold()) setTimeout(again, exchange.front.limits.movingPollMs);
      return;
    case 'wait':
      // Applied here, and still not judged: the mark may be of another history, and only a master can tell.
      if (verdict.instance <= exchange.waitedFor) return notApplied(exchange);
      if (!exchange.hold()) return;
      service.whenApplied(verdict.instance, remainingMs(exchange), (applied) => {
        if (exchange.answered) return;
        // In a new turn, so that a service that answers at once cannot nest calls without end.
        if (!applied) return notApplied(exchange);
        exchange.waitedFor = verdict.instance;
        setImmediate(again);
      });
  }
}

const factsOf = ({ facts }: { readonly facts?: Facts }): { readonly facts?: Facts } =>
  facts === undefined ? {} : { facts };

const remainingMs = (exchange: Exchange): number =>
  Math.max(1, Math.min(exchange.deadlineMs - performance.now(), exchange.front.limits.answerTimeoutMs) * 0.9);

/** This replica does not reach the client's position: the master may. */
function notApplied(exchange: Exchange): void {
  const serving = exchange.service.serving();
  if (serving.kind === 'redirect') exchange.redirect(serving);
  else exchange.problem('PAXOS_NOT_APPLIED', 'This replica has not reached the position that the client has seen.');
}

function whenMoved(exchange: Exchange, since: number, then: () => void): void {
  const { movingMsMax, movingPollMs } = exchange.front.limits;
  setTimeout(() => {
    if (exchange.answered) return;
    const moving = exchange.service.serving().kind === 'moving';
    if (!moving) then();
    else if (performance.now() - since < movingMsMax) whenMoved(exchange, since, then);
    else exchange.problem('PAXOS_NO_MASTER', 'Mastership is being handed over.', { retryAfterMs: movingMsMax });
  }, movingPollMs);
}
