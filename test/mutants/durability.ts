/** Flushes, the log on the disk, snapshots, names: P13 to P28 and P30, as far as they apply. */
import type { Mutant } from './mutant.ts';

const storage = (name: string): string => `src/storage/${name}.ts`;
const log = 'test/storage/write-ahead-log.test.ts';
const torn = 'test/storage/torn-group.test.ts';
const crash = 'test/storage/crash.test.ts';
const snapshots = 'test/storage/snapshots.test.ts';

/** Of the part of a snapshot that is half here. */
const fetchedAnew = 'what comes of it is refused by its digest, and fetched anew: nothing but time is lost';

export const durability: readonly Mutant[] = [
  {
    id: 'P13-flush-vouches-for-later-writes',
    pitfalls: ['P13'],
    title: 'the end of a flush is reported for everything that was queued by then',
    wrong: 'Votes are counted that no flush covers.',
    edits: [
      {
        file: storage('group-commit'),
        find: 'if (last !== null) this.#onPersisted(last);',
        replace: 'if (last !== null) this.#onPersisted(this.#lastWrite as WriteId);',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P13-any-flush-frees-all-messages',
    pitfalls: ['P13', 'P01'],
    title: 'the end of any flush lets all messages go that wait for one',
    wrong: 'A promise or a vote is sent that is not durable yet.',
    edits: [
      {
        file: 'src/runtime/outbox.ts',
        find: 'if (held.after <= write) network',
        replace: 'if (write > 0) network',
      },
    ],
    killedBy: ['test/runtime/log-replica-effects.test.ts'],
  },
  {
    id: 'P14-flush-tried-again',
    pitfalls: ['P14'],
    title: 'a failed flush is tried again, and the second one succeeds',
    wrong: 'The system has dropped the pages; what was acknowledged is nowhere.',
    edits: [
      {
        file: storage('wal/wal'),
        find: 'if (error === null) this.#begun = true;\n      done(error);',
        replace: `if (error === null) this.#begun = true;
      if (error === null) return done(null);
      const again = this.#options.directory.disk.open(segmentName(segment), { create: false });
      void again.then((it) => it.flush()).then(() => done(null), () => done(error));`,
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P15-unsure-end-trusted',
    pitfalls: ['P15'],
    title: 'a start takes the end of the log as it finds it, without writing it again',
    wrong:
      'It may stand in the cache alone since a flush that failed; a power cut takes it away after it was reported.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'const continues = sound ?? this.#beforeLast;',
        replace: 'const continues = sound ?? ((this.#end ?? this.#beforeLast) as LogPoint);',
      },
      {
        file: storage('wal/recovery'),
        find: 'unsure: sound === null ? this.#items.ofLastGroup() : this.#items.sinceDamage(),',
        replace: 'unsure: sound === null ? [] : this.#items.sinceDamage(),',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P15-promise-not-written-anew',
    pitfalls: ['P15'],
    title: 'a start takes the promise as it finds it, without writing it again',
    wrong: 'As the end of the log: it may stand in the cache alone.',
    edits: [
      {
        file: storage('promise-copies'),
        find: '    await file.write(0, encodePromise(this.#promise, this.#owner, copy));\n    await file.flush();\n',
        replace: '',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P02-repaired-ahead-of-its-promise',
    pitfalls: ['P02'],
    title: 'a repair from memory writes a record whose promise still waits for its flush',
    wrong: 'After a power cut the log holds an acceptance in a ballot that was never promised.',
    edits: [
      {
        file: storage('log-repair'),
        find: '  await commit.barrier(0);\n  const { promiseFlushed',
        replace: '  const { promiseFlushed',
      },
    ],
    killedBy: ['test/storage/repair-while-running.test.ts'],
  },
  {
    id: 'P16-stand-in-calls-chosen-what-follows',
    pitfalls: ['P16'],
    title: 'each group of a segment that stands in for damaged ones calls chosen what the groups after it hold',
    wrong: 'Where one of those is lost, what it held is below all that was open, and so not even missed.',
    edits: [
      {
        file: storage('wal/segment'),
        find: 'i === slices.length - 1 ? facts.chosenUpTo : 0;',
        replace: 'facts.chosenUpTo;',
      },
    ],
    killedBy: ['test/storage/repair-while-running.test.ts'],
  },
  {
    id: 'P16-cut-at-the-first-bad-record',
    pitfalls: ['P16'],
    title: 'recovery ends at the first group that does not read, whatever follows',
    wrong: 'Bit rot in an old record takes back everything that was acknowledged since.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: "if (found.kind === 'end') return null;",
        replace: "if (found.kind !== 'torn') return null;",
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P17-damaged-end-taken-for-torn',
    pitfalls: ['P17'],
    title: 'a last group that is damaged is dropped like one that was torn',
    wrong: 'It may have been acknowledged: a vote is taken back.',
    edits: [
      {
        file: storage('wal/log-end'),
        find: '> header.emptySectors ?',
        replace: '>= 0 ?',
      },
      {
        file: storage('wal/log-end'),
        find: 'if (header === null) return damaged;',
        replace: "if (header === null) return { kind: 'torn', header };",
      },
    ],
    killedBy: [log, torn],
  },
  {
    id: 'P17-torn-though-followed',
    pitfalls: ['P17', 'P16'],
    title: 'a group with empty sectors is taken for torn though another group was begun after it',
    wrong: 'Its flush had ended before the next one began: a lost write takes back what was acknowledged.',
    edits: [
      {
        file: storage('wal/log-end'),
        find: 'if (isFollowed(segment, place, header ?? mark)) return damaged;',
        replace: 'void isFollowed;',
      },
    ],
    killedBy: [torn],
  },
  {
    id: 'P19-lost-promise-is-none',
    pitfalls: ['P19'],
    title: 'a replica that has lost both copies of its promise has promised nothing',
    wrong: 'It votes a second time.',
    edits: [
      {
        file: storage('promise-copies'),
        find: 'if (first === undefined) throw new PromiseLostError({ problems });',
        replace:
          "if (first === undefined) return { ballot: { round: 0, name: '', incarnation: 0 }, leaseMsMax: 0, flush: 0, boot: 0 };",
      },
      {
        file: storage('opening'),
        find: 'if (promise.flush < log.promiseFlush) {',
        replace: 'if (promise.flush > 0 && promise.flush < log.promiseFlush) {',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P22-rolled-back-promise-taken',
    pitfalls: ['P22'],
    title: 'a promise older than the log knows of is taken',
    wrong: 'The promise files were rolled back, and the replica votes a second time.',
    edits: [
      {
        file: storage('opening'),
        find: 'if (promise.flush < log.promiseFlush) {',
        replace: 'if (promise.flush < 0) {',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P22-lost-end-of-the-log-taken',
    pitfalls: ['P22'],
    title: 'a log that ends before what the manifest saw acknowledged is taken',
    wrong: 'Acknowledged writes are gone, and nobody is told.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'const lostEnd = this.#flush < expected.flush;',
        replace: 'const lostEnd = expected.flush < 0;',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P23-snapshot-in-the-middle-of-a-step',
    pitfalls: ['P23'],
    title: 'a snapshot is begun between two values of one step',
    wrong: 'Its handle is that of the end of the step, its state is older: values are skipped after a restart.',
    edits: [
      {
        file: 'src/runtime/step-effects.ts',
        find: 'requests?.forEach((request, i) => {',
        replace: 'this.#parts.snapshots.applied(instance);\n    requests?.forEach((request, i) => {',
      },
      {
        file: 'src/runtime/log-snapshots.ts',
        find: 'if (loop.stopped || !applied.isCurrent) return null;',
        replace: 'if (loop.stopped) return null;',
      },
      {
        file: 'src/runtime/log-snapshots.ts',
        find: "invariant(handle.instance === applied.upTo, 'a snapshot",
        replace: "invariant(handle.instance >= applied.upTo, 'a snapshot",
      },
    ],
    killedBy: ['test/runtime/log-replica.test.ts'],
  },
  {
    id: 'P24-failed-flush-swallowed',
    pitfalls: ['P24', 'P14'],
    title: 'an error of the log’s flush is not looked at',
    wrong: 'What was never written is acknowledged.',
    edits: [
      {
        file: storage('group-commit'),
        find: 'if (error !== null) this.fail(error);\n      if (this.#failure !== null) return;',
        replace: 'if (this.#failure !== null) return;\n      void error;',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P24-failed-promise-swallowed',
    pitfalls: ['P24', 'P14'],
    title: 'an error of the promise’s flush is not looked at',
    wrong: 'A promise is sent that is on no disk.',
    edits: [
      {
        file: storage('group-commit'),
        find: '      if (error !== null) this.fail(error);\n      else if',
        replace: '      void error;\n      if',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P24-failed-snapshot-counts',
    pitfalls: ['P24'],
    title: 'a snapshot that could not be installed is reported as taken',
    wrong: 'The log in memory is cut behind a snapshot that does not exist.',
    edits: [
      {
        file: storage('snapshot-store'),
        find: `    } catch (error) {
      await this.#discard(name);
      throw error;
    }
  }

  /** Into scratch/, and read`,
        replace: `    } catch {
      await this.#discard(name);
      return { outcome: 'taken', instance: handle.instance, bytes: 0 };
    }
  }

  /** Into scratch/, and read`,
      },
    ],
    killedBy: [snapshots],
  },
  {
    id: 'P25-older-snapshot-over-a-newer-one',
    pitfalls: ['P25', 'P55'],
    title: 'a snapshot that arrives is installed though a newer one came meanwhile',
    wrong: 'The replica goes back to a state whose log is gone.',
    edits: [
      {
        file: storage('snapshot-store'),
        find: 'if (instance <= this.newestInstance()) return null;',
        replace: '',
      },
    ],
    killedBy: [snapshots],
  },
  {
    id: 'P25-own-log-below-a-received-snapshot',
    pitfalls: ['P25', 'P29'],
    title: 'when a received snapshot is bad, a start goes on from its own log below it',
    wrong: 'That log may hold values that were never chosen.',
    edits: [
      {
        file: storage('opening'),
        find: 'const received = manifest.received?.instance ?? 0;',
        replace: 'const received = 0 * (manifest.received?.instance ?? 0);',
      },
    ],
    killedBy: [snapshots],
  },
  {
    id: 'P25-received-mark-goes-down',
    pitfalls: ['P25', 'P29'],
    title: 'an earlier snapshot that is fetched in place of a bad one takes the place of its mark, too',
    wrong:
      'Between the two the own log may hold values that were never chosen, and the next start takes them for chosen ones.',
    edits: [
      {
        file: storage('snapshot-store'),
        find: 'instance > (manifest.received?.instance ?? 0)',
        replace: 'instance > 0 * (manifest.received?.instance ?? 0)',
      },
    ],
    killedBy: [snapshots],
  },
  {
    id: 'D15-older-promise-is-sound',
    pitfalls: ['P19'],
    title: 'a deep check takes a whole promise copy for sound, however old it is',
    wrong: 'Both put back under a running replica are noticed by nobody until its next start, which has lost them.',
    edits: [
      {
        file: storage('file-check'),
        find: 'else if (found.flush < durable.promiseFlush) {',
        replace: 'else if (found.flush < 0 * durable.promiseFlush) {',
      },
    ],
    killedBy: ['test/storage/repair-while-running.test.ts'],
  },
  {
    id: 'P55-resumed-parts-not-verified',
    pitfalls: ['P55', 'P25'],
    title: 'the part of a snapshot that the manifest names as half here is gone on with as long as it is, unread',
    wrong: 'What has rotted since, or was never written whole, is fetched for nothing again and again.',
    edits: [
      {
        file: storage('snapshot-writer'),
        find: 'this.#offset = await verifiedPrefix(this.#file);',
        replace: 'this.#offset = (await verifiedPrefix(this.#file)) * 0 + (await this.#file.size());',
      },
    ],
    killedBy: ['test/storage/resumed-snapshot.test.ts'],
    blind: { simulator: fetchedAnew },
  },
  {
    id: 'P55-resumed-with-another-snapshot',
    pitfalls: ['P55'],
    title: 'a provider of another snapshot goes on behind the part that the manifest names as half here',
    wrong: 'Parts of two snapshots meet in one file.',
    edits: [
      {
        file: 'src/runtime/snapshot-intake.ts',
        find: 'if (offset > 0 && this.#unfinished !== null) {',
        replace: 'if (offset >= 0 && this.#unfinished !== null) {',
      },
    ],
    killedBy: ['test/runtime/snapshot-intake.test.ts'],
    blind: { simulator: fetchedAnew },
  },
  {
    id: 'P55-resumed-file-not-held-to-its-digest',
    pitfalls: ['P55', 'P25'],
    title: 'what was resumed counts when it is whole, though it is not the file that was announced',
    wrong: 'A whole file of another state, put where the manifest names the unfinished one, is installed.',
    edits: [
      {
        file: storage('snapshot-store'),
        find: 'if (digest !== null && digest !== verified.sha256) {',
        replace: 'if (digest !== null && !lasting && digest !== verified.sha256) {',
      },
    ],
    killedBy: ['test/storage/resumed-snapshot.test.ts'],
    blind: { simulator: 'nobody there puts a whole file of another state in the place of a half one' },
  },
  {
    id: 'P26-place-not-checked',
    pitfalls: ['P26'],
    title: 'checksums do not say where their bytes belong, and groups are not compared with the one before',
    wrong: 'A good group in a wrong place, or a stale one, is taken for the one that belongs there.',
    edits: [
      {
        file: 'src/formats/checksum.ts',
        find: 'reversed(offset)) >>> 0;',
        replace: 'reversed(0 * offset)) >>> 0;',
      },
      {
        file: storage('wal/recovery'),
        find: 'if (known && facts.previousChain !== before.chain && this.#gapFrom === null) {',
        replace: 'if (known && facts.flush < 0) {',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P17-length-taken-for-granted',
    pitfalls: ['P16', 'P17'],
    title: 'a segment without a header is taken to be as long as it was',
    wrong: 'What was cut off behind its last group is missing, and nobody says so.',
    edits: [
      {
        file: storage('wal/recovery'),
        find: 'if (!lengthKnown && end === null &&',
        replace: 'if (!lengthKnown && end === -1 &&',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'P27-manifest-name-not-flushed',
    pitfalls: ['P27'],
    title: 'the directory is not flushed after a new manifest took the old one’s name',
    wrong: 'A crash brings back the old manifest, without the segment that holds acknowledged writes.',
    edits: [
      {
        file: storage('manifest'),
        find: 'await disk.rename(inScratch(manifestName), manifestName);\n  await disk.flushDirectory(root);',
        replace: 'await disk.rename(inScratch(manifestName), manifestName);\n  void root;',
      },
      {
        file: storage('data-directory'),
        find: `        if (arriving.length > 0) {
          await this.disk.flushDirectory(root);`,
        replace: '        if (arriving.length > 0) {',
      },
    ],
    killedBy: [crash, log],
  },
  {
    id: 'P27-segment-not-flushed',
    pitfalls: ['P27'],
    title: 'a new segment is named before its header is flushed',
    wrong: 'A crash leaves a named segment that cannot be read.',
    edits: [
      {
        file: storage('wal/segment'),
        find: 'await file.write(0, encodeSegmentHeader(header));\n    await file.flush();',
        replace: 'await file.write(0, encodeSegmentHeader(header));',
      },
    ],
    killedBy: [crash, log],
  },
  {
    id: 'P27-old-name-goes-first',
    pitfalls: ['P27'],
    title: 'files move out of the way before the manifest without them is durable',
    wrong: 'A crash in between leaves a manifest that names files which are gone.',
    edits: [
      {
        file: storage('data-directory'),
        find: '      await stageManifest(this.disk, next);',
        replace: `      for (const name of leaving) await this.disk.remove(name);
      if (leaving.length > 0) await this.disk.flushDirectory(root);
      await stageManifest(this.disk, next);`,
      },
    ],
    killedBy: [crash],
  },
  {
    id: 'newest-entry-loses',
    pitfalls: [],
    title: 'of two entries of one instance in the log, recovery keeps the older one',
    wrong: 'A vote in a higher ballot is taken back, and a value that lost is taken for chosen.',
    edits: [
      {
        file: storage('wal/known-items'),
        find: 'this.#known.set(item.instance, { item, group: this.#group });',
        replace: 'if (!this.#known.has(item.instance)) this.#known.set(item.instance, { item, group: this.#group });',
      },
    ],
    killedBy: [log],
  },
  {
    id: 'I19-log-cut-to-the-newest-snapshot',
    pitfalls: [],
    title: 'the log is cut behind the newest snapshot, not behind the one before it',
    wrong: 'When the newest turns out bad, the older one has no log to go on from.',
    edits: [
      {
        file: storage('snapshot-store'),
        find: 'this.#verified()[snapshotsKept - 1]?.instance ?? 0',
        replace: 'this.#verified()[0]?.instance ?? 0',
      },
    ],
    killedBy: [snapshots],
  },
  {
    id: 'P28-hung-disk-keeps-the-lease',
    pitfalls: ['P28'],
    title: 'the lease is renewed by the others’ votes, without the master’s own disk',
    wrong: 'A master whose disk hangs stays master, and nobody can write.',
    edits: [
      {
        file: 'src/core/consensus/proposer.ts',
        find: 'if (proposal.acks.has(self)) {\n      this.lease.renew(proposal.sentAt, configuration);',
        replace: 'this.lease.renew(proposal.sentAt, configuration);\n    if (proposal.acks.has(self)) {',
      },
    ],
    killedBy: ['test/core/consensus/durability.test.ts'],
  },
  {
    id: 'P30-restored-state-not-compared',
    pitfalls: ['P30'],
    title: 'what was restored from a snapshot is not compared with the snapshot’s checksum',
    wrong: 'A replica whose memory rotted teaches the rest.',
    edits: [
      {
        file: 'src/runtime/storage-adapter.ts',
        find: 'if (checksum !== snapshot.checksum) {',
        replace: "if (checksum === '') {",
      },
    ],
    killedBy: ['test/runtime/restored-state.test.ts'],
    blind: { simulator: 'no simulated fault changes a replica’s memory yet' },
  },
  {
    id: 'P30-checksum-forgets-overwrites',
    pitfalls: ['P30', 'P52'],
    title: 'overwriting an entry leaves its old digest in the checksum',
    wrong: 'A replica that restored a snapshot has another checksum than one that applied the log.',
    edits: [
      {
        file: 'src/core/database/entry-table.ts',
        find: 'if (before !== undefined) this.#sum.subtract(before.digest);',
        replace: 'void before;',
      },
    ],
    killedBy: ['test/core/database/determinism.test.ts'],
  },
];
