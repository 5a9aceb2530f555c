/**
 * What two replicas say to each other before the first frame, format 1, and what their proofs cover.
 *
 * The dialling side and the accepting side each send a hello with a fresh nonce; each proves that it holds the cell's
 * secret by a digest over both hellos, and the keys of the connection come from the same two. Nothing of one handshake
 * is of use in another, in the other direction, for another member, boot or purpose. Source: pitfalls N12, bad inputs 23, 24.
 */
import { memberNamePattern, parseReplicaId, type ReplicaId, replicaId } from '../core/consensus/identity.ts';
import { ByteReader, ByteWriter, FormatError } from './bytes.ts';

export const handshakeNonceBytes = 32;
/** Encoded hellos travel in a header of a request; this leaves most of Node's 16 KiB to the rest. */
export const helloBytesMax = 4096;
const helloFormat = 1;
const extensionsMax = 16;
/** Printable ASCII without the space: these texts go into logs and terminals as they are. */
const plainText = /^[\x21-\x7e]{1,64}$/;

const purposes = { stream: 1, snapshot: 2 } as const;
export type PeerPurpose = keyof typeof purposes;

/** Protocol versions that this program speaks between replicas. */
export const peerProtocols = { min: 1, max: 1 } as const;

export interface Hello {
  readonly protocols: { readonly min: number; readonly max: number };
  readonly purpose: PeerPurpose;
  readonly cell: string;
  readonly generation: number;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly boot: { readonly number: number; readonly id: string };
  /** Number of the last flush of the sender's disk. */
  readonly flush: number;
  readonly programVersion: string;
  readonly nonce: Uint8Array;
  /** What the sender knows of disks (`witness.ts`); null when it says nothing. */
  readonly testimony: Uint8Array | null;
}

/** Numbers of the additions behind a hello. */
const extensions = { testimony: 1 } as const;
/** Leaves room for the rest of a hello. */
export const testimonyBytesMax = 3500;

export function encodeHello(hello: Hello): Buffer {
  const to = new ByteWriter(256);
  to.u8(helloFormat).u16(hello.protocols.min).u16(hello.protocols.max).u8(purposes[hello.purpose]);
  to.text(hello.cell).safe(hello.generation);
  writeIdentity(to, hello.from);
  writeIdentity(to, hello.to);
  to.safe(hello.boot.number).text(hello.boot.id).safe(hello.flush).text(hello.programVersion);
  if (hello.nonce.length !== handshakeNonceBytes) throw new FormatError('a nonce of a wrong length');
  to.raw(hello.nonce);
  const { testimony } = hello;
  if (testimony === null) to.u16(0);
  else to.u16(1).u16(extensions.testimony).bytes(testimony);
  return to.finish();
}

/** @throws {FormatError} Additions of later versions are skipped: they stand behind, each with its number and length. */
export function decodeHello(bytes: Uint8Array): Hello {
  if (bytes.length > helloBytesMax) throw new FormatError('a hello that is too long');
  const from = new ByteReader(bytes);
  if (from.u8() !== helloFormat) throw new FormatError('a hello of an unknown format');
  const protocols = { min: from.u16(), max: from.u16() };
  if (protocols.min > protocols.max) throw new FormatError('a hello that speaks no version');
  const hello = {
    protocols,
    purpose: readPurpose(from),
    cell: readPlain(from),
    generation: from.safe(),
    from: readIdentity(from),
    to: readIdentity(from),
    boot: { number: from.safe(), id: readPlain(from) },
    flush: from.safe(),
    programVersion: readPlain(from),
    nonce: from.raw(handshakeNonceBytes),
    testimony: readExtensions(from).get(extensions.testimony) ?? null,
  };
  from.end();
  return hello;
}

/** The highest version that both speak, or null. */
export function commonProtocol(a: Hello['protocols'], b: Hello['protocols']): number | null {
  const highest = Math.min(a.max, b.max);
  return highest >= Math.max(a.min, b.min) ? highest : null;
}

/** What a digest under the cell's secret is for: no two uses ever cover the same bytes. */
export type TranscriptUse = 'dialer-proof' | 'acceptor-proof' | 'dialer-frames' | 'acceptor-frames' | 'refusal';

/** The bytes that a proof or a connection key covers: use, both hellos as sent, the request, and what else is said. */
export function transcript(
  use: TranscriptUse,
  said: { readonly dialer: Uint8Array; readonly acceptor: Uint8Array; readonly target: string; readonly more?: string },
): Buffer {
  const to = new ByteWriter(512);
  to.text(`paxosctl peer 1 ${use}`).bytes(said.dialer).bytes(said.acceptor).text(said.target);
  return to.text(said.more ?? '').finish();
}

function writeIdentity(to: ByteWriter, id: ReplicaId): void {
  const { name, incarnation } = parseReplicaId(id);
  to.text(name).safe(incarnation);
}

function readIdentity(from: ByteReader): ReplicaId {
  const name = from.text();
  if (!memberNamePattern.test(name)) throw new FormatError('a replica of a bad name');
  return replicaId(name, from.safe());
}

function readPurpose(from: ByteReader): PeerPurpose {
  const purpose = from.u8();
  if (purpose === purposes.stream) return 'stream';
  if (purpose === purposes.snapshot) return 'snapshot';
  throw new FormatError(`a hello of unknown purpose ${purpose}`);
}

function readPlain(from: ByteReader): string {
  const text = from.text();
  if (!plainText.test(text)) throw new FormatError('a hello with a text that is not plain');
  return text;
}

function readExtensions(from: ByteReader): ReadonlyMap<number, Uint8Array> {
  const count = from.u16();
  if (count > extensionsMax) throw new FormatError('a hello with too many additions');
  const found = new Map<number, Uint8Array>();
  for (let i = 0; i < count; i++) found.set(from.u16(), from.bytes());
  return found;
}
