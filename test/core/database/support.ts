/** One replica's database without the log around it, and short ways to say commands. */
import { createNodeDigest } from '../../../src/adapters/digest-node/digest-node.ts';
import type { CellTimeMs, Epoch, Instance, ReplicaId } from '../../../src/core/consensus/identity.ts';
import type { Command, CommandResult, MultiOp, Operation, Test } from '../../../src/core/database/command.ts';
import { Database } from '../../../src/core/database/database.ts';
import type { CellIdentity, DatabasePorts } from '../../../src/core/database/record.ts';
import { DatabaseRestore } from '../../../src/core/database/restore.ts';
import { type ScanResult, scanDatabase } from '../../../src/core/database/scan.ts';
import type { DatabaseView } from '../../../src/core/database/view.ts';
import { type Applied, type MachineValue, StateMachine } from '../../../src/core/state-machine.ts';
import { databaseRecordCodec } from '../../../src/formats/database-record.ts';

export const digest = await createNodeDigest();
export const ports: DatabasePorts = { codec: databaseRecordCodec, digest };

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

export const identity: CellIdentity = {
  cellId: 'c'.repeat(32),
  generation: 1,
  generationId: 'a'.repeat(32),
  generationStart: { epoch: 0 as Epoch, instance: 0 as Instance },
  rootSecret: new Uint8Array(32).fill(7),
};

export const put = (key: string, value = 'v'): Operation => ({ op: 'put', key, value: bytes(value) });
export const remove = (key: string): Operation => ({ op: 'delete', key });
export const get = (key: string): Operation => ({ op: 'get', key });

export interface MultiOpParts {
  readonly guard?: readonly Test[];
  readonly do?: readonly Operation[];
  readonly otherwise?: readonly Operation[];
  /** `[session, sequence]` */
  readonly number?: readonly [string, number];
  readonly ifEpoch?: number;
}

export function multiOp(parts: MultiOpParts): Command & { kind: 'multiop' } {
  const guard = parts.guard ?? [];
  // biome-ignore lint/suspicious/noThenProperty: the name in the paper and in the contract.
  const multiOp: MultiOp = { guard, then: parts.do ?? [], else: parts.otherwise ?? [] };
  const session = parts.number === undefined ? null : { session: parts.number[0], sequence: parts.number[1] };
  return { kind: 'multiop', multiOp, session, ifEpoch: parts.ifEpoch === undefined ? null : (parts.ifEpoch as Epoch) };
}

export type MultiOpResult = CommandResult & { readonly kind: 'multiop' };

/** Applies values at successive instances. */
export class Machine {
  #machine = new StateMachine(new Database(ports));
  #instance = 0;
  cellTimeMs = 0;

  get database(): Database {
    return this.#machine.database;
  }

  get instance(): number {
    return this.#instance;
  }

  apply(value: MachineValue): Applied {
    this.#instance++;
    return this.#machine.apply(this.#instance as Instance, value);
  }

  submit(...commands: Command[]): readonly CommandResult[] {
    return this.apply({ kind: 'submitted', cellTimeMs: this.cellTimeMs as CellTimeMs, commands }).results;
  }

  run(command: Command): CommandResult {
    return this.submit(command)[0] as CommandResult;
  }

  multiOp(parts: MultiOpParts): MultiOpResult {
    const result = this.run(multiOp(parts));
    if (result.kind !== 'multiop') throw new Error(`a MultiOp was answered ${result.kind}`);
    return result;
  }

  openSession(ttlMs = 10_000): string {
    const result = this.run({ kind: 'open-session', ttlMs });
    if (result.kind !== 'session') throw new Error(`no session: ${result.kind}`);
    return result.session;
  }

  mastership(owner = 'n1#1', id = 'e'.repeat(32)): void {
    this.apply({ kind: 'mastership', owner: owner as ReplicaId, id });
  }

  value(key: string): string | null {
    const entry = this.database.get(key);
    return entry === null ? null : text(entry.value);
  }

  /** Goes on from a snapshot of itself, as after a restart. */
  restart(): void {
    this.#machine = new StateMachine(restored(this.database.view()));
  }
}

export function restored(view: DatabaseView): Database {
  const restore = new DatabaseRestore(ports);
  for (const record of view.records()) restore.add(record);
  return restore.finish();
}

export function recomputed(view: DatabaseView): string {
  return scanned(view).checksum;
}

export function scanned(view: DatabaseView): ScanResult {
  const scan = scanDatabase(view);
  for (;;) {
    const step = scan.next();
    if (step.done === true) return step.value;
  }
}
