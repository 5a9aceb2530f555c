/** The fence of one running member: what it remembers lies in its storage, and what it finds ends its log. */
import type { ReplicaId } from '../core/consensus/identity.ts';
import type { ClockPort } from '../ports/clocks.ts';
import type { ReplicaStorage } from '../storage/replica-storage.ts';
import { Fencing, majorityRolledBack } from './fencing.ts';
import type { LogReplica } from './log-replica.ts';
import type { Logger } from './logger.ts';

export interface MemberFenceParts {
  readonly self: ReplicaId;
  readonly storage: ReplicaStorage;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  /** Asked once connections are made. */
  readonly log: () => Pick<LogReplica<unknown>, 'compared' | 'core' | 'freeze' | 'frozen' | 'reconnect' | 'rolledBack'>;
  readonly connected: () => readonly ReplicaId[];
  /** Nothing is said, written or answered any more; that it must not is durable, if that was possible. */
  readonly onRolledBack: (evidence: string) => void;
}

export function fenceOf(parts: MemberFenceParts): Fencing {
  const { self, storage, clocks, log, connected } = parts;
  return new Fencing({
    self,
    memory: storage.memory,
    history: () => storage.history,
    connected,
    configuration: () => log().core.configuration,
    frozen: () => log().frozen !== null,
    onCompared: (member) => log().compared(member),
    onRolledBack: (evidence) => void endRolledBack(parts, evidence),
    onFork: (text, facts) => {
      const { generation } = storage.manifest.cell;
      const seenAtMs = clocks.now().wallMs;
      void log().freeze(majorityRolledBack({ generation, seenBy: self, seenAtMs, text, facts }));
    },
    reconnect: (member) => log().reconnect(member),
  });
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
