/** The files of this machine, to be looked at and never changed: what `verify data-dir` and `snapshot inspect` work on. */
import { resolve } from 'node:path';
import type { OfflineWorld } from '../ports/world.ts';
import { createNodeDigest } from './digest-node/digest-node.ts';
import { DirectoryInUseError, lockDirectory, NodeDisk } from './disk-node/index.ts';

export async function createOfflineWorld(): Promise<OfflineWorld> {
  return {
    digest: await createNodeDigest(),
    wallMs: () => Date.now(),
    openReadOnly: (path) => NodeDisk.openReadOnly(resolve(path)),
    inUse,
  };
}

/** By taking the lock for a moment. It lies outside of the directory. */
async function inUse(path: string): Promise<boolean> {
  try {
    await (await lockDirectory(resolve(path))).release();
    return false;
  } catch (error) {
    if (error instanceof DirectoryInUseError) return true;
    throw error;
  }
}
