/** The OpenAPI 3.1 document of a route table. */
import { z } from 'zod';
import { catalogue, type ErrorCode, isErrorCode } from '../../errors/catalogue.ts';
import type { Route } from './route.ts';

/** What any request may be answered with, beside what its route says. */
const common: readonly ErrorCode[] = ['PAXOS_NO_MASTER', 'PAXOS_OVERLOADED', 'PAXOS_BAD_REQUEST', 'PAXOS_HOST_REFUSED'];

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'outcome'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(catalogue).filter((it) => catalogue[it as ErrorCode].status !== null) },
    outcome: { type: 'string', enum: ['none', 'unknown'], description: 'none: no effect, may be sent again' },
    facts: { type: 'object' },
  },
};

function parameters(route: Route): object[] {
  const list: object[] = [];
  for (const match of route.path.matchAll(/\{(\w+)\}/g)) {
    list.push({ name: match[1], in: 'path', required: true, schema: { type: 'string' } });
  }
  for (const [name, { description, type }] of Object.entries(route.query ?? {})) {
    list.push({ name, in: 'query', required: false, description, schema: { type } });
  }
  const headers = { 'Paxos-Position': 'The newest mark that the client has seen', ...route.headers };
  for (const [name, description] of Object.entries(headers)) {
    list.push({ name, in: 'header', required: false, description, schema: { type: 'string' } });
  }
  return list;
}

function requestBody(route: Route): object {
  if (route.body === undefined) return {};
  const content =
    'json' in route.body
      ? { 'application/json': { schema: withoutDialect(z.toJSONSchema(route.body.json)) } }
      : { 'application/octet-stream': { schema: { description: route.body.bytes } } };
  return { requestBody: { required: !('optional' in route.body && route.body.optional === true), content } };
}

function withoutDialect(schema: object): object {
  const { $schema: _, ...rest } = schema as Record<string, unknown>;
  return rest;
}

function responses(route: Route): object {
  const byStatus = new Map<number, string[]>();
  for (const code of [...common, ...(route.problems ?? [])]) {
    const status = isErrorCode(code) ? catalogue[code].status : null;
    if (status !== null) byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const problems = [...byStatus].map(([status, codes]) => [
    String(status),
    {
      description: codes.join(', '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ]);
  const redirect = { description: 'Another replica is master: `Location` names the same request there.' };
  return { 200: { description: route.answer }, 307: redirect, ...Object.fromEntries(problems) };
}

export function openApiDocument(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    paths[route.path]![route.method.toLowerCase()] = {
      operationId: route.operation,
      summary: route.summary,
      parameters: parameters(route),
      ...requestBody(route),
      responses: responses(route),
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'paxosctl',
      version,
      description: 'A replicated database. Errors are RFC 9457 problems; `code` is stable.',
    },
    paths,
    components: { schemas: { Problem: problemSchema } },
  };
}
