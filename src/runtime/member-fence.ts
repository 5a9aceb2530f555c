/** The fence of one running member: what it remembers lies in its storage, and what it finds ends its log. */
import type { BootHistory } from '../core/consensus/boot-history.ts';
import type { ComparisonRule } from '../core/consensus/comparison.ts';
import type { ReplicaId } from '../core/consensus/identity.ts';
import { UsageError } from '../errors/index.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { World } from '../ports/world.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import { WitnessFile } from '../storage/witness-file.ts';
import { Fencing, majorityRolledBack } from './fencing.ts';
import type { LogReplica } from './log-replica.ts';
import type { Logger } from './logger.ts';
import { unusable, WitnessKeeper } from './witness-keeper.ts';

export interface MemberFenceParts {
  readonly self: ReplicaId;
  readonly storage: ReplicaStorage;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  readonly rule: ComparisonRule;
  /** Asked once connections are made. */
  readonly log: () => Pick<LogReplica<unknown>, 'compared' | 'core' | 'freeze' | 'frozen' | 'reconnect' | 'rolledBack'>;
  readonly connected: () => readonly ReplicaId[];
  /** Nothing is said, written or answered any more; that it must not is durable, if that was possible. */
  readonly onRolledBack: (evidence: string) => void;
}

/** By what rule the disk is compared before it votes. */
export async function comparisonOf(
  storage: ReplicaStorage,
  moved: string | null,
  logger: Logger,
): Promise<ComparisonRule> {
  const { copied, endLost, previousBoot, boot } = storage.recovered;
  const inPlace = moved !== null && moved === previousBoot;
  if (copied && !inPlace) {
    logger.warn({ boot: boot.id }, copiedText(boot.id));
    return 'all';
  }
  if (copied) {
    await storage.adopt();
    logger.warn({ boot: moved }, 'the data directory was moved, says the operator');
  }
  if (!endLost) return 'majority';
  logger.warn({}, endLostText);
  return 'voters';
}

/** What an operator is told of a log without its end. */
export const endLostText =
  'The end of the log is lost, and nothing on this disk tells whether a promise is lost with it. It votes once all other voters ' +
  'have confirmed that they remember no newer one; one that is gone for good is replaced first (paxosctl members replace).';

/** What an operator is told of a copied directory. */
export const copiedText = (boot: string): string =>
  'The data directory was copied or restored since it was formed. It votes once all other members have confirmed that it is as ' +
  `new as they remember, or after a start with --moved ${boot} (only where no newer directory of this member exists).`;

/** @throws {OperatorError} when the witness cannot be kept; returns null without one, and evidence when the disk is too old. */
export async function beginWitness(
  parts: WitnessParts,
): Promise<{ readonly keeper: WitnessKeeper | null; readonly evidence: string | null }> {
  const { path, storage, world, logger } = parts;
  if (path === null) return { keeper: null, evidence: null };
  if (world.openWitness === undefined) throw new UsageError('This world has no storage for a witness.');
  const { disk, name } = await world.openWitness(path).catch((error: unknown) => {
    throw unusable(path, error);
  });
  const { cell, member } = storage.manifest;
  const owner = { cellId: cell.id, member: member.name, incarnation: member.incarnation };
  const history = (): BootHistory => storage.history;
  const keeper = new WitnessKeeper({
    path,
    file: new WitnessFile(disk, name),
    owner,
    history,
    clocks: world.clocks,
    logger,
  });
  return { keeper, evidence: await keeper.begin() };
}

export interface WitnessParts {
  readonly path: string | null;
  readonly storage: ReplicaStorage;
  readonly world: Pick<World, 'clocks' | 'openWitness'>;
  readonly logger: Logger;
}

export function fenceOf(parts: MemberFenceParts): Fencing {
  const { self, storage, clocks, rule, log, connected } = parts;
  return new Fencing({
    self,
    rule,
    memory: storage.memory,
    history: () => storage.history,
    connected,
    configuration: () => log().core.configuration,
    frozen: () => log().frozen !== null,
    onCompared: (member) => {
      log().compared(member);
      const { participation } = log().core;
      if (storage.recovered.copied && participation !== 'checking' && participation !== 'waiting') adoptCopy(parts);
    },
    onRolledBack: (evidence) => void endRolledBack(parts, evidence),
    onFork: (text, facts) => {
      const { generation } = storage.manifest.cell;
      const seenAtMs = clocks.now().wallMs;
      void log().freeze(majorityRolledBack({ generation, seenBy: self, seenAtMs, text, facts }));
    },
    reconnect: (member) => log().reconnect(member),
    nowMs: () => clocks.now().monotonicMs,
  });
}

/** All others have confirmed it: from the next start on it is a directory like any other. */
function adoptCopy({ storage, logger }: MemberFenceParts): void {
  storage.adopt().then(
    () => logger.info({}, 'all other members have confirmed the copied data directory'),
    (error: unknown) => logger.warn({ err: error }, 'the copied data directory is asked about again at the next start'),
  );
}

async function endRolledBack(
  { storage, log, logger, onRolledBack }: MemberFenceParts,
  evidence: string,
): Promise<void> {
  log().rolledBack();
  try {
    await storage.setRolledBack(evidence);
  } catch (error) {
    // Whoever remembers will say so again.
    logger.error({ err: error }, 'that the disk is older than what was acknowledged could not be written down');
  }
  onRolledBack(evidence);
}
