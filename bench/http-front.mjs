/**
 * How many requests a second the HTTP front alone takes, over a database in memory without a log: an upper bound for the
 * whole replica, and the first thing to look at when that falls. Server and generator are two processes.
 *
 *     node --import tsx bench/http-front.mjs [--connections 64] [--seconds 3] [--bare]
 *
 * `--bare` measures `node:http` answering the same bytes without any of our code.
 */
import { fork } from 'node:child_process';
import { createServer } from 'node:http';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    connections: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '3' },
    bare: { type: 'boolean', default: false },
    serve: { type: 'boolean', default: false },
  },
});
const value = 'v'.repeat(100);

if (options.serve) await serve();
else await measure();

async function serve() {
  let port;
  if (options.bare) {
    const mark = 'm'.repeat(100);
    const server = createServer((req, res) => {
      const answer = (body) => {
        res.writeHead(200, [
          'Content-Type',
          'application/json',
          'Content-Length',
          String(body.length),
          'Paxos-Position',
          mark,
        ]);
        res.end(body);
      };
      if (req.method === 'GET') return answer(value);
      req.on('data', () => {});
      req.on('end', () => answer('{"revision":1,"instance":1,"epoch":1}'));
    });
    server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
  } else {
    const { HttpFront } = await import('../src/runtime/http/server.ts');
    const { FakeReplicaService } = await import('../test/support/fake-replica-service.ts');
    const service = new FakeReplicaService();
    service.cell = 'm'.repeat(100);
    const submit = service.submit.bind(service);
    service.submit = (command, done) => {
      service.submitted.length = 0;
      submit(command, done);
    };
    const front = new HttpFront({ service, host: '127.0.0.1', port: 0, version: '0' });
    ({ port } = await front.listen());
    process.send({ port });
  }
  process.on('message', () => process.send({ cpu: process.cpuUsage() }));
  process.on('disconnect', () => process.exit());
}

async function measure() {
  const child = fork(fileURLToPath(import.meta.url), ['--serve', ...(options.bare ? ['--bare'] : [])], {
    execArgv: process.execArgv,
  });
  const said = () => new Promise((resolve) => child.once('message', resolve));
  const { port } = await said();
  const cpu = async () => {
    const answer = said();
    child.send('cpu');
    const { user, system } = (await answer).cpu;
    return user + system;
  };
  const connections = Number(options.connections);
  const seconds = Number(options.seconds);
  for (const [what, request] of [
    ['put', `PUT /v1/kv/key HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${value.length}\r\n\r\n${value}`],
    ['get', 'GET /v1/kv/key HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ]) {
    await run(port, request, connections, 1);
    const before = await cpu();
    const { answers, ms } = await run(port, request, connections, seconds);
    const each = ((await cpu()) - before) / answers;
    console.log(
      `${what} ${connections} connections: ${Math.round((answers * 1000) / ms)}/s, server CPU ${each.toFixed(1)} us each`,
    );
  }
  child.disconnect();
}

/** Each connection sends its next request when the answer to the last has come. */
function run(port, request, connections, seconds) {
  const bytes = Buffer.from(request);
  let answers = 0;
  let open = true;
  const started = performance.now();
  const all = Array.from(
    { length: connections },
    () =>
      new Promise((resolve, reject) => {
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(bytes));
        let length = -1;
        let got = 0;
        socket.on('data', (chunk) => {
          if (length === -1) {
            // All answers of one run are equally long, but for growing numbers: read the length each time.
            const text = chunk.latin1Slice();
            const end = text.indexOf('\r\n\r\n');
            if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(text));
            const at = text.indexOf('Content-Length: ') + 16;
            length = end + 4 + Number(text.slice(at, text.indexOf('\r\n', at)));
          }
          got += chunk.length;
          if (got < length) return;
          length = -1;
          got = 0;
          answers += 1;
          if (open) socket.write(bytes);
          else socket.destroy();
        });
        socket.on('error', reject);
        socket.on('close', resolve);
      }),
  );
  setTimeout(() => {
    open = false;
  }, seconds * 1000);
  return Promise.all(all).then(() => ({ answers, ms: performance.now() - started }));
}
