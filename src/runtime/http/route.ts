/** One row of the route table: what is served, what it takes, what it answers, and who answers. */
import type { ZodType } from 'zod';
import type { Exchange } from './exchange.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

export interface ParameterDescription {
  readonly description: string;
  readonly type: 'string' | 'integer' | 'boolean';
}

export interface Route {
  readonly method: Method;
  /** With at most one parameter in braces; it never matches a slash, but for `{key}` at the end. */
  readonly path: string;
  /** Stable name: metrics and generated clients use it. */
  readonly operation: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, ParameterDescription>>;
  /** Names of request headers with a meaning here, beyond `Paxos-Position`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly json: ZodType; readonly optional?: boolean } | { readonly bytes: string };
  /** What the answer of status 200 holds. */
  readonly answer: string;
  /** Codes of problems that this route adds to those that every route may answer. */
  readonly problems?: readonly string[];
  readonly handle: (exchange: Exchange) => void;
}
