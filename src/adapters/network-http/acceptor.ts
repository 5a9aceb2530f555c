/**
 * The accepting side of the handshake: challenge, proof, admission.
 *
 * `GET /peer/v1/challenge` brings the other side's hello and takes ours away; the next request on the *same connection*
 * brings the proof over both. A challenge lives in the memory of its socket, is good for one answer and for five seconds.
 * Nothing but the cell's id is checked, and nothing learnt, before the proof (bad inputs 23, 24, 30).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import { FormatError } from '../../formats/bytes.ts';
import { commonProtocol, decodeHello, type Hello, helloBytesMax } from '../../formats/handshake.ts';
import { countCode, type PeerCounters } from './counters.ts';
import { type Problem, problemBody, refusals } from './problem.ts';
import { sameProof } from './secret.ts';
import {
  acceptorProof,
  type ConnectionKeys,
  connectionKeys,
  dialerProof,
  type HandshakeBytes,
  helloHeader,
  makeHello,
  type PeerContext,
  proofHeader,
  refusalProof,
  toPeerHello,
} from './session.ts';

interface Challenge {
  readonly hello: Hello;
  readonly dialer: Uint8Array;
  readonly acceptor: Uint8Array;
  readonly untilMs: number;
}

export interface Accepted {
  readonly kind: 'accepted';
  readonly hello: Hello;
  readonly keys: ConnectionKeys;
  /** Value of the proof header of the answer. */
  readonly proof: string;
  /** A refusal of what comes after the handshake, signed for this peer. */
  refuse(problem: Problem): Refused;
}

export interface Refused {
  readonly kind: 'refused';
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

const logEveryMs = 10_000;

export class Acceptor {
  readonly #context: PeerContext;
  readonly #counters: PeerCounters;
  readonly #challenges = new WeakMap<object, Challenge>();
  /** Highest boot heard of each replica in this process; an earlier one is a ghost or a rolled-back disk (I16). */
  readonly #boots = new Map<ReplicaId, Hello['boot']>();
  readonly #loggedMs = new Map<string, number>();

  constructor(context: PeerContext, counters: PeerCounters) {
    this.#context = context;
    this.#counters = counters;
  }

  /** Answers `GET /peer/v1/challenge`. */
  challenge(request: IncomingMessage, response: ServerResponse): void {
    const read = this.#readHello(request);
    if ('code' in read) {
      sendRefusal(response, this.#refuse(request, read, null, null));
      return;
    }
    const own = makeHello(this.#context, read.hello.from, read.hello.purpose);
    this.#challenges.set(request.socket, {
      hello: read.hello,
      dialer: read.bytes,
      acceptor: own.bytes,
      untilMs: this.#nowMs() + this.#context.limits.handshakeMs,
    });
    response.writeHead(204, { [helloHeader]: own.bytes.toString('base64url'), 'cache-control': 'no-store' });
    response.end();
  }

  /** Judges the request that follows a challenge. `problem` refuses for a reason of the caller once the proof is good. */
  verify(request: IncomingMessage, socket: Duplex, purpose: Hello['purpose']): Accepted | Refused {
    const challenge = this.#challenges.get(socket);
    this.#challenges.delete(socket);
    if (challenge === undefined || challenge.untilMs < this.#nowMs() || challenge.hello.purpose !== purpose) {
      return this.#refuse(request, refusals.noChallenge, null, challenge?.hello ?? null);
    }
    const { secret } = this.#context;
    const said: HandshakeBytes = {
      dialer: challenge.dialer,
      acceptor: challenge.acceptor,
      target: `${request.method} ${request.url}`,
    };
    if (!sameProof(headerBytes(request, proofHeader), dialerProof(secret, said))) {
      return this.#refuse(request, refusals.unauthenticated, null, challenge.hello);
    }
    const { hello } = challenge;
    const problem = this.#judge(hello, request.socket.remoteAddress ?? null);
    if (problem !== null) return this.#refuse(request, problem, said, hello);
    this.#boots.set(hello.from, hello.boot);
    return {
      kind: 'accepted',
      hello,
      keys: connectionKeys(secret, said),
      proof: acceptorProof(secret, said).toString('base64url'),
      refuse: (later) => this.#refuse(request, later, said, hello),
    };
  }

  /** For requests that never come to a proof. */
  refuse(request: IncomingMessage, problem: Problem): Refused {
    return this.#refuse(request, problem, null, null);
  }

  /** The replica behind a good proof: is it one that may talk to us, as what it says it is? */
  #judge(hello: Hello, address: string | null): Problem | null {
    const { self, generation, admit, removed } = this.#context.options;
    if (hello.from === self) return refusals.self;
    // Before who it is: names and incarnations mean something within a generation only.
    if (hello.generation !== generation) {
      this.#context.options.otherGeneration?.(hello.generation);
      return refusals.wrongGeneration;
    }
    // Once out it is out for ever, whoever says so: all whom it knows may have been replaced.
    if (hello.to !== self) return removed?.(hello.from) ?? refusals.otherMember;
    const admission = admit({ ...toPeerHello(hello, 'inbound'), address });
    if (!admission.ok) return admission;
    const known = this.#boots.get(hello.from);
    if (known === undefined || known.number < hello.boot.number) return null;
    return known.number === hello.boot.number && known.id === hello.boot.id ? null : refusals.oldBoot;
  }

  #readHello(request: IncomingMessage): { hello: Hello; bytes: Uint8Array } | Problem {
    const bytes = headerBytes(request, helloHeader);
    let hello: Hello;
    try {
      if (bytes.length === 0 || bytes.length > helloBytesMax) return refusals.badHello;
      hello = decodeHello(bytes);
    } catch (error) {
      if (error instanceof FormatError) return refusals.badHello;
      throw error;
    }
    // Said before any proof: an operator who mixed up two cells must not be told that a secret is wrong.
    if (hello.cell !== this.#context.options.cell) return refusals.wrongCell;
    const own = makeHello(this.#context, hello.from, hello.purpose).hello;
    return commonProtocol(own.protocols, hello.protocols) === null ? refusals.version : { hello, bytes };
  }

  #refuse(request: IncomingMessage, problem: Problem, said: HandshakeBytes | null, hello: Hello | null): Refused {
    countCode(this.#counters.refusedInbound, problem.code);
    this.#log(problem, request, hello);
    const body = problemBody(problem);
    const headers: Record<string, string> = {
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      connection: 'close',
    };
    if (problem.status === 405) headers.allow = 'GET';
    if (problem.status === 429 || problem.status === 503) headers['retry-after'] = '1';
    if (said !== null) headers[proofHeader] = refusalProof(this.#context.secret, said, body).toString('base64url');
    return { kind: 'refused', status: problem.status, body, headers };
  }

  /** One line a code and ten seconds: whoever is refused comes back twice a second. */
  #log(problem: Problem, request: IncomingMessage, hello: Hello | null): void {
    const nowMs = this.#nowMs();
    if (nowMs - (this.#loggedMs.get(problem.code) ?? -logEveryMs) < logEveryMs) return;
    this.#loggedMs.set(problem.code, nowMs);
    this.#context.options.logger.warn(
      {
        code: problem.code,
        address: request.socket.remoteAddress,
        // Only what was in a hello that could be read; before the proof it is a claim.
        claims: hello === null ? undefined : { from: hello.from, to: hello.to, boot: hello.boot.number },
      },
      'refused a connection of a replica',
    );
  }

  #nowMs(): number {
    return this.#context.options.clocks.now().monotonicMs;
  }
}

export function sendRefusal(response: ServerResponse, refusal: Refused): void {
  response.writeHead(refusal.status, refusal.headers);
  response.end(refusal.body);
}

function headerBytes(request: IncomingMessage, name: string): Buffer {
  const value = request.headers[name];
  return typeof value === 'string' ? Buffer.from(value, 'base64url') : Buffer.alloc(0);
}
