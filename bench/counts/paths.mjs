/** The hot paths that are counted. `work(times)` does one operation so many times. */
import net from 'node:net';
import { decodeCommand, encodeCommand } from '../../src/formats/command.ts';
import { encodeMessage } from '../../src/formats/message.ts';
import { encodeValue } from '../../src/formats/value.ts';
import { encodeContent } from '../../src/formats/wal-group.ts';
import { HttpFront } from '../../src/runtime/http/server.ts';
import { Machine, multiOp, put } from '../../test/core/database/support.ts';
import { FakeReplicaService } from '../../test/support/fake-replica-service.ts';

const value = 'v'.repeat(100);
const keys = Array.from({ length: 1000 }, (_, at) => `key-${String(at).padStart(6, '0')}`);
const keyAt = (at) => keys[at % keys.length];
const putOf = (at) => multiOp({ do: [put(keyAt(at), value)] });

function database() {
  const machine = new Machine();
  machine.mastership();
  for (let at = 0; at < keys.length; at += 1) machine.run(putOf(at));
  return machine;
}

const submitted = (items) => ({ kind: 'submitted', epoch: 1, cellTimeMs: 1, items });
const ballot = { round: 7, name: 'n1', incarnation: 1 };

/** `{id, what, times, work}`; `close` ends what they started. */
export async function hotPaths() {
  const machine = database();
  const command = putOf(0);
  const bytes = encodeCommand(command);
  const front = await httpFront();
  return {
    paths: [
      {
        id: 'apply-put',
        what: 'a put applied on the database',
        times: 5_000,
        work: (times) => {
          for (let at = 0; at < times; at += 1) machine.run(putOf(at));
        },
      },
      {
        id: 'read-get',
        what: 'an entry read from the database',
        times: 20_000,
        work: (times) => {
          const { database: read } = machine;
          for (let at = 0; at < times; at += 1) read.get(keyAt(at));
        },
      },
      {
        id: 'encode-command',
        what: 'a put as the bytes of a command',
        times: 20_000,
        work: (times) => {
          for (let at = 0; at < times; at += 1) encodeCommand(command);
        },
      },
      {
        id: 'decode-command',
        what: 'the bytes of a command as a put',
        times: 20_000,
        work: (times) => {
          for (let at = 0; at < times; at += 1) decodeCommand(bytes);
        },
      },
      {
        id: 'encode-value',
        what: 'a value of 64 puts as bytes, each put',
        times: 64 * 2_000,
        work: (times) => {
          for (let at = 0; at < times; at += 64) encodeValue(submitted(Array(64).fill(bytes)));
        },
      },
      {
        id: 'encode-log',
        what: 'a record of the log with 64 puts, each put',
        times: 64 * 2_000,
        work: (times) => {
          for (let at = 0; at < times; at += 64) {
            encodeContent({ instance: at, ballot, value: submitted(Array(64).fill(bytes)) });
          }
        },
      },
      {
        id: 'encode-accept',
        what: 'an accept with 64 puts for a peer, each put',
        times: 64 * 200,
        work: (times) => {
          for (let at = 0; at < times; at += 64) {
            const message = { kind: 'accept', ballot, instance: at, chosenUpTo: at, leaseMs: 500 };
            encodeMessage({ ...message, value: submitted(Array(64).fill(bytes)) });
          }
        },
      },
      { id: 'http-put', what: 'a PUT through the HTTP front, both ends', times: 2_000, work: front.puts },
      { id: 'http-get', what: 'a GET through the HTTP front, both ends', times: 2_000, work: front.gets },
    ],
    close: front.close,
  };
}

/** The front over a database in memory, and one client of a few lines; what the client allocates is counted too. */
async function httpFront() {
  const service = new FakeReplicaService();
  const submit = service.submit.bind(service);
  service.submit = (command, done) => {
    service.submitted.length = 0;
    submit(command, done);
  };
  const front = new HttpFront({ service, host: '127.0.0.1', port: 0, version: '0' });
  const { port } = await front.listen();
  const head = `Host: 127.0.0.1:${port}\r\n`;
  const asked = (request) => {
    const sent = Buffer.from(request);
    return (times) =>
      new Promise((resolve, reject) => {
        let left = times;
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(sent));
        socket.once('error', reject);
        socket.once('close', resolve);
        // Answers are small and come one at a time, each in one piece.
        socket.on('data', (chunk) => {
          if (chunk.subarray(9, 12).toString('latin1') !== '200') return reject(new Error(chunk.toString('latin1')));
          left -= 1;
          if (left > 0) socket.write(sent);
          else socket.destroy();
        });
      });
  };
  return {
    puts: asked(`PUT /v1/kv/key HTTP/1.1\r\n${head}Content-Length: ${value.length}\r\n\r\n${value}`),
    gets: asked(`GET /v1/kv/key HTTP/1.1\r\n${head}\r\n`),
    close: () => front.stop(0),
  };
}
