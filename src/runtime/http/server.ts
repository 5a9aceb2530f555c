/**
 * The HTTP front of one replica: bare `node:http`, a route table, limits on everything a client can take.
 *
 * Source: contract §2; design §5 "Overload never turns into failover"; docs/adr/0006-http-front.md.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ErrorCode } from '../../errors/catalogue.ts';
import { AddressInUseError } from '../../errors/start-errors.ts';
import { problemAnswer, writeText } from './answers.ts';
import { Arrivals } from './arrivals.ts';
import { answerClientError, answerOnSocket } from './client-error.ts';
import { Connections } from './connections.ts';
import { Deadlines } from './deadlines.ts';
import { Exchange } from './exchange.ts';
import type { FrontState, HttpLog } from './front-state.ts';
import { Hosts, isLoopback } from './hosts.ts';
import { keyFromPath } from './keys.ts';
import { defaultHttpLimits, type HttpLimits } from './limits.ts';
import { ListViews } from './list-views.ts';
import { HttpMetrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import { isFault, type Query, readQuery } from './query.ts';
import { readHeaders } from './request-headers.ts';
import { type Endpoint, Router } from './router.ts';
import { routeTable } from './routes.ts';
import type { ReplicaService } from './service.ts';
import { Watchers } from './watchers.ts';

export interface HttpFrontOptions {
  readonly service: ReplicaService;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Of this program, for the OpenAPI document. */
  readonly version: string;
  /** Host names (with or without port) under which clients reach this replica, beside those of loopback. */
  readonly hostNames?: readonly string[];
  readonly limits?: Partial<HttpLimits>;
  /** Requests to `/peer/v1/…`, which are not of this front. Absent: there are none. */
  readonly handlePeer?: (req: IncomingMessage, res: ServerResponse) => void;
  /** Upgrades at `/peer/v1/…`; the socket is the handler's from then on. */
  readonly handleUpgrade?: (req: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly log?: HttpLog;
  /** Metrics of the process beside ours; off in tests, which run many fronts in one process. */
  readonly processMetrics?: boolean;
}

const kvPrefix = '/v1/kv/';
const peerPrefix = '/peer/v1/';
const noQuery: Query = new Map();

export class HttpFront {
  readonly #server: Server;
  readonly #state: FrontState;
  readonly #router: Router;
  readonly #connections: Connections;
  readonly #arrivals = new Arrivals((req, res) => this.#handle(req, res));
  readonly #hosts: Hosts;
  readonly #limits: HttpLimits;
  readonly #options: HttpFrontOptions;
  readonly #sweeper: NodeJS.Timeout;
  #stopping = false;

  constructor(options: HttpFrontOptions) {
    const limits: HttpLimits = { ...defaultHttpLimits, ...options.limits };
    const metrics = new HttpMetrics({ defaults: options.processMetrics ?? true });
    const routes = routeTable(limits);
    let openApi: string | null = null;
    this.#options = options;
    this.#limits = limits;
    this.#router = new Router(routes, metrics);
    this.#hosts = new Hosts(isLoopback(options.host) ? (options.hostNames ?? []) : null);
    this.#connections = new Connections(limits, () => {
      metrics.connectionsRefused += 1;
    });
    this.#state = {
      service: options.service,
      limits,
      deadlines: new Deadlines(limits.answerTimeoutMs),
      metrics,
      views: new ListViews(limits),
      watchers: new Watchers(() => options.service, limits),
      log: options.log ?? (() => {}),
      openApi: () => {
        openApi ??= JSON.stringify(openApiDocument(routes, options.version));
        return openApi;
      },
      inFlight: 0,
      bodyBytes: 0,
    };
    metrics.observe(this.#state, () => this.#connections.open);
    this.#server = this.#createServer();
    this.#sweeper = setInterval(
      () => {
        this.#connections.sweep();
        this.#state.views.dropOld();
      },
      Math.min(limits.checkIntervalMs, limits.probationMs),
    );
    this.#sweeper.unref();
  }

  #createServer(): Server {
    const limits = this.#limits;
    const server = createServer(
      {
        insecureHTTPParser: false,
        // Checked by #handle, which answers with a document.
        requireHostHeader: false,
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.headersTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.keepAliveTimeoutMs,
        connectionsCheckingInterval: limits.checkIntervalMs,
        noDelay: true,
      },
      (req, res) => this.#arrive(req, res),
    );
    // Headers above this count would be dropped without a word, a condition among them; #handle counts them instead.
    server.maxHeadersCount = 0;
    server.timeout = limits.stalledTimeoutMs;
    server.on('connection', (socket: Socket) => {
      this.#arrivals.connected();
      this.#connections.accept(socket);
    });
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => this.#upgrade(req, socket, head));
    server.on('connect', (_: IncomingMessage, socket: Duplex) => this.#connect(socket as Socket));
    server.on('clientError', (error, socket) => {
      const status = answerClientError(error, socket as Socket, this.#state.service.position());
      if (status !== null) this.#state.metrics.malformed.answered(status);
    });
    return server;
  }

  /** @throws {AddressInUseError} when the address cannot be listened on. */
  listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE' || error.code === 'EADDRNOTAVAIL' || error.code === 'EACCES';
        reject(taken ? new AddressInUseError({ host, port }, error) : error);
      });
      // Room for a burst of clients that come back at once after a failover.
      this.#server.listen({ host, port, backlog: 511 }, () => {
        this.#server.removeAllListeners('error');
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Requests that wait for something now. */
  get inFlight(): number {
    return this.#state.inFlight;
  }

  /** Open connections, those of peers included. */
  get connections(): number {
    return this.#connections.open;
  }

  /** Accepts no more; lets what is in flight be answered for `graceMs`, then cuts what is left, peers' included. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#state.watchers.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([closed, grace]);
    clearTimeout(timer);
    this.#arrivals.close();
    this.#connections.destroyAll();
    this.#server.closeAllConnections();
    clearInterval(this.#sweeper);
    this.#state.deadlines.close();
    this.#state.metrics.close();
    await closed;
  }

  #arrive(req: IncomingMessage, res: ServerResponse): void {
    if ((req.url as string).startsWith(peerPrefix)) this.#peer(req, res);
    else this.#arrivals.take(req, res);
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    const url = req.url as string;
    if (this.#stopping || this.#connections.crowded) res.shouldKeepAlive = false;
    if (this.#connections.onProbation(req.socket)) {
      res.shouldKeepAlive = false;
      this.#refuse(res, 'PAXOS_TOO_MANY_CONNECTIONS', 'There are as many connections as allowed.');
      return;
    }
    if (req.rawHeaders.length > 2 * this.#limits.headersMax) {
      res.shouldKeepAlive = false;
      this.#refuse(res, 'PAXOS_HEADERS_TOO_LARGE', `There are more than ${this.#limits.headersMax} headers.`);
      return;
    }
    const headers = readHeaders(req.rawHeaders);
    if (headers.host === null && req.httpVersion !== '1.0') {
      res.shouldKeepAlive = false;
      this.#refuse(res, 'PAXOS_BAD_REQUEST', 'The request has no Host header.');
      return;
    }
    if (!this.#hosts.allows(headers.host)) {
      this.#refuse(res, 'PAXOS_HOST_REFUSED', 'The Host header names neither this replica nor loopback.');
      return;
    }
    if (headers.repeated !== null) {
      this.#refuse(res, 'PAXOS_BAD_HEADER', `Header ${headers.repeated} stands twice.`);
      return;
    }
    if (url.length > this.#limits.urlBytesMax) {
      this.#refuse(res, 'PAXOS_URL_TOO_LONG', `The URL is longer than ${this.#limits.urlBytesMax} bytes.`);
      return;
    }
    const method = req.method as string;
    if ((method === 'GET' || method === 'HEAD') && (headers.contentLength ?? headers.transferEncoding) !== null) {
      if (headers.contentLength !== '0') {
        res.shouldKeepAlive = false;
        this.#refuse(res, 'PAXOS_BAD_REQUEST', 'A GET carries no body.');
        return;
      }
    }
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    let endpoint: Endpoint | undefined;
    let parameter: string;
    let key: string | null = null;
    if (path.startsWith(kvPrefix)) {
      endpoint = this.#router.kv.byMethod.get(method);
      if (endpoint === undefined) return this.#wrongMethod(res, this.#router.kv.allow);
      const named = keyFromPath(path.slice(kvPrefix.length));
      if (typeof named !== 'string') return this.#refuse(res, named.code, named.detail);
      key = named;
      parameter = named;
    } else {
      const routed = this.#router.find(method, path);
      if (routed.kind === 'unknown') return this.#refuse(res, 'PAXOS_NOT_FOUND', 'Nothing is served at this path.');
      if (routed.kind === 'wrong-method') return this.#wrongMethod(res, routed.allow);
      endpoint = routed.endpoint;
      parameter = routed.parameter;
    }
    const query = mark === -1 ? noQuery : readQuery(url.slice(mark + 1), endpoint.queryNames);
    if (isFault(query)) return this.#refuse(res, query.code, query.detail);
    const { counts } = endpoint;
    endpoint.route.handle(new Exchange(this.#state, req, res, { headers, counts, parameter, query, key }));
  }

  #wrongMethod(res: ServerResponse, allow: string): void {
    this.#refuse(res, 'PAXOS_METHOD_NOT_ALLOWED', `The path takes ${allow}.`, ['Allow', allow]);
  }

  #refuse(res: ServerResponse, code: string, detail: string, headers: readonly string[] = []): void {
    const answer = problemAnswer(code, detail, { headers });
    this.#state.metrics.malformed.answered(answer.status);
    writeText(res, answer.status, answer.headers, answer.body, this.#state.service.position());
  }

  #peer(req: IncomingMessage, res: ServerResponse): void {
    const { handlePeer } = this.#options;
    if (handlePeer === undefined) this.#refuse(res, 'PAXOS_NOT_FOUND', 'Nothing is served at this path.');
    else if (this.#connections.becomePeer(req.socket)) handlePeer(req, res);
    else {
      res.shouldKeepAlive = false;
      this.#refuse(res, 'PAXOS_TOO_MANY_CONNECTIONS', 'There are as many peer connections as allowed.');
    }
  }

  #upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { handleUpgrade } = this.#options;
    const forPeers = (req.url as string).startsWith(peerPrefix) && handleUpgrade !== undefined;
    if (!forPeers || this.#stopping || !this.#connections.becomePeer(socket as Socket)) {
      this.#refuseOnSocket(socket as Socket, 'PAXOS_BAD_REQUEST', 'Nothing is upgraded at this path.');
      return;
    }
    // Its owner decides from now on how long it may be silent.
    (socket as Socket).setTimeout(0);
    handleUpgrade(req, socket, head);
  }

  #connect(socket: Socket): void {
    const allow = 'GET, PUT, POST, DELETE';
    this.#refuseOnSocket(socket, 'PAXOS_METHOD_NOT_ALLOWED', 'This is no proxy.', ['Allow', allow]);
  }

  /** The socket has been taken from the server: nobody else listens to its errors, and requests before it may wait. */
  #refuseOnSocket(socket: Socket, code: ErrorCode, detail: string, headers: readonly string[] = []): void {
    socket.on('error', () => {});
    const current = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
    if (current !== null || !socket.writable) {
      socket.destroy();
      return;
    }
    const status = answerOnSocket(socket, this.#state.service.position(), { code, detail, headers });
    this.#state.metrics.malformed.answered(status);
  }
}
