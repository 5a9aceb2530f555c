/**
 * Free loopback ports outside of the range that the kernel gives to outgoing connections: a member that is started again
 * must find its port free although hundreds of connections were made in between.
 */
import net from 'node:net';

const lowest = 20_000;
const highest = 32_000;
const given = new Set();

/** @throws {Error} when none of many tries was free. */
export async function freePorts(count) {
  const ports = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries > 1000) throw new Error('no free ports found on 127.0.0.1');
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
