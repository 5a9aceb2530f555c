/**
 * Everything that stands on the log as one machine: `apply(instance, value)` gives results and changes.
 *
 * Source: PML §3 (callbacks on each replica), §5.3. The implicit epoch guard: a value proposed under an epoch that is over
 * is skipped whole, as if it had never been sent; nothing is recorded of it, so a retry starts afresh (design §3).
 */
import type { CellTimeMs, Instance, ReplicaId } from './consensus/identity.ts';
import type { Command, CommandResult } from './database/command.ts';
import type { Database } from './database/database.ts';
import type { RevisionRecord } from './database/history.ts';
import { invariant, unreachable } from './invariant.ts';

/** A chosen value, its items decoded. */
export type MachineValue =
  | { readonly kind: 'noop' | 'configuration' }
  | { readonly kind: 'mastership'; readonly owner: ReplicaId; readonly id: string }
  | {
      readonly kind: 'submitted';
      readonly cellTimeMs: CellTimeMs;
      /** One an item. */
      readonly commands: readonly Command[];
    }
  /** Submitted under another epoch than the one in force. */
  | { readonly kind: 'skipped'; readonly cellTimeMs: CellTimeMs; readonly count: number };

export interface Applied {
  /** One an item of a submitted value, skipped or not; none for other values. */
  readonly results: readonly CommandResult[];
  /** One for each item that changed the database; `Database.toRevisionChanges` makes them readable. */
  readonly revisions: readonly RevisionRecord[];
}

const nothing: Applied = { results: [], revisions: [] };

export class StateMachine {
  readonly database: Database;
  #appliedUpTo: Instance | null = null;

  constructor(database: Database) {
    this.database = database;
  }

  /** Never throws for any value; instances follow each other. */
  apply(instance: Instance, value: MachineValue): Applied {
    invariant(this.#appliedUpTo === null || instance === this.#appliedUpTo + 1, 'instances are applied in order', {
      instance,
      appliedUpTo: this.#appliedUpTo,
    });
    this.#appliedUpTo = instance;
    switch (value.kind) {
      case 'noop':
      case 'configuration':
        return nothing;
      case 'mastership':
        this.database.openEpoch({ instance, id: value.id, owner: value.owner });
        return nothing;
      case 'submitted':
        return this.#applyCommands(instance, value);
      case 'skipped':
        return this.#skip(value);
      default:
        return unreachable(value);
    }
  }

  #applyCommands(instance: Instance, value: MachineValue & { readonly kind: 'submitted' }): Applied {
    const { database } = this;
    database.advanceCellTime(value.cellTimeMs);
    const revisions: RevisionRecord[] = [];
    const results = value.commands.map((command, place) => database.execute(command, { instance, place }, revisions));
    return { results, revisions };
  }

  #skip(value: MachineValue & { readonly kind: 'skipped' }): Applied {
    this.database.advanceCellTime(value.cellTimeMs);
    const skipped: CommandResult = { kind: 'skipped', epoch: this.database.epoch };
    return { results: Array.from({ length: value.count }, () => skipped), revisions: [] };
  }
}
