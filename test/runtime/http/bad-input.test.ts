// biome-ignore-all lint/suspicious/noThenProperty: guard, then, else are the names of the contract.
/**
 * The bad inputs of the security checklist that reach this server, by row: each is answered with a stable code, changes
 * nothing, and the server goes on serving others.
 */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type RunningFront, startFront, statusOf } from './front.ts';

const quick = {
  headersTimeoutMs: 150,
  requestTimeoutMs: 300,
  checkIntervalMs: 20,
  answerTimeoutMs: 1000,
  probationMs: 100,
};

let front: RunningFront | null = null;

/** What must hold after every bad input. */
afterEach(async () => {
  if (front === null) return;
  const { service, ask } = front;
  expect(service.submitted).toEqual([]);
  expect((await ask('PUT', '/v1/kv/after', { body: 'x' })).status).toBe(200);
  await eventually(() => front?.front.inFlight === 0);
  front = null;
});

const start = async (options: Parameters<typeof startFront>[0] = {}): Promise<RunningFront> => {
  front = await startFront({ ...options, limits: { ...quick, ...options.limits } });
  return front;
};

const head = (lines: string[]): string => `${lines.join('\r\n')}\r\n\r\n`;
const codeOf = (answer: string): string => /"code":"(\w+)"/.exec(answer)?.[1] ?? answer;

/** Writes one byte at a time, slower than any limit, until the other side closes. */
function drip(port: number, first: string, slowly: string): Promise<string> {
  return new Promise((resolve) => {
    let got = '';
    let at = 0;
    let timer: NodeJS.Timeout | undefined;
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(first);
      timer = setInterval(() => {
        if (!socket.destroyed) socket.write(slowly[at++ % slowly.length] as string);
      }, 25);
    });
    socket.on('data', (chunk) => {
      got += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearInterval(timer);
      resolve(got);
    });
  });
}

describe('bad input', () => {
  it('1: a header that drips in is cut at the time limit', async () => {
    const { port } = await start();
    expect(statusOf(await drip(port, 'GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\n', 'x'))).toBe(408);
  });

  it('2: a body that drips in is cut with 408', async () => {
    const { port } = await start();
    const request = head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 100000']);
    const answer = await drip(port, request, 'x');
    expect([statusOf(answer), codeOf(answer)]).toEqual([408, 'PAXOS_REQUEST_TIMEOUT']);
  });

  it('3: idle connections above the limit are refused, and peers are still served', async () => {
    const { port, ask } = await start({
      limits: {
        connectionsPerAddressMax: 20,
        connectionsForPeers: 3,
        headersTimeoutMs: 5000,
        requestTimeoutMs: 5000,
      },
      handlePeer: (_, res) => res.end('peer'),
    });
    const sockets = Array.from({ length: 40 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    // 20 stay, 3 more wait in the reserve until they have shown what they are, the others are closed at once.
    await eventually(() => sockets.filter((it) => it.destroyed || it.closed).length >= 17);
    await eventually(() => sockets.filter((it) => it.destroyed || it.closed).length === 20);
    expect((await ask('GET', '/peer/v1/challenge')).text).toBe('peer');
    const client = await ask('GET', '/healthz');
    expect([client.status, client.json().code]).toEqual([503, 'PAXOS_TOO_MANY_CONNECTIONS']);
    for (const socket of sockets) socket.destroy();
    await eventually(() => sockets.every((it) => it.closed));
    let status = 503;
    while (status !== 200) status = (await ask('GET', '/healthz')).status;
  });

  it('4: a header block above 16 KiB is 431, by size and by number', async () => {
    const { raw } = await start();
    const long = head(['GET /v1/kv/a HTTP/1.1', 'Host: localhost', `X-Long: ${'x'.repeat(17 * 1024)}`]);
    const many = head([
      'GET /v1/kv/a HTTP/1.1',
      'Host: localhost',
      ...Array.from({ length: 5000 }, (_, i) => `X-${i}: 1`),
    ]);
    const above = head(['GET /v1/kv/a HTTP/1.1', 'Host: localhost', ...Array.from({ length: 1000 }, () => 'a:')]);
    for (const request of [long, many, above]) {
      const answer = await raw(request);
      expect([statusOf(answer), codeOf(answer)]).toEqual([431, 'PAXOS_HEADERS_TOO_LARGE']);
    }
  });

  it('4: no header is dropped silently because there are many', async () => {
    const { raw } = await start();
    const fillers = Array.from({ length: 900 }, () => 'a:');
    const answer = await raw(
      head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', ...fillers, 'If-Match: nonsense', 'Content-Length: 0']),
      (got) => got.includes('}'),
    );
    expect(codeOf(answer)).toBe('PAXOS_BAD_HEADER');
  });

  it('5: a body one byte above the limit is 413, declared or not, and the connection is closed', async () => {
    const { raw, ask } = await start();
    const size = 256 * 1024 + 1;
    expect((await ask('PUT', '/v1/kv/a', { body: Buffer.alloc(size) })).json().code).toBe('PAXOS_TOO_LARGE');
    const chunked = Buffer.concat([
      Buffer.from(head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked'])),
      Buffer.from(`${size.toString(16)}\r\n`),
      Buffer.alloc(size, 'x'),
      Buffer.from('\r\n0\r\n\r\n'),
    ]);
    const answer = await raw(chunked);
    expect([statusOf(answer), codeOf(answer)]).toEqual([413, 'PAXOS_TOO_LARGE']);
  });

  it('5: an endless chunked body is 413, seen by a client that is still sending', async () => {
    const { port } = await start();
    const answer = await new Promise<string>((resolve) => {
      let got = '';
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.write(head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Transfer-Encoding: chunked']));
        const more = () => {
          if (!socket.destroyed) socket.write(chunk, () => setImmediate(more));
        };
        more();
      });
      socket.on('data', (bytes) => {
        got += bytes;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(got));
    });
    expect([statusOf(answer), codeOf(answer)]).toEqual([413, 'PAXOS_TOO_LARGE']);
  });

  it('6: a length that contradicts the transfer coding is 400 and the connection is closed', async () => {
    const { raw } = await start();
    const both = head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 5', 'Transfer-Encoding: chunked']);
    expect(statusOf(await raw(`${both}0\r\n\r\n`))).toBe(400);
    const two = head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 1', 'Content-Length: 2']);
    expect(statusOf(await raw(`${two}xx`))).toBe(400);
  });

  it('6: a length larger than the body is never a write', async () => {
    const { raw } = await start();
    const larger = head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 50']);
    expect(statusOf(await raw(`${larger}short`))).toBe(408);
  });

  it.each([
    ['a bare line feed', 'GET /v1/kv/a HTTP/1.1\nHost: localhost\n\n'],
    ['a folded header', 'GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n  folded\r\n\r\n'],
    ['NUL in a header', 'GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nX-A: \0\r\n\r\n'],
    ['GET with a body', 'GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx'],
    [
      'GET with a chunked body',
      'GET /v1/kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['no Host', 'GET /v1/kv/a HTTP/1.1\r\n\r\n'],
    ['no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('7: %s is 400', async (_, bytes) => {
    const { raw } = await start();
    const answer = await raw(bytes);
    expect([statusOf(answer), codeOf(answer)]).toEqual([400, 'PAXOS_BAD_REQUEST']);
  });

  it('7: CONNECT is 405 with a problem document', async () => {
    const { raw } = await start();
    const answer = await raw(head(['CONNECT example.com:443 HTTP/1.1', 'Host: example.com:443']));
    expect([statusOf(answer), codeOf(answer)]).toEqual([405, 'PAXOS_METHOD_NOT_ALLOWED']);
    expect(answer).toContain('Allow: ');
  });

  it('8: a thousand pipelined requests are answered in order', async () => {
    const { raw, service } = await start();
    for (let i = 0; i < 1000; i++) {
      service.entries.set(`k${i}`, { value: Buffer.from(`<${i}>`), createRevision: 1, revision: 1, version: 1 });
    }
    const requests = Array.from({ length: 1000 }, (_, i) => head([`GET /v1/kv/k${i} HTTP/1.1`, 'Host: localhost']));
    const got = await raw(requests.join(''), (it) => it.includes('<999>'));
    expect([...got.matchAll(/<(\d+)>/g)].map((it) => Number(it[1]))).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('9: a client that goes away in the middle of a body leaves nothing behind', async () => {
    const { port, front: running } = await start();
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(`${head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 1000'])}half`);
    });
    await eventually(() => running.inFlight === 1);
    socket.destroy();
    await eventually(() => running.inFlight === 0);
  });

  it('10: names of object properties are keys like any other', async () => {
    const { post, service } = await start();
    for (const key of ['__proto__', 'constructor.prototype', 'toString', 'hasOwnProperty']) {
      const body = {
        guard: [{ key, test: 'absent' }],
        then: [
          { op: 'put', key, value: 'x' },
          { op: 'get', key },
        ],
      };
      expect((await post('/v1/multiop', body)).json()).toMatchObject({ succeeded: true });
    }
    expect([...service.entries.keys()]).toHaveLength(4);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    service.submitted.length = 0;
  });

  it.each([
    ['10: a field named __proto__', '{"__proto__":{"polluted":1}}', 'PAXOS_BAD_JSON'],
    ['10: an escaped field __proto__', '{"\\u005f_proto__":{}}', 'PAXOS_BAD_JSON'],
    ['10: a field named constructor', '{"constructor":{"prototype":1}}', 'PAXOS_BAD_BODY'],
    ['11: deep nesting', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, 'PAXOS_BAD_JSON'],
    ['12: duplicate keys', '{"then":[],"then":[]}', 'PAXOS_BAD_JSON'],
    ['12: duplicate keys, one escaped', '{"then":[],"th\\u0065n":[]}', 'PAXOS_BAD_JSON'],
    ['13: 1e400', '{"guard":[{"key":"a","test":"revision","revision":1e400}]}', 'PAXOS_BAD_JSON'],
    ['13: -0', '{"guard":[{"key":"a","test":"revision","revision":-0}]}', 'PAXOS_BAD_JSON'],
    ['13: beyond 2^53', '{"guard":[{"key":"a","test":"revision","revision":9007199254740993}]}', 'PAXOS_BAD_JSON'],
    ['13: a fraction', '{"guard":[{"key":"a","test":"revision","revision":0.1}]}', 'PAXOS_BAD_JSON'],
    ['13: a negative revision', '{"guard":[{"key":"a","test":"revision","revision":-1}]}', 'PAXOS_BAD_BODY'],
    ['14: a lone surrogate', '{"then":[{"op":"get","key":"\\ud800"}]}', 'PAXOS_BAD_JSON'],
    ['14: surrogates in the wrong order', '{"then":[{"op":"get","key":"\\udc00\\ud800"}]}', 'PAXOS_BAD_JSON'],
    ['14: a byte order mark', '\ufeff{}', 'PAXOS_BAD_JSON'],
    ['15: an empty key', '{"then":[{"op":"get","key":""}]}', 'PAXOS_KEY_EMPTY'],
    ['15: a long key', `{"then":[{"op":"get","key":"${'k'.repeat(1025)}"}]}`, 'PAXOS_KEY_TOO_LONG'],
    [
      '18: too many operations',
      `{"then":[${Array(10_001).fill('{"op":"get","key":"a"}').join()}]}`,
      'PAXOS_MULTIOP_TOO_MANY_PARTS',
    ],
    ['18: an unknown operation', '{"then":[{"op":"increment","key":"a"}]}', 'PAXOS_BAD_BODY'],
    ['20: an array for an object', '[]', 'PAXOS_BAD_BODY'],
    ['20: null', 'null', 'PAXOS_BAD_BODY'],
    ['20: a string', '"x"', 'PAXOS_BAD_BODY'],
    ['20: an object for an array', '{"then":{}}', 'PAXOS_BAD_BODY'],
    ['20: a number in a string', '{"guard":[{"key":"a","test":"revision","revision":"1"}]}', 'PAXOS_BAD_BODY'],
    ['20: a number for a value', '{"then":[{"op":"put","key":"a","value":1}]}', 'PAXOS_BAD_BODY'],
    ['20: a value in two ways', '{"then":[{"op":"put","key":"a","value":"x","valueBase64":"eA=="}]}', 'PAXOS_BAD_BODY'],
    ['20: no value', '{"then":[{"op":"put","key":"a"}]}', 'PAXOS_BAD_BODY'],
    ['20: bad base64', '{"then":[{"op":"put","key":"a","valueBase64":"eA"}]}', 'PAXOS_BAD_BODY'],
    ['20: an unknown field', '{"then":[],"unless":[]}', 'PAXOS_BAD_BODY'],
    ['20: no JSON', '{', 'PAXOS_BAD_JSON'],
    ['20: an open string', '{"then', 'PAXOS_BAD_JSON'],
    ['20: nothing', '', 'PAXOS_BAD_JSON'],
    ['20: a body after the body', '{} {}', 'PAXOS_BAD_JSON'],
  ])('%s in a MultiOp is 400', async (_, body, code) => {
    const { post } = await start();
    const answer = await post('/v1/multiop', body);
    expect([answer.status, answer.json().code, answer.json().outcome]).toEqual([400, code, 'none']);
  });

  it.each([
    ['invalid UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['an overlong form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ])('14: %s in a body is 400', async (_, body) => {
    const { ask } = await start();
    const answer = await ask('POST', '/v1/multiop', { body, headers: { 'content-type': 'application/json' } });
    expect([answer.status, answer.json().code]).toEqual([400, 'PAXOS_BAD_JSON']);
  });

  it.each([
    ['', 400, 'PAXOS_KEY_EMPTY'],
    ['.', 400, 'PAXOS_BAD_KEY'],
    ['..', 400, 'PAXOS_BAD_KEY'],
    ['%2e%2E', 400, 'PAXOS_BAD_KEY'],
    ['../../etc/passwd', 400, 'PAXOS_BAD_KEY'],
    ['a/../b', 400, 'PAXOS_BAD_KEY'],
    ['a/%2e%2e/b', 400, 'PAXOS_BAD_KEY'],
    ['%00', 403, 'PAXOS_KEY_RESERVED'],
    ['%00epoch', 403, 'PAXOS_KEY_RESERVED'],
    ['%', 400, 'PAXOS_BAD_KEY'],
    ['%zz', 400, 'PAXOS_BAD_KEY'],
    ['%ff', 400, 'PAXOS_BAD_KEY'],
    ['%c0%af', 400, 'PAXOS_BAD_KEY'],
    ['%ed%a0%80', 400, 'PAXOS_BAD_KEY'],
    ['\xff', 400, 'PAXOS_BAD_REQUEST'],
    ['x'.repeat(1025), 400, 'PAXOS_KEY_TOO_LONG'],
    ['%F0%9F%98%80'.repeat(257), 400, 'PAXOS_KEY_TOO_LONG'],
  ])('14, 15: the path key %j is %i %s', async (key, status, code) => {
    const { raw } = await start();
    const request = Buffer.from(
      `${head([`PUT /v1/kv/${key} HTTP/1.1`, 'Host: localhost', 'Content-Length: 1'])}x`,
      'latin1',
    );
    const answer = await raw(request, (got) => got.includes('"outcome"'));
    expect([statusOf(answer), codeOf(answer)]).toEqual([status, code]);
  });

  it('18: a MultiOp of nothing, and one that names a key twice, have a meaning', async () => {
    const { post, service } = await start();
    expect((await post('/v1/multiop', {})).json()).toMatchObject({ succeeded: true, guard: [], results: [] });
    const operations = [
      { op: 'put', key: 'a', value: '1' },
      { op: 'put', key: 'a', value: '2' },
      { op: 'get', key: 'a' },
    ];
    const answer = await post('/v1/multiop', { then: operations });
    expect((answer.json().results as unknown[])[2]).toMatchObject({ found: true, value: '2' });
    service.submitted.length = 0;
  });

  it('19: system keys are 403 in guards, operations and batches', async () => {
    const { post } = await start();
    const key = '\u0000epoch';
    for (const [path, body] of [
      ['/v1/multiop', { guard: [{ key, test: 'absent' }] }],
      ['/v1/multiop', { else: [{ op: 'put', key, value: '9' }] }],
      [
        '/v1/batch',
        {
          operations: [
            { op: 'put', key: 'fine', value: '1' },
            { op: 'get', key },
          ],
        },
      ],
    ] as const) {
      const answer = await post(path, body);
      expect([answer.status, answer.json().code]).toEqual([403, 'PAXOS_KEY_RESERVED']);
    }
  });

  it('29: unknown paths, methods, content types, and long URLs', async () => {
    const { ask, raw } = await start();
    const problem = async (...request: Parameters<RunningFront['ask']>) => {
      const answer = await ask(...request);
      return [answer.status, answer.json().code];
    };
    expect(await problem('GET', '/')).toEqual([404, 'PAXOS_NOT_FOUND']);
    expect(await problem('GET', '/v2/kv/a')).toEqual([404, 'PAXOS_NOT_FOUND']);
    expect(await problem('GET', '/v1/%73tatus')).toEqual([404, 'PAXOS_NOT_FOUND']);
    expect(await problem('GET', '/v1/kv/a?nonsense=1')).toEqual([400, 'PAXOS_BAD_QUERY']);
    expect(await problem('GET', '/v1/kv?limit=1&limit=2')).toEqual([400, 'PAXOS_BAD_QUERY']);
    expect(await problem('GET', '/v1/kv?prefix=%ff')).toEqual([400, 'PAXOS_BAD_QUERY']);
    expect(await problem('POST', '/v1/multiop', { body: '{}' })).toEqual([415, 'PAXOS_MEDIA_TYPE']);
    expect(await problem('POST', '/v1/multiop', { body: '{}', headers: { 'content-type': 'text/plain' } })).toEqual([
      415,
      'PAXOS_MEDIA_TYPE',
    ]);
    // A bare POST is what any page in a browser may send here.
    expect(await problem('POST', '/v1/sessions')).toEqual([415, 'PAXOS_MEDIA_TYPE']);
    expect(await problem('PUT', '/v1/kv/a', { body: 'x', headers: { 'content-encoding': 'gzip' } })).toEqual([
      415,
      'PAXOS_MEDIA_TYPE',
    ]);
    expect(await problem('GET', `/v1/kv/${'x'.repeat(9000)}`)).toEqual([414, 'PAXOS_URL_TOO_LONG']);
    const long = await raw(head([`GET /v1/kv/${'x'.repeat(64 * 1024)} HTTP/1.1`, 'Host: localhost']));
    expect([statusOf(long), codeOf(long)]).toEqual([414, 'PAXOS_URL_TOO_LONG']);
    for (const [method, path, allow] of [
      ['PATCH', '/v1/kv/a', 'GET, HEAD, PUT, DELETE'],
      ['OPTIONS', '/v1/kv/a', 'GET, HEAD, PUT, DELETE'],
      ['PUT', '/v1/kv', 'GET, HEAD'],
      ['GET', '/v1/multiop', 'POST'],
      ['GET', '/v1/sessions/s1-0/keep-alive', 'POST'],
      ['POST', '/v1/status', 'GET, HEAD'],
    ] as const) {
      const answer = await ask(method, path);
      expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
    }
  });

  it('29: an upgrade that is no peer’s is refused', async () => {
    const { raw } = await start();
    const answer = await raw(head(['GET /v1/kv/a HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: h2c']));
    expect(statusOf(answer)).toBe(400);
  });

  it('a Host that names neither loopback nor this replica is 403 on a loopback address', async () => {
    const { ask } = await start({ hostNames: ['db.internal:7401'] });
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:7401', 'DB.internal:7401', 'db.internal']) {
      expect((await ask('GET', '/healthz', { headers: { host } })).status).toBe(200);
    }
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:7401']) {
      const answer = await ask('GET', '/healthz', { headers: { host } });
      expect([answer.status, answer.json().code]).toEqual([403, 'PAXOS_HOST_REFUSED']);
    }
  });

  it('a header of ours that stands twice is 400', async () => {
    const { raw } = await start();
    const request = head([
      'PUT /v1/kv/a HTTP/1.1',
      'Host: localhost',
      'If-Match: "1"',
      'if-match: "2"',
      'Content-Length: 0',
    ]);
    expect(codeOf(await raw(request, (got) => got.includes('"outcome"')))).toBe('PAXOS_BAD_HEADER');
  });

  it('more requests than may wait are refused before any work', async () => {
    const { ask, service, front: running } = await start({ limits: { requestsInFlightMax: 2 } });
    const held: (() => void)[] = [];
    service.intercept = (_, done) => {
      held.push(() => done({ kind: 'unknown', reason: 'timeout' }));
      return true;
    };
    const waiting = [1, 2].map(() => ask('PUT', '/v1/kv/a', { body: 'x' }));
    await eventually(() => running.inFlight === 2 && held.length === 2);
    const refused = await ask('PUT', '/v1/kv/a', { body: 'x' });
    expect(refused.status).toBe(503);
    expect(refused.headers['retry-after']).toBe('1');
    expect(refused.json()).toMatchObject({ code: 'PAXOS_OVERLOADED', outcome: 'none' });
    expect(service.submitted).toHaveLength(2);
    // Reads do not wait, so they are not refused.
    expect((await ask('GET', '/v1/kv/a')).status).toBe(404);
    for (const answer of held) answer();
    await Promise.all(waiting);
    service.intercept = null;
    service.submitted.length = 0;
  });

  it('more body bytes than may be read at a time are refused', async () => {
    const { ask } = await start({ limits: { bodyBytesInFlightMax: 1000 } });
    expect((await ask('PUT', '/v1/kv/a', { body: Buffer.alloc(1001) })).json().code).toBe('PAXOS_OVERLOADED');
  });
});

it('9: a client that goes away before the answer leaves an unknown outcome in the log', async () => {
  const { port, service, logged, front: running } = await startFront();
  let answer: (() => void) | undefined;
  service.intercept = (_, done) => {
    answer = () => done({ kind: 'unknown', reason: 'timeout' });
    return true;
  };
  const socket = net.connect(port, '127.0.0.1', () => {
    socket.write(`${head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 1'])}x`);
  });
  await eventually(() => answer !== undefined);
  socket.destroy();
  await eventually(() => running.connections === 0);
  answer?.();
  expect(logged).toContainEqual({ kind: 'client-gone', method: 'PUT', outcome: 'unknown' });
  expect(running.inFlight).toBe(0);
});

it('21: numbers of a session that are replayed, of another session, or out of range do it no harm', async () => {
  const { ask, post, service } = await startFront();
  const { session } = (await post('/v1/sessions', {})).json();
  const put = (key: string) => ask('PUT', '/v1/kv/a', { body: 'x', headers: { 'Idempotency-Key': key } });
  expect((await put(`${session}/1`)).json().revision).toBe(1);
  expect((await put(`${session}/1`)).json().revision).toBe(1);
  expect((await put('s999-0/1')).json().code).toBe('PAXOS_SESSION_EXPIRED');
  for (const bad of [
    `${session}/-1`,
    `${session}/9007199254740992`,
    `${session}/01`,
    `${session}/`,
    `${session}/1e3`,
  ]) {
    expect((await put(bad)).status).toBe(400);
  }
  expect((await put(`${session}/2`)).json().revision).toBe(2);
  expect(service.revision).toBe(2);
});

it.each([
  [
    'a body longer than its Content-Length',
    `${head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 3'])}abcdef`,
  ],
  [
    'a malformed request pipelined behind it',
    `${head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 3'])}abc\x00nonsense\r\n\r\n`,
  ],
])('6: a write that is under way is never answered for by %s: the connection is cut', async (_, bytes) => {
  const { raw, service } = await startFront();
  // Never answered here: whether it is chosen is open.
  service.intercept = () => true;
  expect(await raw(bytes)).toBe('');
});

it('6: bytes that arrive while a write waits for the log do not answer for it', async () => {
  const { port, service } = await startFront();
  service.intercept = () => true;
  let got = '';
  let closed = false;
  const socket = net.connect(port, '127.0.0.1', () => {
    socket.write(`${head(['PUT /v1/kv/a HTTP/1.1', 'Host: localhost', 'Content-Length: 1'])}x`);
  });
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  await eventually(() => service.submitted.length === 1);
  socket.write('nonsense\r\n\r\n');
  await eventually(() => closed);
  expect(got).toBe('');
});
