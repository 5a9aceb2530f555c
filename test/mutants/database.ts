/** The state machine, sessions, snapshots’ content: P11, P12, P51 to P55. */
import type { Mutant } from './mutant.ts';

const database = (name: string): string => `src/core/database/${name}.ts`;
const session = 'test/core/database/session.test.ts';
const multiOp = 'test/core/database/multi-op.test.ts';
const determinism = 'test/core/database/determinism.test.ts';
const fuzz = 'test/core/database/fuzz.test.ts';

export const databases: readonly Mutant[] = [
  {
    id: 'P11-highest-number-seen',
    pitfalls: ['P11'],
    title: 'a number below the highest one seen is taken for a copy',
    wrong: 'A write that was overtaken by a later one is answered and never applied.',
    edits: [
      {
        file: database('database'),
        find: 'const known = this.#sessions.answer(session, sequence);',
        replace: `const highest = Math.max(0, ...[...session.answers()].map((kept) => kept.sequence));
    const known = this.#sessions.answer(session, Math.max(sequence, sequence < highest ? highest : 0));`,
      },
    ],
    killedBy: [session],
  },
  {
    id: 'P12-copy-applied-again',
    pitfalls: ['P12'],
    title: 'a write that is chosen twice is applied twice',
    wrong: 'A retry after a change of masters has a second effect.',
    edits: [{ file: database('database'), find: 'if (known !== null) return known;', replace: 'void known;' }],
    killedBy: [session],
  },
  {
    id: 'P51-half-surrogates-let-in',
    pitfalls: ['P51', 'P52'],
    title: 'a key with half a surrogate pair may be proposed',
    wrong: 'On its way to the disk it becomes another key: the state after a restart is not the state before.',
    edits: [
      {
        file: database('validate-command'),
        find: "if (!isWellFormed(key)) return problem('PAXOS_KEY_NOT_UTF8'",
        replace: "if (key === '' && !isWellFormed(key)) return problem('PAXOS_KEY_NOT_UTF8'",
      },
    ],
    killedBy: ['test/core/database/validate-command.test.ts'],
    blind: { simulator: 'its clients use well-formed keys, and pass by the check in the front' },
  },
  {
    id: 'P51-apply-throws',
    pitfalls: ['P51'],
    title: 'deleting a key that is not there is an error of the program',
    wrong: 'The command is chosen, and stops every replica at every start.',
    edits: [
      {
        file: database('multi-op'),
        find: "if (before === undefined) return { op: 'delete', deleted: false };",
        replace: "if (before === undefined) throw new Error('no such key');",
      },
    ],
    killedBy: [fuzz, multiOp],
  },
  {
    id: 'P52-session-ids-drawn',
    pitfalls: ['P52'],
    title: 'the id of a session is drawn where the command is applied',
    wrong: 'Every replica has another one.',
    edits: [
      {
        file: database('database'),
        find: 'sessionId(at.instance, at.place)',
        replace: 'sessionId(at.instance, Math.floor(Math.random() * 1e9))',
      },
    ],
    killedBy: [session, determinism],
  },
  {
    id: 'P52-keys-in-utf16-order',
    pitfalls: ['P52'],
    title: 'keys are ordered by their UTF-16 code units',
    wrong: 'A listing, and another implementation of the contract, has another order.',
    edits: [
      { file: database('key'), find: 'return rotate(unitA) - rotate(unitB);', replace: 'return unitA - unitB;' },
      {
        file: database('key'),
        find: '(unitsFromSurrogates.test(key) ? mapUnits(key, rotate) : key);',
        replace: '(unitsFromSurrogates.test("") ? mapUnits(key, rotate) : key);',
      },
      {
        file: database('key'),
        find: 'unitsFromSurrogates.test(collation) ? mapUnits(collation, rotateBack) : collation;',
        replace: 'unitsFromSurrogates.test("") ? mapUnits(collation, rotateBack) : collation;',
      },
    ],
    killedBy: ['test/core/database/key.test.ts'],
    blind: { simulator: 'all replicas order alike; only the contract says otherwise, and its clients list nothing' },
  },
  {
    id: 'P53-answers-not-in-the-snapshot',
    pitfalls: ['P53'],
    title: 'the answers of sessions are kept beside the replicated state, not in it',
    wrong: 'A replica that was restored from a snapshot applies a retry again.',
    edits: [
      {
        file: database('view'),
        find: 'for (const { sequence, answer } of session.answers()) yield answerRecord(id, sequence, answer);',
        replace: 'void answerRecord;',
      },
      { file: database('view'), find: '      parts.answerCount +\n', replace: '' },
      {
        file: database('session-table'),
        find: 'this.#answerCount++;\n    this.#sum.add(digestOf(this.#ports, answerRecord(id, sequence, answer)));',
        replace: 'this.#answerCount++;\n    void id;',
      },
      {
        file: database('session-table'),
        find: 'this.#answerCount--;\n    this.#sum.subtract(digestOf(this.#ports, answerRecord(id, sequence, answer)));',
        replace: 'this.#answerCount--;\n    void id;',
      },
      {
        file: database('session-table'),
        find: `this.#sum.subtract(digestOf(this.#ports, answerRecord(id, long.sequence, long.answer)));
      this.#sum.add(digestOf(this.#ports, answerRecord(id, long.sequence, short)));`,
        replace: 'void id;',
      },
    ],
    killedBy: [determinism],
  },
  {
    id: 'P53-floor-does-not-rise',
    pitfalls: ['P53'],
    title: 'a number whose answer was forgotten counts as never seen',
    wrong: 'A late retry of it is applied again.',
    edits: [{ file: database('session'), find: 'this.#floor = sequence;', replace: 'void 0;' }],
    killedBy: [session],
    blind: { simulator: 'no simulated session has the thousand numbers that it takes' },
  },
  {
    id: 'P54-expiry-not-checked-again',
    pitfalls: ['P54'],
    title: 'a session that the master named is ended though it was renewed meanwhile',
    wrong: 'Its client lives, and was promised more.',
    edits: [
      {
        file: database('session-table'),
        find: 'return session !== undefined && session.expiresCellTimeMs <= now && this.close(id);',
        replace: 'return session !== undefined && now >= 0 && this.close(id);',
      },
    ],
    killedBy: [session],
  },
  {
    id: 'P55-spliced-snapshot-taken',
    pitfalls: ['P55'],
    title: 'chunks of two snapshots may be put together',
    wrong: 'A provider that went on to its next snapshot gives a state that never was.',
    edits: [
      {
        file: 'src/formats/snapshot.ts',
        find: 'export const snapshotSeed = (header: Uint8Array): number => crc32(header);',
        replace: 'export const snapshotSeed = (header: Uint8Array): number => crc32(header.subarray(0, 8));',
      },
      {
        file: 'src/storage/snapshot-reader.ts',
        find: "if (!sha256.equals(trailer.sha256)) throw new FormatError('its digest is another one');",
        replace: '',
      },
    ],
    killedBy: ['test/storage/snapshots.test.ts'],
    blind: {
      simulator: 'there the provider always announces the digest of the whole file, and that is compared as well',
    },
  },
  {
    id: 'any-test-of-a-guard-suffices',
    pitfalls: [],
    title: 'a MultiOp takes its then-part when one test of its guard holds',
    wrong: 'PML §5.6: all of them must.',
    edits: [
      {
        file: database('multi-op'),
        find: '!guard.includes(false)',
        replace: 'guard.length === 0 || guard.includes(true)',
      },
    ],
    killedBy: [multiOp],
  },
  {
    id: 'version-restored-as-first',
    pitfalls: ['P23', 'P52'],
    title: 'overwriting counts on from what this process has seen, not from the entry',
    wrong: 'A replica that restarted from a snapshot gives the same write another version.',
    edits: [
      {
        file: database('entry-table'),
        find: 'const version = before === undefined ? 1 : before.version + 1;',
        replace:
          'const version = before === undefined ? 1 : (this.seen.get(key) ?? 1) + 1;\n    this.seen.set(key, version);',
      },
      {
        file: database('entry-table'),
        find: 'readonly #store: EntryStore;',
        replace: 'readonly seen = new Map<string, number>();\n  readonly #store: EntryStore;',
      },
    ],
    killedBy: [determinism],
  },
];
