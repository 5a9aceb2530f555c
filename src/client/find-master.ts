/**
 * Who is master, asked of all replicas at the same time: a question that does no harm, and that one replica which hangs
 * cannot hold up. A write that must not be sent twice goes only to a replica that has just answered it.
 */
import { parseJson } from './parse-json.ts';
import type { Transport } from './transport.ts';

export interface Candidate {
  readonly origin: string;
  /** The cell that it must be of when it was only named by others; null when the caller was given the address. */
  readonly cell: string | null;
}

/** A cell as its replicas describe it. */
export interface KnownCell {
  readonly id: string;
  readonly name: string | null;
  /** Origins of its members. */
  readonly members: readonly string[];
}

export interface Found {
  /** The replica that says that it is master and holds the lease; null when none did in time. */
  readonly master: string | null;
  /** Those that answered, whatever their role is. */
  readonly answered: readonly string[];
  /** Why the others did not. */
  readonly silent: readonly { readonly origin: string; readonly why: string }[];
  /** What the last answer says of its cell. */
  readonly cell: KnownCell | null;
}

/** Of a status, what is needed here. */
interface Said {
  readonly cell: KnownCell | null;
  readonly serves: boolean;
}

/** Resolves with the first that serves, else when all have answered, and those whom they named, each within `limitMs`. */
export function findMaster(
  transport: Pick<Transport, 'send'>,
  candidates: readonly Candidate[],
  limitMs: number,
): Promise<Found> {
  return new Promise((resolve) => {
    const asked = new Set<string>();
    const answered: string[] = [];
    const silent: { origin: string; why: string }[] = [];
    let cell: KnownCell | null = null;
    let open = 0;
    const end = (master: string | null) => resolve({ master, answered, silent, cell });

    const ask = async ({ origin, cell: expected }: Candidate): Promise<void> => {
      if (asked.has(origin)) return;
      asked.add(origin);
      open += 1;
      try {
        const reply = await transport.send(origin, { method: 'GET', path: '/v1/status', headers: {} }, limitMs);
        const said = reply.status === 200 ? saidIn(parseJson(reply.body)) : null;
        // Behind a member's address there may be another cell's replica by now.
        if (expected !== null && said?.cell?.id !== expected) {
          silent.push({ origin, why: 'answers, but not as a member of this cell' });
        } else {
          answered.push(origin);
          if (said !== null) heard(origin, said);
        }
      } catch (error) {
        silent.push({ origin, why: (error as Error).message });
      }
      open -= 1;
      if (open === 0) end(null);
    };

    const heard = (origin: string, said: Said): void => {
      cell = said.cell ?? cell;
      if (said.serves) return end(origin);
      const { id, members } = said.cell ?? { id: null, members: [] };
      for (const member of members) void ask({ origin: member, cell: id });
    };

    for (const candidate of candidates) void ask(candidate);
  });
}

function saidIn(document: unknown): Said {
  const named = field(document, 'members');
  const members = [field(document, 'master'), ...(Array.isArray(named) ? named : [])].flatMap((it) => {
    const url = text(field(it, 'url'));
    return url !== null && /^https?:/.test(url) && URL.canParse(url) ? [new URL(url).origin] : [];
  });
  const id = text(field(field(document, 'cell'), 'id'));
  const name = text(field(field(document, 'cell'), 'name'));
  return {
    cell: id === null ? null : { id, name, members: [...new Set(members)] },
    serves: field(document, 'role') === 'master' && field(field(document, 'lease'), 'held') === true,
  };
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
