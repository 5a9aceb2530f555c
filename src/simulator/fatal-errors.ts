/** What a replica that ended by itself would have said to its operator, and what the operator would do. */
import { OperatorError, RehearsalImpossibleError } from '../errors/index.ts';
import { toOperatorError } from '../runtime/directory-errors.ts';

/** Errors after which the data directory is refused until somebody acts on it. */
const refusals: ReadonlySet<string> = new Set([
  'PAXOS_DATA_CORRUPT',
  'PAXOS_DATA_DIRECTORY_LOST',
  'PAXOS_DATA_ROLLED_BACK',
  'PAXOS_DATA_DIRECTORY_FOREIGN',
  'PAXOS_LEFTOVER_FILES',
  'PAXOS_VERSION_REFUSED',
  'PAXOS_MEMBER_REMOVED',
  'PAXOS_GENERATION_OVER',
]);

/** Why a replica has ended for good, as an operator is told. */
export interface NamedHalt {
  readonly code: string;
  /** File, record or whatever else is bad. */
  readonly item: string;
  readonly message: string;
  /** The version that must run first: another one cannot judge a damaged log. */
  readonly repairedBy?: string;
}

/** `restart`: a supervisor starts it again, and it goes on once its disk lets it. `bug`: nothing excuses it. */
export type FatalEnd =
  | { readonly kind: 'restart' }
  | { readonly kind: 'halt'; readonly why: NamedHalt }
  | { readonly kind: 'bug' };

/** Its process would go on, to say so; nothing else comes of it. */
export class ItemLost extends Error {
  readonly instance: number;

  constructor(instance: number) {
    super(`nobody can tell any more what was accepted at instance ${instance}`);
    this.name = 'ItemLost';
    this.instance = instance;
  }
}

export function endOf(error: Error): FatalEnd {
  if (error instanceof ItemLost) {
    return {
      kind: 'halt',
      why: { code: 'PAXOS_ITEM_LOST', item: `instance ${error.instance}`, message: error.message },
    };
  }
  const direct = toOperatorError(error, 'data', 0);
  const named = direct instanceof OperatorError ? direct : toOperatorError(error.cause, 'data', 0);
  if (!(named instanceof OperatorError)) return { kind: 'bug' };
  if (!refusals.has(named.code)) return { kind: 'restart' };
  // Out, and the others may not know it: its directory says that it is to be started again.
  if (named.code === 'PAXOS_MEMBER_REMOVED' && named.facts.known === false) return { kind: 'restart' };
  const { where, found, files } = named.facts as { where?: unknown; found?: unknown; files?: unknown };
  const item = String(where ?? files ?? found ?? 'the data directory');
  const why = { code: named.code, item, message: named.message };
  if (named instanceof RehearsalImpossibleError) {
    return { kind: 'halt', why: { ...why, repairedBy: String(named.facts.lastVersion) } };
  }
  return { kind: 'halt', why };
}
