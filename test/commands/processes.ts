/** Ports and processes of tests that start real ones. */
import { createServer } from 'node:net';

/** The port before `count` free ones in a row. Another process may take one meanwhile; then the test says so. */
export async function freeBasePort(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const base = 20_000 + Math.floor(Math.random() * 30_000);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(base + at + 1)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`No ${count} free ports in a row were found.`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
