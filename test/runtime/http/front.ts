/** A front over a fake replica on loopback, and requests to it: through undici where they are well-formed, raw where not. */
import net from 'node:net';
import { request } from 'undici';
import { afterEach } from 'vitest';
import type { HttpLimits } from '../../../src/runtime/http/limits.ts';
import { HttpFront, type HttpFrontOptions } from '../../../src/runtime/http/server.ts';
import { FakeReplicaService } from '../../support/fake-replica-service.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly bytes: Buffer;
  readonly text: string;
  /** Throws when the body is not JSON. */
  readonly json: () => Record<string, unknown>;
}

export interface RunningFront {
  readonly service: FakeReplicaService;
  readonly front: HttpFront;
  readonly url: string;
  readonly port: number;
  readonly logged: Record<string, unknown>[];
  ask(
    method: string,
    path: string,
    options?: { body?: string | Buffer; headers?: Record<string, string> },
  ): Promise<Answer>;
  /** A JSON body, declared as such. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Writes bytes on a connection of its own and reads until it is closed, or until `until` is true of what came. */
  raw(text: string | Buffer, until?: (got: string) => boolean): Promise<string>;
}

const running: HttpFront[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((front) => front.stop(0)));
});

export async function startFront(
  options: Partial<Omit<HttpFrontOptions, 'limits'>> & { limits?: Partial<HttpLimits> } = {},
): Promise<RunningFront> {
  const service = new FakeReplicaService();
  const logged: Record<string, unknown>[] = [];
  const front = new HttpFront({
    service,
    host: '127.0.0.1',
    port: 0,
    version: '0.1.0',
    processMetrics: false,
    log: (event) => logged.push(event),
    ...options,
  });
  running.push(front);
  const { port } = await front.listen();
  const url = `http://127.0.0.1:${port}`;
  service.url = url;
  const ask: RunningFront['ask'] = async (method, path, { body, headers } = {}) => {
    const answer = await request(`${url}${path}`, {
      method: method as 'GET',
      ...(body === undefined ? {} : { body }),
      headers: { ...headers },
    });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    const text = bytes.toString('utf8');
    return { status: answer.statusCode, headers: answer.headers, bytes, text, json: () => JSON.parse(text) };
  };
  return {
    service,
    front,
    url,
    port,
    logged,
    ask,
    post: (path, body, headers) =>
      ask('POST', path, {
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      }),
    raw: (text, until) => rawRequest(port, text, until),
  };
}

function rawRequest(
  port: number,
  text: string | Buffer,
  until: (got: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(text));
    const end = () => {
      socket.destroy();
      resolve(got);
    };
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      if (until(got)) end();
    });
    socket.on('error', end);
    socket.on('close', end);
  });
}

/** Polls until `condition` holds; the test's own time limit ends it otherwise. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
