/**
 * The bytes of every disk format that was released, as fixtures. Never change a fixture: a new format gets a new number and a fixture
 * of its own, and these go on being read.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../src/core/consensus/identity.ts';
import { replicaId } from '../../src/core/consensus/identity.ts';
import { FormatError } from '../../src/formats/bytes.ts';
import { ownerSeed } from '../../src/formats/checksum.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../src/formats/manifest.ts';
import { decodePromise, encodePromise } from '../../src/formats/promise.ts';
import {
  decodeChunk,
  decodeSnapshotHeader,
  decodeTrailer,
  encodeChunk,
  encodeSnapshotHeader,
  encodeTrailer,
  snapshotSeed,
} from '../../src/formats/snapshot.ts';
import { decodeValue } from '../../src/formats/value.ts';
import { encodeGroup, type GroupFacts } from '../../src/formats/wal-group.ts';
import { readGroup } from '../../src/formats/wal-group-reader.ts';
import { decodeSegmentHeader, encodeSegmentHeader } from '../../src/formats/wal-segment.ts';
import { digest, entry, formation, handle } from '../storage/support.ts';

const fixture = (name: string): Buffer =>
  Buffer.from(fs.readFileSync(path.join(import.meta.dirname, 'fixtures', `${name}.base64`), 'utf8'), 'base64');

const owner = { cellId: 'cell-1', member: 'n1', incarnation: 1 };

const manifest: Manifest = {
  ...formation(),
  formedLevel: 1,
  state: 'formed',
  boot: { number: 3, id: '07'.repeat(16) },
  flush: 41,
  snapshots: [
    {
      file: 'snapshot-00000002',
      instance: 20,
      bytes: 1234,
      sha256: 'cd'.repeat(32),
      createdAt: '2024-01-02T03:04:05.678Z',
      verified: true,
    },
  ],
  received: { file: 'snapshot-00000001', instance: 12 },
  segments: [4, 6],
  nextSegment: 7,
  nextSnapshot: 3,
  retired: ['wal-00000003'],
  fingerprint: '12-34',
  flags: { frozen: true, quarantined: true, removed: false },
  lastVersion: '0.1.0',
  freeze: {
    cause: 'log-fork',
    generation: 1,
    seenBy: replicaId('n2', 1),
    seenAtMs: 1_700_000_000_000,
    text: 'two values are chosen at instance 7',
    facts: { instance: 7, otherMember: 'n3' },
  },
  recorded: { instance: 33, logChain: 'ab'.repeat(32), checksum: 'ef'.repeat(16) },
  boots: [
    { number: 2, id: '06'.repeat(16), began: 17, promiseFlush: 11 },
    { number: 3, id: '07'.repeat(16), began: 29, promiseFlush: 28 },
  ],
  remembered: [
    {
      member: replicaId('n2', 1),
      histories: [
        { boots: [{ number: 5, id: '08'.repeat(16), began: 70, promiseFlush: 66 }], flush: 81, promiseFlush: 77 },
      ],
    },
  ],
  rolledBack: '',
  attempt: {
    generation: 2,
    generationId: 'ef'.repeat(16),
    step: 'ready',
    decision: '01'.repeat(32),
    source: '03'.repeat(32),
    state: { instance: 2 ** 40, bytes: 4321, sha256: '23'.repeat(32) },
    before: {
      generation: 1,
      generationId: 'ee'.repeat(16),
      step: 'active',
      decision: '02'.repeat(32),
      source: '',
      state: { instance: 2 ** 39, bytes: 321, sha256: '24'.repeat(32) },
    },
  },
  floor: 2 ** 38,
  receiving: { file: 'snapshot-00000002', instance: 21, digest: 'ce'.repeat(32) },
  move: {
    folder: 'former/generation-1',
    aside: ['wal-00000006'],
    arriving: [{ from: 'attempts/ef/state', to: 'snapshot-00000003' }],
  },
};
const header = {
  owner,
  segment: 6,
  bytes: 65_536,
  boot: 3,
  continues: { segment: 4, offset: 1536, chain: 99, flush: 40 },
  until: null,
};
const facts: GroupFacts = { flush: 42, boot: 3, chosenUpTo: 6, promiseFlush: 12, previousChain: 7, highest: 6 };
const group = Buffer.concat(
  encodeGroup(
    facts,
    [entry(7), entry(8, { bytes: 5000 })],
    { ownerSeed: ownerSeed(owner), segment: 6, offset: 512 },
    (it) => digest.entry(it),
  ).buffers,
);
const promise = { ballot: { round: 5, name: 'n2', incarnation: 1 }, leaseMsMax: 500, flush: 12, boot: 2 };
const snapshotHeader = {
  cellId: 'cell-1',
  generation: 1,
  handle: handle(20),
  level: 1,
  logChain: Buffer.alloc(32, 5),
  checksum: 'ab'.repeat(16),
  records: 3,
  entries: 2,
};
const headerBytes = encodeSnapshotHeader(snapshotHeader);
const seed = snapshotSeed(headerBytes);
const records = ['one', 'two', 'three'].map((it) => Buffer.from(it));
const chunk = encodeChunk(records, seed, 0);
const trailer = encodeTrailer(
  { chunks: 1, records: 3, sha256: digest.sha256(digest.sha256(headerBytes), digest.sha256(chunk)) },
  seed,
);
const snapshot = Buffer.concat([headerBytes, chunk, trailer]);

/** Of a cell that was formed at a later level. */
const manifest2: Manifest = { ...manifest, level: 3, formedLevel: 2 };

const written: Readonly<Record<string, Buffer>> = {
  'manifest-1': encodeManifest(manifest),
  'manifest-2': encodeManifest(manifest2),
  'promise-1': encodePromise(promise, owner, 0),
  'snapshot-1': snapshot,
  'wal-group-1': group,
  'wal-segment-1': encodeSegmentHeader(header),
};

describe('the disk formats', () => {
  it.each(Object.entries(written))('%s is written byte for byte as it was released', (name, bytes) => {
    expect(bytes.toString('base64')).toBe(fixture(name).toString('base64'));
  });

  it('are read back as what they mean', () => {
    expect(decodeManifest(fixture('manifest-1'))).toEqual(manifest);
    expect(decodeManifest(fixture('manifest-2'))).toEqual(manifest2);
    expect(decodeSegmentHeader(fixture('wal-segment-1'))).toEqual(header);
    expect(decodePromise(fixture('promise-1'), owner, 0)).toEqual(promise);
    const bytes = fixture('snapshot-1');
    expect(decodeSnapshotHeader(bytes.subarray(0, headerBytes.length))).toEqual(snapshotHeader);
    const end = headerBytes.length + chunk.length;
    expect(decodeChunk(bytes.subarray(headerBytes.length, end), seed, 0).map(String)).toEqual(['one', 'two', 'three']);
    expect(decodeTrailer(bytes.subarray(end), seed)).toMatchObject({ chunks: 1, records: 3 });
    const segment = Buffer.concat([Buffer.alloc(512), fixture('wal-group-1')]);
    const read = readGroup(segment, { ownerSeed: ownerSeed(owner), segment: 6, offset: 512 });
    if ('fault' in read) throw new Error(read.fault);
    expect(read).toMatchObject({ ...facts, offset: 512, bytes: group.length });
    expect(read.records.map(({ instance, value }) => [instance, decodeValue(Buffer.from(value))])).toEqual([
      [7, entry(7).value],
      [8, entry(8, { bytes: 5000 }).value],
    ]);
  });

  it.each(Object.keys(written).filter((name) => name !== 'wal-group-1' && name !== 'snapshot-1'))(
    '%s is refused with any one byte changed or missing',
    (name) => {
      const decode = (bytes: Buffer): unknown =>
        name.startsWith('manifest')
          ? decodeManifest(bytes)
          : name === 'promise-1'
            ? decodePromise(bytes, owner, 0)
            : decodeSegmentHeader(bytes);
      const good = fixture(name);
      for (let at = 0; at < good.length; at++) {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] as number) ^ 1;
        expect(() => decode(bad), `byte ${at}`).toThrow(FormatError);
        if (at % 16 === 0) expect(() => decode(good.subarray(0, at))).toThrow(FormatError);
      }
    },
  );

  it('tell the files of one owner and place from those of another', () => {
    const block = fixture('promise-1');
    expect(() => decodePromise(block, { ...owner, member: 'n2' }, 0)).toThrow(FormatError);
    expect(() => decodePromise(block, { ...owner, incarnation: 2 }, 0)).toThrow(FormatError);
    expect(() => decodePromise(block, owner, 1)).toThrow(FormatError);
    const segment = Buffer.concat([Buffer.alloc(1024), fixture('wal-group-1')]);
    expect(readGroup(segment, { ownerSeed: ownerSeed(owner), segment: 6, offset: 1024 })).toHaveProperty('fault');
    const chunkOfFixture = fixture('snapshot-1').subarray(headerBytes.length, headerBytes.length + chunk.length);
    expect(() => decodeChunk(chunkOfFixture, seed, 1)).toThrow(FormatError);
    expect(() => decodeChunk(chunkOfFixture, seed + 1, 0)).toThrow(FormatError);
  });

  it('spend two sectors on a group of one small value', () => {
    const small = encodeGroup(
      facts,
      [entry(1 as Instance, { bytes: 150 })],
      { ownerSeed: 1, segment: 1, offset: 512 },
      (it) => digest.entry(it),
    );
    expect(small.bytes).toBe(1024);
  });

  it('spend one write on a group of however many large values', () => {
    // Of more buffers a system makes several writes; a crash between them would leave a sector half written.
    const buffersMax = 1024;
    for (const count of [500, 501, 1500]) {
      const many = Array.from({ length: count }, (_, i) => entry(i + 1, { bytes: 4096 }));
      const place = { ownerSeed: 1, segment: 1, offset: 512 };
      const { buffers, bytes } = encodeGroup(facts, many, place, (it) => digest.entry(it));
      expect(buffers.length).toBeLessThanOrEqual(buffersMax);
      const segment = Buffer.concat([Buffer.alloc(512), ...buffers]);
      expect(segment.length).toBe(512 + bytes);
      expect(readGroup(segment, place)).toMatchObject({ records: { length: count } });
    }
  });
});
