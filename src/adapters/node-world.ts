/** The real world, as Node.js gives it: what `node start` hands to the runtime. */
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, resolve, sep } from 'node:path';
import type { BackupFolder } from '../ports/backups.ts';
import { DirectoryHeldError, type HostedNetwork, type NetworkOptions, type World } from '../ports/world.ts';
import { attemptsFolder } from './attempts-node/attempts-folder.ts';
import { NodeClocks } from './clocks-node/node-clocks.ts';
import { createNodeDigest } from './digest-node/digest-node.ts';
import { DirectoryInUseError, lockDirectory, NodeDisk } from './disk-node/index.ts';
import { HttpNetwork } from './network-http/http-network.ts';
import type { PeerLimits, PeerLogger } from './network-http/options.ts';
import { answerPeerJson, postPeerJson, verifyPeerJson } from './network-http/peer-request.ts';
import { NodeRandomness } from './randomness-node/node-randomness.ts';

const askTimeoutMs = 1_000;

/** One world a process is enough; replicas in one process (tests) may share it. */
export async function createNodeWorld(logger: PeerLogger, limits: Partial<PeerLimits> = {}): Promise<World> {
  const clocks = new NodeClocks();
  const randomness = new NodeRandomness();
  const digest = await createNodeDigest();
  return {
    clocks,
    randomness,
    digest,
    openDirectory,
    attempts: attemptsFolder,
    openWitness: async (path) => ({ disk: await NodeDisk.open(dirname(resolve(path))), name: basename(path) }),
    openBackups,
    createNetwork: (options: NetworkOptions): HostedNetwork =>
      new HttpNetwork({ ...options, clocks, randomness, logger, limits }),
    askPeer: async (url, path, body, secret) => {
      try {
        return await postPeerJson(url, path, body, {
          timeoutMs: askTimeoutMs,
          ...(secret === null ? {} : { secret, provenAnswer: true }),
        });
      } catch (error) {
        logger.debug({ err: error, url }, 'a listed member does not answer');
        return null;
      }
    },
    readPeerRequest: async (request, secret) => verifyPeerJson(request, secret),
    answerPeer: (request, response, { status, document, secret }) =>
      answerPeerJson(request, response, status, document, secret),
  };
}

/** Files 0600 in a folder 0700, locked for as long as this process lives. */
async function openDirectory(path: string): ReturnType<World['openDirectory']> {
  const directory = resolve(path);
  try {
    // The disk holds nothing open yet and has changed nothing but made the folder, which is what there is to lock.
    const disk = await NodeDisk.open(directory);
    const lock = await lockDirectory(directory);
    return { disk, release: () => lock.release() };
  } catch (error) {
    if (error instanceof DirectoryInUseError) throw new DirectoryHeldError(directory, null);
    throw error;
  }
}

async function openBackups(directory: string, dataDir: string): Promise<BackupFolder> {
  const disk = await NodeDisk.openPresent(directory);
  const data = await realpath(dataDir).catch(() => resolve(dataDir));
  const devices = await Promise.all([disk.root, data].map(async (it) => (await stat(it).catch(() => null))?.dev));
  const overlaps = isWithin(disk.root, data) || isWithin(data, disk.root);
  return { disk, path: disk.root, sameDisk: devices[0] !== undefined && devices[0] === devices[1], overlaps };
}

const isWithin = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}${sep}`);
