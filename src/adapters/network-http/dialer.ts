/**
 * The dialling side of the handshake: one fresh connection, a challenge, then the request that it is for.
 *
 * No redirect is followed and no proxy used. The own proof is given before the other side's, so that nobody can draw
 * proofs out of a replica; frames and messages wait until the other side has proved itself as well.
 */
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { MonotonicMs, ReplicaId } from '../../core/consensus/identity.ts';
import { FormatError } from '../../formats/bytes.ts';
import { commonProtocol, decodeHello, type Hello, helloBytesMax, type PeerPurpose } from '../../formats/handshake.ts';
import type { Timer } from '../../ports/clocks.ts';
import type { PeerRefusal } from '../../ports/network.ts';
import { isForbiddenAddress, type PeerAddress } from './peer-url.ts';
import { type Problem, refusals } from './problem.ts';
import { sameProof } from './secret.ts';
import {
  acceptorProof,
  type ConnectionKeys,
  challengePath,
  connectionKeys,
  dialerProof,
  type HandshakeBytes,
  helloHeader,
  makeHello,
  type PeerContext,
  proofHeader,
  refusalProof,
  toPeerHello,
  upgradeToken,
} from './session.ts';

export type DialOutcome =
  | {
      readonly kind: 'open';
      readonly hello: Hello;
      readonly keys: ConnectionKeys;
      readonly socket: Socket;
      /** What arrived behind the answer's headers. */
      readonly head: Buffer;
      /** The answer, for a request without upgrade; its body is unread. */
      readonly response: IncomingMessage;
      /** Ends a connection that was not upgraded. */
      close(): void;
    }
  /** `by`: whether the other side did not let this one in, or this one will not have to do with that. */
  | { readonly kind: 'refused'; readonly by: 'peer' | 'self'; readonly refusal: PeerRefusal }
  | { readonly kind: 'failed'; readonly reason: string };

export interface DialRequest {
  readonly to: ReplicaId;
  readonly address: PeerAddress;
  readonly purpose: PeerPurpose;
  readonly path: string;
}

const refusalBytesMax = 16 * 1024;

/** Starts a handshake; `done` is called once, unless it is cancelled before. */
export function dial(context: PeerContext, what: DialRequest, done: (outcome: DialOutcome) => void): Timer {
  const attempt = new Dial(context, what, done);
  attempt.start();
  return attempt;
}

class Dial implements Timer {
  readonly #context: PeerContext;
  readonly #what: DialRequest;
  #done: ((outcome: DialOutcome) => void) | null;
  /** Keeps both requests on one connection. */
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #deadline: Timer | null = null;

  constructor(context: PeerContext, what: DialRequest, done: (outcome: DialOutcome) => void) {
    this.#context = context;
    this.#what = what;
    this.#done = done;
  }

  start(): void {
    const { options, limits } = this.#context;
    const at = options.clocks.now().monotonicMs + limits.handshakeMs;
    this.#deadline = options.clocks.schedule(at as MonotonicMs, () => this.#fail('no answer in time'));
    const own = makeHello(this.#context, this.#what.to, this.#what.purpose);
    const request = this.#request(challengePath, { [helloHeader]: own.bytes.toString('base64url') });
    request.on('response', (response) => {
      if (response.statusCode !== 204) {
        this.#readRefusal(response, null);
        return;
      }
      const acceptor = headerBytes(response, helloHeader);
      const hello = readHello(acceptor);
      // The second request waits in the agent until this answer is read to its end and the connection free again.
      response.resume();
      if (hello === null) this.#fail('no replica answers there');
      else this.#prove(hello, own.bytes, acceptor);
    });
    request.end();
  }

  /** Gives up without a word. */
  cancel(): void {
    this.#done = null;
    this.#end();
    this.#agent.destroy();
  }

  #prove(hello: Hello, dialer: Uint8Array, acceptor: Uint8Array): void {
    const { purpose, path } = this.#what;
    const said: HandshakeBytes = { dialer, acceptor, target: `GET ${path}` };
    const headers: Record<string, string> = {
      [proofHeader]: dialerProof(this.#context.secret, said).toString('base64url'),
    };
    if (purpose === 'stream') {
      headers.connection = 'Upgrade';
      headers.upgrade = upgradeToken;
    }
    const request = this.#request(path, headers);
    request.on('upgrade', (response, socket, head) => {
      if (purpose === 'stream') this.#answered(hello, said, response, socket as Socket, head);
      else socket.destroy();
    });
    request.on('response', (response) => {
      if (response.statusCode !== 200 || purpose === 'stream') this.#readRefusal(response, said, hello);
      else this.#answered(hello, said, response, response.socket, Buffer.alloc(0));
    });
    request.end();
  }

  #answered(hello: Hello, said: HandshakeBytes, response: IncomingMessage, socket: Socket, head: Buffer): void {
    const { secret } = this.#context;
    const problem = sameProof(headerBytes(response, proofHeader), acceptorProof(secret, said))
      ? this.#judge(hello)
      : refusals.unauthenticated;
    if (problem !== null) {
      socket.destroy();
      this.#finish({ kind: 'refused', by: 'self', refusal: { ...problem, authentic: false } });
      return;
    }
    const close = () => this.#agent.destroy();
    this.#finish({ kind: 'open', hello, keys: connectionKeys(secret, said), socket, head, response, close });
  }

  #judge(hello: Hello): Problem | null {
    const { self, cell, generation, admit } = this.#context.options;
    if (hello.cell !== cell) return refusals.wrongCell;
    if (hello.generation !== generation) {
      this.#context.options.otherGeneration?.(hello.generation);
      return refusals.wrongGeneration;
    }
    if (hello.from === self) return refusals.self;
    if (hello.from !== this.#what.to || hello.to !== self || hello.purpose !== this.#what.purpose) {
      return refusals.otherMember;
    }
    const own = makeHello(this.#context, hello.from, hello.purpose).hello;
    if (commonProtocol(own.protocols, hello.protocols) === null) return refusals.version;
    const admission = admit(toPeerHello(hello, 'outbound'));
    if (!admission.ok) return admission;
    return null;
  }

  #request(path: string, headers: Record<string, string>): ClientRequest {
    const { host, port } = this.#what.address;
    const request = httpRequest({ agent: this.#agent, host, port, method: 'GET', path, headers });
    request.on('error', (error) => this.#fail(error.message));
    request.on('socket', (socket) => {
      if (!socket.connecting) return;
      socket.once('connect', () => {
        // The name may have resolved to what no url may say.
        if (isForbiddenAddress(socket.remoteAddress ?? '')) request.destroy(new Error('a forbidden address'));
      });
    });
    return request;
  }

  #readRefusal(response: IncomingMessage, said: HandshakeBytes | null, hello: Hello | null = null): void {
    const status = response.statusCode ?? 0;
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > refusalBytesMax) this.#fail('a refusal that is too long');
      else chunks.push(chunk);
    });
    response.on('error', () => this.#fail('the connection was lost'));
    response.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const authentic =
        said !== null && sameProof(headerBytes(response, proofHeader), refusalProof(this.#context.secret, said, body));
      const problem = readProblem(body);
      // The proof covers the other side's hello too.
      if (authentic && hello !== null && problem.code === refusals.wrongGeneration.code) {
        this.#context.options.otherGeneration?.(hello.generation);
      }
      this.#finish({ kind: 'refused', by: 'peer', refusal: { status, ...problem, authentic } });
      this.#agent.destroy();
    });
  }

  #fail(reason: string): void {
    if (this.#done === null) return;
    this.#finish({ kind: 'failed', reason });
    this.#agent.destroy();
  }

  #finish(outcome: DialOutcome): void {
    const done = this.#done;
    this.#done = null;
    this.#end();
    done?.(outcome);
  }

  #end(): void {
    this.#deadline?.cancel();
    this.#deadline = null;
  }
}

function readHello(bytes: Buffer): Hello | null {
  if (bytes.length === 0 || bytes.length > helloBytesMax) return null;
  try {
    return decodeHello(bytes);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function headerBytes(response: IncomingMessage, name: string): Buffer {
  const value = response.headers[name];
  return typeof value === 'string' ? Buffer.from(value, 'base64url') : Buffer.alloc(0);
}

/** Only what is plain text of sane length; whoever answers may be anybody. */
function readProblem(body: string): { readonly code: string; readonly message: string } {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    document = null;
  }
  const { code, detail } = (typeof document === 'object' && document !== null ? document : {}) as Record<
    string,
    unknown
  >;
  return {
    code: typeof code === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(code) ? code : 'PAXOS_PEER_REFUSED',
    message:
      typeof detail === 'string' ? detail.slice(0, 500).replace(/[^\x20-\x7e]/g, '?') : 'refused without a reason',
  };
}
