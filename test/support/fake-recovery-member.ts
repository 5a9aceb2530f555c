/** A member as an operator's program of a new generation sees it: it says what the test wants, and does what it is told or refuses one step. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ReplicaStatusDocument } from '../../src/formats/http-body.ts';
import type { AttemptDocument, RecoverReport, RecoverRequest } from '../../src/formats/recovery.ts';
import { report } from './recover-report.ts';

export class FakeRecoveryMember {
  readonly name: string;
  /** The steps that it was asked for. */
  readonly asked: string[] = [];
  /** A step that it cannot do. */
  refuses = '';
  instance = 40;
  attempt: AttemptDocument | null = null;
  /** Over what it reports otherwise. */
  more: Partial<RecoverReport> = {};
  status: Partial<ReplicaStatusDocument> = {};
  /** How often it cannot say yet what it holds, as one that opens its directory. */
  opensFor = 0;
  /** Called with each step before it is done. */
  onStep: (request: RecoverRequest) => void = () => undefined;
  #server: Server | null = null;

  constructor(name: string, refuses = '') {
    this.name = name;
    this.refuses = refuses;
  }

  report(): RecoverReport {
    return report(this.name, this.instance, { attempt: this.attempt, ...this.more });
  }

  get url(): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port ?? 1}`;
  }

  async listen(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    return this;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.url === '/v1/status') return send(response, 200, this.#statusDocument());
    if (text === '') {
      if (this.opensFor-- > 0) return send(response, 503, problem('PAXOS_NOT_SERVING', 503, 'it opens its directory'));
      return send(response, 200, this.report());
    }
    const step = JSON.parse(text) as RecoverRequest;
    this.asked.push(step.op);
    this.onStep(step);
    if (step.op === this.refuses) return send(response, 422, problem('PAXOS_REFUSED', 422, 'the disk is full'));
    if (step.op === 'fence') {
      const { generation, generationId, source } = step;
      this.attempt = { generation, generationId, step: 'fenced', decision: '', source, state: null, before: null };
    }
    if (step.op === 'lift') this.attempt = null;
    const offered = step.op === 'offer' ? step.offset + Buffer.from(step.pieceBase64, 'base64').length : 0;
    send(response, 200, { report: this.report(), state: null, offered });
  }

  #statusDocument(): object {
    const { cell, generation, incarnation, members } = this.report();
    return {
      name: this.name,
      cell: { ...cell, generation },
      role: 'replica',
      voting: true,
      incarnation,
      master: null,
      members,
      instances: { chosen: this.instance, applied: this.instance, firstRetained: 1, snapshot: 0 },
      peers: [],
      leaseMs: 500,
      links: [],
      ...this.status,
    };
  }

  close(): Promise<unknown> {
    this.#server?.closeAllConnections();
    return new Promise((resolve) => (this.#server === null ? resolve(null) : this.#server.close(resolve)));
  }
}

const problem = (code: string, status: number, detail: string): object => {
  return { type: '', title: '', status, detail, code, outcome: 'none' };
};

function send(response: ServerResponse, status: number, document: object): void {
  const type = status === 200 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type });
  response.end(JSON.stringify(document));
}
