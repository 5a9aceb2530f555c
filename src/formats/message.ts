/**
 * Bytes of the messages between replicas, format 1.
 *
 * One message has one encoding. Reading is strict: every count is held against what is left of the input before anything
 * is allocated for it, and nothing that writing would not produce is accepted (pitfalls I18, N11; bad inputs 25, 26).
 * Large values go by reference in both directions: what was read keeps its input alive.
 */
import type { BadItem, ItemIdentity } from '../core/consensus/bad-item.ts';
import type { Ballot } from '../core/consensus/ballot.ts';
import { type Instance, memberNamePattern, parseReplicaId, replicaId } from '../core/consensus/identity.ts';
import type { AcceptedEntry, Message, Release } from '../core/consensus/message.ts';
import { unreachable } from '../core/invariant.ts';
import { ByteParts } from './byte-parts.ts';
import { ByteReader, type ByteWriter, FormatError } from './bytes.ts';
import { readFreezeEvidence, writeFreezeEvidence } from './freeze-evidence.ts';
import { decodeValue, encodeValue, readBallot, writeBallot } from './value.ts';

/** The first byte of a message. Numbers are never given a new meaning. */
const kinds = {
  'pre-vote': 1,
  'pre-vote-reply': 2,
  prepare: 3,
  promise: 4,
  reject: 5,
  accept: 6,
  accepted: 7,
  commit: 8,
  'catch-up': 9,
  'catch-up-reply': 10,
  release: 11,
  frozen: 20,
  'item-request': 12,
  item: 13,
  settled: 14,
  digests: 24,
  'check-wanted': 25,
  unsettled: 15,
} as const satisfies Record<Message['kind'], number>;

const rejectReasons = ['promised', 'lease', 'behind'] as const;

/** Entries of one promise page or catch-up reply. A responder with more sends several. */
export const messageEntriesMax = 65_535;
/** First and last instance, and whether there is an identity. */
const badItemBytesMin = 8 + 8 + 1;
/** Instance, shortest ballot, length and kind of the shortest value: what one entry takes at least. */
const entryBytesMin = 8 + 18 + 4 + 1;

/** One message in one buffer. @throws {FormatError} for numbers out of range or too many entries. */
export function encodeMessage(message: Message): Buffer {
  const to = new ByteParts(256);
  writeMessage(to, message);
  const [first, ...rest] = to.finish();
  return rest.length === 0 ? first : Buffer.concat([first, ...rest]);
}

/** @throws {FormatError} unless `bytes` are exactly one message. Keeps views into `bytes`; they must not change. */
export function decodeMessage(bytes: Uint8Array): Message {
  const from = new ByteReader(bytes);
  const message = readMessage(from);
  from.end();
  return message;
}

/** @throws {FormatError} like {@link encodeMessage}; what was written to `to` by then is of no use. */
export function writeMessage(to: ByteParts, message: Message): void {
  const { writer } = to;
  writer.u8(kinds[message.kind]);
  switch (message.kind) {
    case 'pre-vote':
      writeBallot(writer, message.ballot);
      writer.safe(message.nonce).safe(message.chosenUpTo);
      return;
    case 'pre-vote-reply':
      writeBallot(writer, message.ballot);
      writer.safe(message.nonce).u8(message.granted ? 1 : 0);
      writeBallot(writer, message.promised);
      writer.safe(message.chosenUpTo);
      return;
    case 'prepare':
      writeBallot(writer, message.ballot);
      writer
        .safe(message.nonce)
        .safe(message.from)
        .u8(message.release === null ? 0 : 1);
      if (message.release !== null) writeRelease(to, message.release);
      return;
    case 'promise':
      writeBallot(writer, message.ballot);
      writer.safe(message.nonce).safe(message.from).u32(message.page);
      writer.u8(message.last ? 1 : 0).safe(message.chosenUpTo);
      writeEntries(to, message.entries);
      writeBadItems(writer, message.bad);
      return;
    case 'reject':
      writeBallot(writer, message.ballot);
      writer.safe(message.nonce).u8(rejectReasons.indexOf(message.reason));
      writeBallot(writer, message.promised);
      writer.safe(message.chosenUpTo);
      return;
    case 'accept':
      writeBallot(writer, message.ballot);
      writer.safe(message.instance).safe(message.chosenUpTo).u32(wholeMs(message.leaseMs));
      to.bytes(encodeValue(message.value));
      return;
    case 'accepted':
      writeBallot(writer, message.ballot);
      writer.safe(message.instance).safe(message.chosenUpTo).safe(message.appliedUpTo);
      return;
    case 'commit':
      writeBallot(writer, message.ballot);
      writer.safe(message.chosenUpTo);
      return;
    case 'catch-up':
      writer.safe(message.nonce).safe(message.from).safe(message.to);
      return;
    case 'catch-up-reply':
      writer.safe(message.nonce).safe(message.chosenUpTo).safe(message.firstRetained);
      writeEntries(to, message.entries);
      return;
    case 'item-request':
      writer.safe(message.nonce).safe(message.instance);
      writeIdentity(writer, message.identity);
      return;
    case 'item':
      writer
        .safe(message.nonce)
        .safe(message.instance)
        .safe(message.chosenUpTo)
        .u8(message.chosen ? 1 : 0);
      writeEntries(to, message.entry === null ? [] : [message.entry]);
      return;
    case 'unsettled':
      writeBallot(writer, message.ballot);
      return;
    case 'settled':
      writeBallot(writer, message.ballot);
      writer.safe(message.above);
      return;
    case 'release':
      writeRelease(to, message.release);
      return;
    case 'frozen':
      writeFreezeEvidence(writer, message.evidence);
      return;
    case 'digests': {
      const { instance, full, logChain, database, version } = message.digests;
      writer.safe(instance).u8((full ? 1 : 0) | (message.answer ? 2 : 0));
      writer.text(logChain).text(database).text(version);
      return;
    }
    case 'check-wanted':
      return;
    default:
      return unreachable(message);
  }
}

/** Reads one message and leaves what follows it. @throws {FormatError} */
export function readMessage(from: ByteReader): Message {
  const kind = from.u8();
  switch (kind) {
    case kinds['pre-vote']:
      return { kind: 'pre-vote', ballot: readBallot(from), nonce: from.safe(), chosenUpTo: readInstance(from) };
    case kinds['pre-vote-reply']:
      return {
        kind: 'pre-vote-reply',
        ballot: readBallot(from),
        nonce: from.safe(),
        granted: readFlag(from),
        promised: readBallot(from),
        chosenUpTo: readInstance(from),
      };
    case kinds.prepare:
      return {
        kind: 'prepare',
        ballot: readBallot(from),
        nonce: from.safe(),
        from: readInstance(from),
        release: readFlag(from) ? readRelease(from) : null,
      };
    case kinds.promise:
      return {
        kind: 'promise',
        ballot: readBallot(from),
        nonce: from.safe(),
        from: readInstance(from),
        page: from.u32(),
        last: readFlag(from),
        chosenUpTo: readInstance(from),
        entries: readEntries(from),
        bad: readBadItems(from),
      };
    case kinds.reject:
      return {
        kind: 'reject',
        ballot: readBallot(from),
        nonce: from.safe(),
        reason: readReason(from),
        promised: readBallot(from),
        chosenUpTo: readInstance(from),
      };
    case kinds.accept:
      return readAccept(from);
    case kinds.accepted:
      return {
        kind: 'accepted',
        ballot: readBallot(from),
        instance: readInstance(from),
        chosenUpTo: readInstance(from),
        appliedUpTo: readInstance(from),
      };
    case kinds.commit:
      return { kind: 'commit', ballot: readBallot(from), chosenUpTo: readInstance(from) };
    case kinds['catch-up']:
      return { kind: 'catch-up', nonce: from.safe(), from: readInstance(from), to: readInstance(from) };
    case kinds['catch-up-reply']:
      return readCatchUpReply(from);
    case kinds['item-request']:
      return { kind: 'item-request', nonce: from.safe(), instance: readInstance(from), identity: readIdentity(from) };
    case kinds.item:
      return readItem(from);
    case kinds.unsettled:
      return { kind: 'unsettled', ballot: readBallot(from) };
    case kinds.settled:
      return { kind: 'settled', ballot: readBallot(from), above: readInstance(from) };
    case kinds.release:
      return { kind: 'release', release: readRelease(from) };
    case kinds.frozen:
      return { kind: 'frozen', evidence: readFreezeEvidence(from) };
    case kinds.digests:
      return readDigests(from);
    case kinds['check-wanted']:
      return { kind: 'check-wanted' };
    default:
      throw new FormatError(`a message of unknown kind ${kind}`);
  }
}

function readAccept(from: ByteReader): Message {
  const ballot = readBallot(from);
  const instance = readInstance(from);
  const chosenUpTo = readInstance(from);
  const leaseMs = from.u32();
  return { kind: 'accept', ballot, instance, value: decodeValue(from.bytes()), chosenUpTo, leaseMs };
}

function readCatchUpReply(from: ByteReader): Message {
  const nonce = from.safe();
  const chosenUpTo = readInstance(from);
  const firstRetained = readInstance(from);
  return { kind: 'catch-up-reply', nonce, entries: readEntries(from), chosenUpTo, firstRetained };
}

function readItem(from: ByteReader): Message {
  const nonce = from.safe();
  const instance = readInstance(from);
  const chosenUpTo = readInstance(from);
  const chosen = readFlag(from);
  const [entry = null, ...more] = readEntries(from);
  if (more.length > 0 || (entry !== null && entry.instance !== instance) || (entry === null && chosen)) {
    throw new FormatError('an item that is not the one asked for');
  }
  return { kind: 'item', nonce, instance, entry, chosen, chosenUpTo };
}

function writeIdentity(to: ByteWriter, identity: ItemIdentity | null): void {
  to.u8(identity === null ? 0 : 1);
  if (identity === null) return;
  writeBallot(to, identity.ballot);
  for (const word of identity.digest) to.u32(word);
}

function readIdentity(from: ByteReader): ItemIdentity | null {
  if (!readFlag(from)) return null;
  return { ballot: readBallot(from), digest: [from.u32(), from.u32(), from.u32(), from.u32()] };
}

function writeBadItems(to: ByteWriter, items: readonly BadItem[]): void {
  if (items.length > messageEntriesMax) throw new FormatError(`${items.length} bad items in one message`);
  to.u16(items.length);
  for (const { instance, upTo, identity } of items) {
    to.safe(instance).safe(upTo);
    writeIdentity(to, identity);
  }
}

function readBadItems(from: ByteReader): BadItem[] {
  const count = from.u16();
  if (count * badItemBytesMin > from.remaining) throw new FormatError(`${count} bad items cannot be in what is left`);
  const items: BadItem[] = [];
  let above = -1;
  for (let i = 0; i < count; i++) {
    const item = { instance: readInstance(from), upTo: readInstance(from), identity: readIdentity(from) };
    const single = item.identity === null || item.upTo === item.instance;
    if (item.instance <= above || item.upTo < item.instance || !single) throw new FormatError('bad items that overlap');
    above = item.upTo;
    items.push(item);
  }
  return items;
}

function writeEntries(to: ByteParts, entries: readonly AcceptedEntry[]): void {
  if (entries.length > messageEntriesMax) throw new FormatError(`${entries.length} entries in one message`);
  to.writer.u16(entries.length);
  for (const entry of entries) {
    to.writer.safe(entry.instance);
    writeBallot(to.writer, entry.ballot);
    to.bytes(encodeValue(entry.value));
  }
}

function readEntries(from: ByteReader): AcceptedEntry[] {
  const count = from.u16();
  if (count * entryBytesMin > from.remaining) throw new FormatError(`${count} entries cannot be in what is left`);
  const entries: AcceptedEntry[] = [];
  for (let i = 0; i < count; i++) {
    const instance = readInstance(from);
    const ballot: Ballot = readBallot(from);
    entries.push({ instance, ballot, value: decodeValue(from.bytes()) });
  }
  return entries;
}

function writeRelease(to: ByteParts, release: Release): void {
  writeBallot(to.writer, release.ballot);
  const { name, incarnation } = parseReplicaId(release.successor);
  to.writer.text(name).safe(incarnation);
}

function readDigests(from: ByteReader): Message {
  const instance = from.safe() as Instance;
  const flags = from.u8();
  if (flags > 3) throw new FormatError('digests of unknown flags');
  const [logChain, database, version] = [from.text(), from.text(), from.text()];
  if (!/^[0-9a-f]{64}$/.test(logChain) || !/^[0-9a-f]{1,64}$/.test(database) || version.length > 256) {
    throw new FormatError('digests that are none');
  }
  const digests = { instance, full: (flags & 1) !== 0, logChain, database, version };
  return { kind: 'digests', digests, answer: (flags & 2) !== 0 };
}

function readRelease(from: ByteReader): Release {
  const ballot = readBallot(from);
  const name = from.text();
  if (!memberNamePattern.test(name)) throw new FormatError('a successor of a bad name');
  return { ballot, successor: replicaId(name, from.safe()) };
}

const readInstance = (from: ByteReader): Instance => from.safe() as Instance;

function readFlag(from: ByteReader): boolean {
  const flag = from.u8();
  if (flag > 1) throw new FormatError(`a flag of ${flag}`);
  return flag === 1;
}

function readReason(from: ByteReader): (typeof rejectReasons)[number] {
  const reason = rejectReasons[from.u8()];
  if (reason === undefined) throw new FormatError('a refusal of unknown reason');
  return reason;
}

function wholeMs(ms: number): number {
  if (!Number.isInteger(ms) || ms < 0 || ms > 0xffff_ffff) throw new FormatError(`a length of ${ms} ms`);
  return ms;
}
