/** Many clients that come at once, as after a failover, to a front that is busy: Node.js accepts one connection a turn of its event loop. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  Arrivals,
  connectionsTogether,
  connectionsTogetherMax,
  requestsEachTurn,
  requestsWaitingMax,
} from '../../../src/runtime/http/arrivals.ts';
import { until } from '../../support/until.ts';
import { startFront } from './front.ts';

describe('requests while connections come', () => {
  const requestOf = (destroyed = false) => ({ socket: { destroyed } }) as IncomingMessage;
  const response = {} as ServerResponse;

  it('are handled at once when nobody comes, or a few', () => {
    const handled: IncomingMessage[] = [];
    const arrivals = new Arrivals((req) => handled.push(req));
    arrivals.take(requestOf(), response);
    for (let i = 1; i < connectionsTogether; i++) arrivals.connected();
    arrivals.take(requestOf(), response);
    expect(handled).toHaveLength(2);
    arrivals.close();
  });

  it('are handled a few a turn and in their order, but for those whose client has gone', async () => {
    const handled: IncomingMessage[] = [];
    const arrivals = new Arrivals((req) => handled.push(req));
    for (let i = 0; i < connectionsTogether; i++) arrivals.connected();
    const requests = Array.from({ length: 2 * requestsEachTurn + 1 }, (_, at) => requestOf(at === 1));
    for (const request of requests) arrivals.take(request, response);
    expect(handled).toEqual([]);
    await nextTurn();
    expect(handled).toEqual(requests.slice(0, requestsEachTurn).filter((_, at) => at !== 1));
    await nextTurn();
    await nextTurn();
    expect(handled).toEqual(requests.filter((_, at) => at !== 1));
    arrivals.close();
  });

  it('wait for nothing any more once nobody else is let in sooner by it', async () => {
    const handled: IncomingMessage[] = [];
    const arrivals = new Arrivals((req) => handled.push(req));
    for (let i = 0; i < connectionsTogether; i++) arrivals.connected();
    const requests = Array.from({ length: 5 * requestsEachTurn }, () => requestOf());
    for (const request of requests) arrivals.take(request, response);
    for (let i = 0; i < connectionsTogetherMax; i++) arrivals.connected();
    await nextTurn();
    expect(handled).toEqual(requests);
    arrivals.close();
  });

  it('wait in a bounded number, in their order, whatever one client sends without waiting for answers', () => {
    const handled: IncomingMessage[] = [];
    const arrivals = new Arrivals((req) => handled.push(req));
    for (let i = 0; i < connectionsTogether; i++) arrivals.connected();
    const requests = Array.from({ length: requestsWaitingMax + 1 }, () => requestOf());
    for (const request of requests) arrivals.take(request, response);
    expect(handled).toEqual(requests);
    arrivals.close();
  });
});

it('requests are handled at once where connections never cease to come', () => {
  const handled: number[] = [];
  const arrivals = new Arrivals(() => handled.push(1));
  for (let i = 0; i <= connectionsTogetherMax; i++) arrivals.connected();
  arrivals.take({ socket: { destroyed: false } } as IncomingMessage, {} as ServerResponse);
  expect(handled).toHaveLength(1);
  arrivals.close();
});

describe('a busy front to which many connect at once', () => {
  const busy = 64;
  const coming = 200;
  const sockets: net.Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  /** A connection that asks, and again where `onAnswer` says so. */
  function asking(port: number, onAnswer: () => boolean): void {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    sockets.push(socket);
    const ask = () => socket.write(`GET /v1/kv/k HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    socket.once('connect', ask);
    socket.on('data', () => onAnswer() && ask());
    socket.on('error', () => undefined);
  }

  it('lets all of them in while it answers each of the others a few times', async () => {
    const { port } = await startFront();
    let answered = 0;
    for (let i = 0; i < busy; i++) asking(port, () => ++answered > 0);
    await until('they are busy', () => answered > 20 * busy);
    answered = 0;
    let first = 0;
    for (let i = 0; i < coming; i++) asking(port, () => ++first < 0);
    await until('all that came were answered', () => first === coming);
    // Not the turns of all others for each of them.
    expect(answered).toBeLessThan(coming * 2 * requestsEachTurn);
  });
});
