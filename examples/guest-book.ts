/**
 * A guest book on the replicated log, without any database: three replicas in one process, each with its own folder.
 *
 * Run it after `npm run build`: `node --import tsx examples/guest-book.ts`. In a program of your own the import is
 * `paxosctl/log`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Application, openLog, type ReplicatedLog } from '../src/log/index.ts';

/** The whole application: a list of lines. */
export class GuestBook implements Application<number> {
  #lines: string[] = [];

  get lines(): readonly string[] {
    return this.#lines;
  }

  deliver(value: Uint8Array): number {
    return this.#lines.push(Buffer.from(value).toString('utf8'));
  }

  snapshot(): readonly Uint8Array[] {
    return this.#lines.map((line) => Buffer.from(line, 'utf8'));
  }

  restore(records: readonly Uint8Array[]): void {
    this.#lines = records.map((record) => Buffer.from(record).toString('utf8'));
  }
}

interface Guest {
  readonly book: GuestBook;
  readonly log: ReplicatedLog<number>;
}

/** Signs the book at whoever is master; asks again while nobody is. */
export async function sign(guests: readonly Guest[], line: string): Promise<number> {
  for (;;) {
    const master = guests.find(({ log }) => log.isMaster());
    const outcome = await master?.log.submit(Buffer.from(line, 'utf8'));
    if (outcome?.kind === 'delivered') return outcome.result;
    if (outcome?.kind === 'unknown') throw new Error('nobody can say whether the line was written');
    await new Promise((resolve) => void setTimeout(resolve, 20));
  }
}

export async function openGuestBooks(folder: string, ports: readonly number[]): Promise<Guest[]> {
  const members = ports.map((port, i) => ({ name: `guest-${i + 1}`, url: `http://127.0.0.1:${port}` }));
  return Promise.all(
    members.map(async ({ name }, i) => {
      const book = new GuestBook();
      const listen = { host: '127.0.0.1', port: ports[i] as number };
      const log = await openLog({ name, directory: join(folder, name), listen, members, application: book });
      return { book, log };
    }),
  );
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => void server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => void server.close(resolve))));
  return ports;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'guest-book-'));
  const guests = await openGuestBooks(folder, await freePorts(3));
  await sign(guests, 'Ada was here');
  await sign(guests, 'so was Leslie');
  const master = guests.find(({ log }) => log.isMaster());
  console.log(`${master?.log.name} is master and leaves`);
  await master?.log.close();
  const others = guests.filter((guest) => guest !== master);
  await sign(others, 'and then there were two');
  while (others.some(({ book }) => book.lines.length < 3)) await new Promise((resolve) => void setTimeout(resolve, 20));
  for (const { book, log } of others) console.log(log.name, book.lines);
  await Promise.all(others.map(({ log }) => log.close()));
  await rm(folder, { recursive: true });
}

if (process.argv[1]?.endsWith('guest-book.ts')) await main();
