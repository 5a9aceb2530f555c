/**
 * Ports for processes that are told theirs before they start, and get the same one again after a crash.
 *
 * Keeps: no port is given out twice by one process, and no two test processes of this machine give out the same one at a
 * time. Between "it is free" and the moment at which a replica binds it, and again while a killed replica is down, a port
 * looks free to everybody; so each process takes whole blocks, and holds the first port of each as long as it lives.
 */
import { createServer, type Server } from 'node:net';

/** Below the range from which systems take ports for outgoing connections, so that nobody gets one by chance meanwhile. */
const lowest = 12_000;
const highest = 32_000;
const blockPorts = 50;
const blocks = (highest - lowest) / blockPorts;

/** Never closed: they end with this process. */
const held: Server[] = [];
let left: number[] = [];

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    if (left.length === 0) left = await takeBlock();
    const port = left.shift() as number;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

/** The port before `count` ports in a row. */
export async function freeBasePort(count: number): Promise<number> {
  for (;;) {
    if (left.length < count + 1) left = await takeBlock();
    const [base, ...row] = left.splice(0, count + 1) as [number, ...number[]];
    if ((await Promise.all(row.map(isFree))).every(Boolean)) return base;
  }
}

async function takeBlock(): Promise<number[]> {
  const first = Math.floor(Math.random() * blocks);
  for (let n = 0; n < blocks; n++) {
    const start = lowest + ((first + n) % blocks) * blockPorts;
    const server = await listen(start);
    if (server === null) continue;
    held.push(server.unref());
    return Array.from({ length: blockPorts - 1 }, (_, at) => start + 1 + at);
  }
  throw new Error(`Other processes hold all ${blocks} blocks of ports from ${lowest} to ${highest}.`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === null) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Null when somebody listens there. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}
