/** Somebody between two replicas: passes bytes on, until a test tells it to do something worse. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface MiddleBox {
  readonly url: string;
  /** Changes what the dialling side sent. Several chunks or none may come out. */
  onForward: (chunk: Buffer) => readonly Buffer[];
  /** The same for the way back. */
  onBack: (chunk: Buffer) => readonly Buffer[];
  /** Stops reading on both sides; the connections stay open (pitfall N14). */
  freeze(): void;
  /** Everything that went forward since the start. */
  readonly forwarded: Buffer[];
  readonly connections: number;
  close(): Promise<void>;
}

const asItIs = (chunk: Buffer): readonly Buffer[] => [chunk];

export async function startMiddleBox(targetUrl: string): Promise<MiddleBox> {
  const sockets = new Set<Socket>();
  let frozen = false;
  let connections = 0;
  const server = createServer((near) => {
    connections++;
    const far = connect(Number(new URL(targetUrl).port), '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.on('data', (chunk: Buffer) => {
        if (one === near) box.forwarded.push(chunk);
        for (const piece of one === near ? box.onForward(chunk) : box.onBack(chunk)) other.write(piece);
      });
    }
    if (frozen) for (const socket of [near, far]) socket.pause();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const box: MiddleBox = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    onForward: asItIs,
    onBack: asItIs,
    forwarded: [],
    get connections() {
      return connections;
    },
    freeze() {
      frozen = true;
      for (const socket of sockets) socket.pause();
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return box;
}
