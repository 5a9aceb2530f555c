/** A second process under the name of a member, on a copy of its directory, beside the one that runs (pitfall O2). */
import type { Random } from '../core/random.ts';
import type { ListedMember } from '../runtime/formation.ts';
import type { Logger } from '../runtime/logger.ts';
import type { SimulatedAttempts } from './attempts.ts';
import { SimulatedDisk } from './disk.ts';
import type { HostClock } from './host-clock.ts';
import { MemberProcess } from './member-process.ts';
import type { SimulatedNetwork } from './network.ts';
import type { Observer } from './observer.ts';
import { SimulatedProcess } from './process.ts';
import type { Profile } from './profile.ts';
import type { Program } from './program.ts';
import type { LifeObserver } from './replica-life.ts';
import type { Scheduler } from './virtual-clock.ts';

export interface Twin {
  readonly name: string;
  /** Among all lives of the machine. */
  readonly nth: number;
  /** It takes the address over, or speaks from another one. */
  readonly where: 'address' | 'elsewhere';
  /** It promises or accepts. */
  readonly onVote: Observer['issued'];
  /** It ended by itself. */
  readonly onEnd: (error: Error) => void;
  readonly clock: HostClock;
  readonly random: Random;
  /** Of the one that runs. */
  readonly disk: SimulatedDisk;
  readonly cell: readonly ListedMember[];
  readonly program: Program;
  readonly attempts: SimulatedAttempts;
  readonly scheduler: Scheduler;
  readonly network: SimulatedNetwork;
  readonly profile: Profile;
  readonly logger: Logger;
  readonly ask: (process: SimulatedProcess, url: string, path: string, body: unknown) => Promise<unknown>;
}

/** Returns what ends it. */
export function startTwin(options: Twin): () => void {
  const { name, cell, program, attempts, scheduler, network, profile, logger, onEnd } = options;
  const process = new SimulatedProcess({ name: `${name}/twin ${options.nth}`, scheduler, clock: options.clock });
  const random = options.random.fork(process.name);
  const schedule = (delayMs: number, callback: () => void): void =>
    void scheduler.after(delayMs, () => process.enter('io', callback), true);
  const ports = { schedule, random, now: () => scheduler.nowMs, fault: () => null };
  const disk = new SimulatedDisk(ports, options.disk.image.copy(true), { ...options.disk.knobs });
  const twin = new MemberProcess({
    ...{ name, flags: { cell }, process, disk, random, twin: options.where, program, attempts },
    randomness: { bytes: (length) => Uint8Array.from({ length }, () => random.below(256)) },
    ...{ network, profile, observer: unseen(options.onVote), logger, makeEntryStore: undefined },
    ask: (url, path, body) => options.ask(process, url, path, body),
    onEntered: () => undefined,
    onFatal: (error) => process.alive && onEnd(error),
    onRemoved: (error) => process.alive && onEnd(error),
    onRecovered: () => undefined,
    onSnapshot: () => undefined,
    onLife: () => undefined,
  });
  twin.run().catch((error: unknown) => process.alive && onEnd(error as Error));
  scheduler.settle();
  return () => {
    process.kill();
    twin.crash();
  };
}

const nothing = (): void => undefined;

/** No checker takes it for the first. */
const unseen = (issued: Observer['issued']): LifeObserver => ({
  ...{ applied: nothing, durable: nothing, issued, mastership: nothing, measured: nothing, recovered: nothing },
  proposes: nothing,
  ...{
    generationBegun: nothing,
    restored: nothing,
    snapshotCounts: nothing,
    snapshotsKept: nothing,
    snapshotsStandFor: nothing,
    stepped: nothing,
    turnsAway: nothing,
  },
  levelRaised: () => undefined,
});
