/** The query of a URL: each parameter once, known ones only, percent-decoded strictly. */
import type { Fault } from './keys.ts';

export type Query = ReadonlyMap<string, string>;

const none: Query = new Map();

const decode = (text: string): string => decodeURIComponent(text.includes('+') ? text.replaceAll('+', ' ') : text);

/** `text` is what follows `?`, '' when there is none. A faulty one is an answer of status 400. */
export function readQuery(text: string, known: ReadonlySet<string>): Query | Fault {
  if (text === '') return none;
  const query = new Map<string, string>();
  for (const part of text.split('&')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    let name: string;
    let value: string;
    try {
      name = decode(at === -1 ? part : part.slice(0, at));
      value = at === -1 ? '' : decode(part.slice(at + 1));
    } catch {
      return { code: 'PAXOS_BAD_QUERY', detail: 'The percent-encoding of the query is not valid UTF-8.' };
    }
    if (!known.has(name)) return { code: 'PAXOS_BAD_QUERY', detail: `Unknown query parameter ${quote(name)}.` };
    if (query.has(name)) return { code: 'PAXOS_BAD_QUERY', detail: `Query parameter ${quote(name)} stands twice.` };
    query.set(name, value);
  }
  return query;
}

/** Bare, `true` and `1` are true; absent, `false` and `0` are false; anything else is a fault. */
export function readFlag(query: Query, name: string): boolean | Fault {
  const value = query.get(name);
  if (value === undefined || value === 'false' || value === '0') return false;
  if (value === '' || value === 'true' || value === '1') return true;
  return { code: 'PAXOS_BAD_QUERY', detail: `Query parameter ${quote(name)} is true or false.` };
}

/** A decimal integer in the given range; null when the parameter is absent. */
export function readInteger(
  query: Query,
  name: string,
  range: { readonly min: number; readonly max: number },
): number | null | Fault {
  const value = query.get(name);
  if (value === undefined) return null;
  const n = /^(?:0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(n) && n >= range.min && n <= range.max) return n;
  return {
    code: 'PAXOS_BAD_QUERY',
    detail: `Query parameter ${quote(name)} is an integer from ${range.min} to ${range.max}.`,
  };
}

/** Names of clients' making in messages: short, and without control characters. */
export const quote = (text: string): string => JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);

export const isFault = (value: unknown): value is Fault =>
  typeof value === 'object' && value !== null && 'code' in value && 'detail' in value;
