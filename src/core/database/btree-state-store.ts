/**
 * The state store over a copy-on-write B+ tree. In the core, since the simulator runs the same one and the library is
 * plain JavaScript without input or output (docs/adr/0004).
 */
import sortedBtree from 'sorted-btree';
import { fromCollation, toCollation } from './key.ts';
import type { StateStore, StateView } from './state-store.ts';

type Tree<Record> = InstanceType<typeof sortedBtree.default<string, Record>>;

// Some loaders hand over a CommonJS module's `default` instead of the module.
const TreeClass = (
  'default' in sortedBtree ? sortedBtree.default : (sortedBtree as unknown)
) as typeof sortedBtree.default;

/** Engines compare strings in native code: less than half the time of a loop over code units. */
const compareCollations = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

export class BtreeStateStore<Record> implements StateStore<Record> {
  readonly #tree: Tree<Record>;

  constructor(tree: Tree<Record> = new TreeClass<string, Record>(undefined, compareCollations)) {
    this.#tree = tree;
  }

  get size(): number {
    return this.#tree.size;
  }

  get(key: string): Record | undefined {
    return this.#tree.get(toCollation(key));
  }

  set(key: string, record: Record): void {
    this.#tree.set(toCollation(key), record);
  }

  delete(key: string): boolean {
    return this.#tree.delete(toCollation(key));
  }

  view(): StateView<Record> {
    return new BtreeStateStore(this.#tree.clone());
  }

  *from(from: string): IterableIterator<readonly [string, Record]> {
    for (const [collation, record] of this.#tree.entries(toCollation(from))) yield [fromCollation(collation), record];
  }
}
