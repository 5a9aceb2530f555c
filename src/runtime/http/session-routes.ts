/** Sessions, which make writes safe to send again (design §3 "Exactly once"). */
import type { Command } from '../../core/database/command.ts';
import { sessionTtlMsMax, sessionTtlMsMin } from '../../core/database/session-limits.ts';
import type { SessionDocument } from '../../formats/http-body.ts';
import { isSessionId } from '../../formats/lock-body.ts';
import { readBody, readJson } from './body-reader.ts';
import { emptySchema, openSessionSchema } from './body-schemas.ts';
import type { Exchange } from './exchange.ts';
import { onMasterSince } from './gate.ts';
import type { HttpLimits } from './limits.ts';
import { type PlainResult, propose } from './propose.ts';
import type { Route } from './route.ts';

function command(exchange: Exchange, what: Command, answer: (result: PlainResult) => void): void {
  // Judged here and not at apply; what is applied in a later epoch than it was proposed in is skipped.
  onMasterSince(exchange, () => propose(exchange, what, answer));
}

function withId(exchange: Exchange, then: (id: string) => void): void {
  if (isSessionId(exchange.parameter)) then(exchange.parameter);
  else exchange.problem('PAXOS_SESSION_INVALID', 'This is not the id of a session.');
}

const document = (session: string, result: PlainResult): SessionDocument => ({
  session: result.kind === 'session' ? result.session : session,
  expiresCellTimeMs: result.kind === 'session' ? result.expiresCellTimeMs : null,
});

export function sessionRoutes(limits: HttpLimits): readonly Route[] {
  const schema = openSessionSchema({ min: sessionTtlMsMin, max: sessionTtlMsMax });
  return [
    {
      method: 'POST',
      path: '/v1/sessions',
      operation: 'openSession',
      summary: 'Opens a session. It ends `ttlMs` of cell time after its last keep-alive or write.',
      body: { json: schema, optional: true },
      answer: '{"session","expiresCellTimeMs","ttlMs"}.',
      problems: ['PAXOS_SESSIONS_FULL'],
      handle: (exchange) =>
        readJson(exchange, schema, { optional: true }, (body) => {
          const ttlMs = body.ttlMs ?? limits.sessionTtlMsDefault;
          command(exchange, { kind: 'open-session', ttlMs }, (result) =>
            exchange.json({ ...document('', result), ttlMs }),
          );
        }),
    },
    {
      method: 'POST',
      path: '/v1/sessions/{id}/keep-alive',
      operation: 'keepSession',
      summary: 'Proves that the client lives: the session ends its `ttlMs` from now.',
      body: { json: emptySchema, optional: true },
      answer: '{"session","expiresCellTimeMs"}.',
      problems: ['PAXOS_SESSION_EXPIRED'],
      handle: (exchange) =>
        withId(exchange, (session) =>
          readJson(exchange, emptySchema, { optional: true }, () =>
            command(exchange, { kind: 'keep-session', session }, (result) => exchange.json(document(session, result))),
          ),
        ),
    },
    {
      method: 'DELETE',
      path: '/v1/sessions/{id}',
      operation: 'closeSession',
      summary: 'Ends a session: its numbers can no longer be told afterwards.',
      answer: '{"session","expiresCellTimeMs":null}.',
      problems: ['PAXOS_SESSION_EXPIRED'],
      handle: (exchange) =>
        withId(exchange, (session) =>
          readBody(exchange, 0, () =>
            command(exchange, { kind: 'close-session', session }, (result) => exchange.json(document(session, result))),
          ),
        ),
    },
  ];
}
