/**
 * `snapshot rehearse`: a backup is restored into a scratch cell, which is started, read out again, and must hold the same.
 *
 * A backup of which nobody knows whether it can be restored is a hope. What is compared are the digests of all entries, clients' and the
 * system's, as the running cell gives them over its own HTTP: file, loading, data directory, start, election and reading out are tried
 * at once. Sessions, epochs and the identity are a cell's own.
 */
import { mkdir, open as openFile } from 'node:fs/promises';
import http from 'node:http';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DigestSum } from '../../core/database/checksum.ts';
import { CheckFailedError, RefusedError, UnreachableError, UsageError } from '../../errors/index.ts';
import { databaseRecordCodec } from '../../formats/database-record.ts';
import { isSupported, levelsText, supportedLevels } from '../../formats/levels.ts';
import type { DigestPort } from '../../ports/digest.ts';
import type { Disk } from '../../ports/disk.ts';
import type { OfflineWorld, World } from '../../ports/world.ts';
import { readSnapshotHeader, snapshotRecords, verifySnapshot } from '../../storage/snapshot-reader.ts';
import type { Logger } from '../logger.ts';
import { type RunningReplica, startReplica } from '../replica-process.ts';
import { inspectSnapshotFile, type SnapshotFile } from '../snapshot-file.ts';
import { makeScratchCell, scratchMember } from './scratch-cell.ts';

export interface RehearsalOptions {
  readonly file: string;
  /** Empty, and gone when the caller has removed it. */
  readonly folder: string;
  readonly version: string;
  readonly timeoutMs: number;
  readonly onStep: (what: string) => void;
}

export interface RehearsedFile {
  readonly file: SnapshotFile;
  /** Of the running scratch cell. */
  readonly restored: {
    readonly cell: string;
    readonly instance: number;
    readonly entries: number;
    /** Over all entries: the same as of those in the file. */
    readonly contents: string;
  };
}

const lookEveryMs = 20;

/**
 * @throws {OperatorError} `PAXOS_SNAPSHOT_CORRUPT`, {CheckFailedError} (both exit 4) when it is not what was saved; {UnreachableError} (exit 3)
 * when the scratch cell does not serve in time.
 */
export async function rehearseBackup(
  options: RehearsalOptions,
  { offline, world, logger }: { readonly offline: OfflineWorld; readonly world: World; readonly logger: Logger },
): Promise<RehearsedFile> {
  const { folder, onStep, timeoutMs, version } = options;
  onStep('reading the file');
  const file = await inspectSnapshotFile(options.file, offline);
  if (!file.isDatabase) throw new UsageError(`File ${options.file} is of another application than the database.`);
  if (!isSupported(file.level)) {
    throw new RefusedError(
      `File ${options.file} is of level ${file.level}, and this version, ${version}, speaks ${levelsText(supportedLevels)}: it cannot be restored with it, so nothing was tried.`,
      {
        facts: { file: options.file, level: file.level, version },
        suggestions: ['paxosctl status', `/path/to/a/later/version/bin/run.js snapshot rehearse ${options.file}`],
      },
    );
  }
  const disk = await offline.openReadOnly(path.dirname(path.resolve(options.file)));
  const name = path.basename(options.file);
  const header = await readSnapshotHeader(disk, name);
  onStep('restoring it');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const dataDir = path.join(folder, 'data');
  // A scratch cell makes no backups, whatever the state says.
  const { openBackups: _, ...alone } = world;
  const made = await makeScratchCell({ disk, name, header }, { world: alone, version, dataDir, url });
  onStep('starting a cell from it');
  const replica = await startReplica(
    {
      ...{ name: scratchMember, cell: [{ name: scratchMember, url }], host: '127.0.0.1', port, version, dataDir },
      ...{ cellName: 'rehearsal', expectCell: made.cell, secret: null, quarantineLeftovers: false, checkEveryMs: 0 },
    },
    alone,
    logger,
  );
  try {
    await untilServing(replica, url, timeoutMs);
    onStep('reading it out again');
    await mkdir(path.join(folder, 'out'));
    const out = path.join(folder, 'out', 'after');
    await download(`${url}/v1/snapshots/current`, out, timeoutMs);
    const outDisk = await offline.openReadOnly(path.dirname(out));
    const after = await verifySnapshot(outDisk, 'after', null, offline.digest);
    const before = await contentsOf(disk, name, offline.digest);
    const found = await contentsOf(outDisk, 'after', offline.digest);
    if (before.sum !== found.sum || before.entries !== found.entries) {
      throw new CheckFailedError(
        `The scratch cell that was restored from ${options.file} holds other contents: ${found.entries} entries with digest ${found.sum}, saved were ${before.entries} with ${before.sum}.`,
        { facts: { before, found }, suggestions: [`paxosctl snapshot inspect ${options.file}`] },
      );
    }
    const { instance } = after.header.handle;
    return { file, restored: { cell: made.cell, instance, entries: found.entries, contents: found.sum } };
  } finally {
    await replica.stop().catch(() => undefined);
    await replica.exited.catch(() => undefined);
  }
}

async function untilServing(replica: RunningReplica, url: string, timeoutMs: number): Promise<void> {
  await replica.joined;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    if ((await statusOf(`${url}/readyz`)) === 200) return;
    if (performance.now() >= deadline) {
      throw new UnreachableError(`The scratch cell does not serve within ${Math.round(timeoutMs / 1000)} s.`);
    }
    await sleep(lookEveryMs);
  }
}

const statusOf = (url: string): Promise<number> =>
  new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', () => resolve(0));
    });
    request.on('error', () => resolve(0));
  });

/** Nothing comes for so long: it failed. */
async function download(url: string, file: string, stallMs: number): Promise<void> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const request = http.get(url, { agent: false }, resolve);
    request.on('error', reject);
    request.setTimeout(stallMs, () => void request.destroy(new Error('the scratch cell gives nothing')));
  });
  if (response.statusCode !== 200)
    throw new CheckFailedError(`The scratch cell gives no snapshot (${response.statusCode}).`);
  const handle = await openFile(file, 'wx', 0o600);
  try {
    for await (const chunk of response) await handle.write(chunk as Buffer);
  } finally {
    await handle.close();
  }
}

/** The digest of everything that a restore keeps, in whatever order. */
async function contentsOf(
  disk: Disk,
  name: string,
  digest: DigestPort,
): Promise<{ readonly sum: string; readonly entries: number }> {
  const sum = new DigestSum();
  let entries = 0;
  for await (const chunk of snapshotRecords(disk, name).chunks()) {
    for (const bytes of chunk) {
      const { kind } = databaseRecordCodec.decode(bytes);
      if (kind !== 'entry' && kind !== 'system-entry') continue;
      if (kind === 'entry') entries++;
      sum.add(digest.entry(bytes));
    }
  }
  return { sum: sum.hex(), entries };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
