/** A process of its own that writes until it is killed, and says what is durable: `instance promise boot` a line. */
import fs from 'node:fs';
import { NodeDisk } from '../../src/adapters/disk-node/node-disk.ts';
import { entry, handle, open, takeOptions, view, write } from './support.ts';

const storage = await open(await NodeDisk.open(process.argv[2] as string), { segmentBytes: 64 * 1024 });
const { recovered } = storage;
let next = Math.max(recovered.snapshot?.handle.instance ?? 0, recovered.entries.at(-1)?.instance ?? 0) + 1;
let id = 0;
let round = recovered.promise.ballot.round;
const sent = new Map<number, { instance: number; round: number }>();

const persist = (): void => {
  id++;
  const promised = id % 50 === 0 ? ++round : 0;
  storage.persist(write(id, [entry(next, { bytes: (next * 37) % 3000 })], { promised, chosenUpTo: next - 1 }));
  sent.set(id, { instance: next, round });
  next++;
};

storage.onPersisted((durable) => {
  const { instance, round: promised } = sent.get(durable) as { instance: number; round: number };
  // Straight to the pipe: what the parent reads was durable before it was written.
  fs.writeSync(1, `${instance} ${promised} ${recovered.boot.number}\n`);
  for (let i = 0; i < 3; i++) persist();
  if (id > 5000) process.exit(3);
});
storage.onFailed((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(4);
});
for (let i = 0; i < 10; i++) persist();

for (let at = next + 20; ; at += 60) {
  while (next <= at) await new Promise((resolve) => setImmediate(resolve));
  await storage.takeSnapshot(handle(at - 20), view(300), takeOptions);
  await storage.cut();
}
