/** The secret part of a handshake, the same on both sides: who says what, what proves it, which keys follow. */
import type { KeyObject } from 'node:crypto';
import { createSecretKey } from 'node:crypto';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import {
  encodeHello,
  type Hello,
  handshakeNonceBytes,
  type PeerPurpose,
  peerProtocols,
  transcript,
} from '../../formats/handshake.ts';
import type { FrameMac } from '../../formats/peer-frame.ts';
import type { PeerHello } from '../../ports/network.ts';
import type { HttpNetworkOptions, PeerLimits } from './options.ts';
import { frameMac, hmac } from './secret.ts';

/** Paths and headers, fixed for ever: versions are negotiated behind them. */
export const streamPath = '/peer/v1/stream';
export const challengePath = '/peer/v1/challenge';
export const snapshotPath = '/peer/v1/snapshot';
export const upgradeToken = 'paxos-peer';
export const helloHeader = 'paxos-peer-hello';
export const proofHeader = 'paxos-proof';

/** What every part of the adapter needs to know. */
export interface PeerContext {
  readonly options: HttpNetworkOptions;
  readonly limits: PeerLimits;
  readonly secret: KeyObject;
}

export function makeHello(context: PeerContext, to: ReplicaId, purpose: PeerPurpose): { hello: Hello; bytes: Buffer } {
  const { self, cell, generation, boot, programVersion, randomness, flushNumber, testimony } = context.options;
  const hello: Hello = {
    protocols: peerProtocols,
    purpose,
    cell,
    generation,
    from: self,
    to,
    boot,
    flush: flushNumber(),
    programVersion,
    nonce: randomness.bytes(handshakeNonceBytes),
    testimony: testimony?.(to) ?? null,
  };
  return { hello, bytes: encodeHello(hello) };
}

export interface HandshakeBytes {
  readonly dialer: Uint8Array;
  readonly acceptor: Uint8Array;
  /** Method and path with query of the request that the handshake is for. */
  readonly target: string;
}

export const dialerProof = (secret: KeyObject, said: HandshakeBytes): Buffer =>
  hmac(secret, transcript('dialer-proof', said));
export const acceptorProof = (secret: KeyObject, said: HandshakeBytes): Buffer =>
  hmac(secret, transcript('acceptor-proof', said));
/** Lets the dialling side tell a refusal by a member of the cell from one by anybody in between. */
export const refusalProof = (secret: KeyObject, said: HandshakeBytes, body: string): Buffer =>
  hmac(secret, transcript('refusal', { ...said, more: body }));

export interface ConnectionKeys {
  readonly dialer: FrameMac;
  readonly acceptor: FrameMac;
}

export const connectionKeys = (secret: KeyObject, said: HandshakeBytes): ConnectionKeys => ({
  dialer: frameMac(createSecretKey(hmac(secret, transcript('dialer-frames', said)))),
  acceptor: frameMac(createSecretKey(hmac(secret, transcript('acceptor-frames', said)))),
});

export const toPeerHello = (hello: Hello, direction: PeerHello['direction']): PeerHello => ({
  id: hello.from,
  direction,
  purpose: hello.purpose,
  generation: hello.generation,
  boot: hello.boot,
  flush: hello.flush,
  programVersion: hello.programVersion,
  protocols: hello.protocols,
  testimony: hello.testimony,
});
