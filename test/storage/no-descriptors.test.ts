import { describe, expect, test } from 'vitest';
import { DiskError } from '../../src/ports/disk.ts';
import { entries, formedDisk, handle, open, takeOptions, view, writeEach } from './support.ts';

// A start without descriptors told the operator that the data was corrupt, and to rebuild a replica that had lost nothing.

describe('a start that cannot open files', () => {
  test('fails as a disk does, whichever file it is, and finds everything when it may', async () => {
    const formed = await formedDisk();
    const storage = await open(formed);
    await writeEach(storage, entries(1, 5));
    await storage.takeSnapshot(handle(3), view(2), takeOptions);
    await storage.close();
    const kept = formed.crash({ writes: 'process' });
    for (const refused of ['MANIFEST', 'wal-', 'snapshot-', 'promise-']) {
      const error = await open(
        kept.copy({ fault: ({ kind, path }) => (kind === 'open' && path.startsWith(refused) ? 'error' : null) }),
      ).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error, refused).toBeInstanceOf(DiskError);
    }
    const again = await open(kept.copy({ fault: () => null }));
    expect(again.recovered.entries.at(-1)?.instance).toBe(5);
  });
});
