/** The log as a library (PML §3): another application than our database, replicated by real replicas on loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { freePorts, GuestBook, openGuestBooks, sign } from '../../examples/guest-book.ts';
import { openLog } from '../../src/log/index.ts';

type Guests = Awaited<ReturnType<typeof openGuestBooks>>;

let folder = '';
let open: Guests = [];

afterEach(async () => {
  await Promise.all(open.map(({ log }) => log.close()));
  open = [];
  await rm(folder, { recursive: true, force: true });
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => void setTimeout(resolve, 5));
};

test('a value submitted at the master is delivered on every replica, in one order', async () => {
  folder = await mkdtemp(join(tmpdir(), 'guest-book-test-'));
  open = await openGuestBooks(folder, await freePorts(3));
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  await Promise.all(lines.map((line) => sign(open, line)));
  await until(() => open.every(({ book }) => book.lines.length === lines.length));
  for (const { book } of open) expect(book.lines).toEqual(open[0]?.book.lines);
  expect([...(open[0]?.book.lines ?? [])].sort()).toEqual([...lines].sort());
});

test('a submit at another replica than the master has no effect and names the master', async () => {
  folder = await mkdtemp(join(tmpdir(), 'guest-book-test-'));
  open = await openGuestBooks(folder, await freePorts(3));
  await sign(open, 'first');
  const follower = open.find(({ log }) => !log.isMaster() && log.master() !== null);
  const outcome = await follower?.log.submit(Buffer.from('lost'));
  expect(outcome).toMatchObject({ kind: 'none', master: { name: open.find(({ log }) => log.isMaster())?.log.name } });
  await sign(open, 'second');
  await until(() => open.every(({ book }) => book.lines.length === 2));
  for (const { book } of open) expect(book.lines).toEqual(['first', 'second']);
});

test('a replica that comes back has everything, from its own disk and from the others', async () => {
  folder = await mkdtemp(join(tmpdir(), 'guest-book-test-'));
  const ports = await freePorts(3);
  open = await openGuestBooks(folder, ports);
  await sign(open, 'before');
  await until(() => open.every(({ book }) => book.lines.length === 1));
  const [left, ...rest] = [...open].sort((a, b) => Number(a.log.isMaster()) - Number(b.log.isMaster())) as Guests;
  await left?.log.close();
  open = rest;
  await sign(open, 'meanwhile');
  const members = ports.map((port, i) => ({ name: `guest-${i + 1}`, url: `http://127.0.0.1:${port}` }));
  const name = left?.log.name as string;
  const book = new GuestBook();
  const port = ports[members.findIndex((member) => member.name === name)] as number;
  const listen = { host: '127.0.0.1', port };
  const log = await openLog({ name, directory: join(folder, name), listen, members, application: book });
  open.push({ book, log });
  await until(() => book.lines.length === 2);
  expect(book.lines).toEqual(['before', 'meanwhile']);
});
