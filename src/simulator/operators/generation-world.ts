/**
 * The world of the programs that make a new generation, above a simulated cell: what they do over HTTP, over connections that lose requests
 * and answers, from a desk that can be killed at any call (design §3 "Generations"; pitfall O11).
 *
 * Prices, decisions and steps are those of `src/operator`; what a member says and does is what stands behind the routes.
 */
import { errorFromProblem, OperatorError, UnreachableError } from '../../errors/index.ts';
import type { ReplicaStatusDocument } from '../../formats/http-body.ts';
import type { GenerationAttempt } from '../../formats/manifest.ts';
import type { RecoverAnswer, RecoverReport, RecoverRequest } from '../../formats/recovery.ts';
import type { GenerationWorld } from '../../operator/recovery/world.ts';
import type { DatabaseService } from '../../runtime/replica-service.ts';
import { simulatedDigest } from '../digest.ts';
import type { Machine } from '../machine.ts';
import type { Desk } from './desk.ts';
import type { OperatorFiles } from './operator-files.ts';

export interface SimulatedGenerationOptions {
  readonly desk: Desk;
  readonly files: OperatorFiles;
  readonly machines: readonly Machine[];
  /** Drawn: the id of a generation. */
  readonly newId: () => string;
  /** Before a step is asked for. */
  readonly onStep: (step: RecoverRequest) => void;
  /** Who has that address by the time that a step comes there. */
  readonly addressee: (url: string) => string;
  /** Whoever it was meant for, that one has done it. `before`: what it was stopped for when it was asked. */
  readonly onDone: (step: RecoverRequest, by: RecoverReport, before: GenerationAttempt | null) => void;
}

type Told = { readonly done: RecoverAnswer } | { readonly refused: OperatorError };

export function simulatedGenerationWorld(options: SimulatedGenerationOptions): GenerationWorld {
  const { addressee, desk, files, machines, newId, onDone, onStep } = options;
  const statusAt = (url: string): Promise<ReplicaStatusDocument | null> =>
    desk.at(
      url,
      async (service) => service.status() as ReplicaStatusDocument,
      (waiting) => waiting.status() as ReplicaStatusDocument,
    );
  return {
    ...files.port,
    survey: async () => {
      const answers = await Promise.all(
        machines.map(async ({ url }) => {
          const status = await statusAt(url);
          return { url, status, why: status === null ? 'no answer' : null, at: { wallMs: 0, tookMs: 0 } };
        }),
      );
      if (answers.every(({ status }) => status === null)) throw new UnreachableError('No replica answers.');
      return { answers };
    },
    status: statusAt,
    report: async (url) => copied(await desk.at(url, async (service) => service.recovery()?.wholeReport() ?? null)),
    step: async (url, step) => {
      onStep(step);
      const reached = addressee(url);
      const attempt = () => machines.find((it) => it.url === reached)?.storage?.manifest.attempt ?? null;
      const work = (service: DatabaseService): Promise<Told> => {
        const before = attempt();
        return carriedOut(service, copied(step), (done) => onDone(step, done.report, before));
      };
      const told = await desk.at<Told>(reached, work, opening);
      if (told === null) throw new UnreachableError(`The member at ${url} does not answer.`, { facts: { url } });
      if ('done' in told) return copied(told.done);
      throw asProblem(told.refused);
    },
    knownCell: async () => null,
    newestMark: async () => null,
    saveHeld: async (_cell, { file, member, verify }) => {
      const url = machines.find(({ name }) => name === member)?.url ?? '';
      const bytes = await desk.at(url, heldBy);
      if (bytes === null) throw new UnreachableError(`${member} did not send it to the end.`);
      await files.write(file, [bytes]);
      return verify(file);
    },
    sha256: (...parts) => simulatedDigest.sha256(...parts),
    newId,
    nowMs: () => desk.nowMs(),
    sleep: (ms) => desk.pause(ms),
  };
}

/** What a member has at this moment; null when it cannot give it. */
export async function heldBy(service: DatabaseService): Promise<Uint8Array | null> {
  const opened = await service.snapshots()?.open('current', 0);
  if (opened?.kind !== 'open') return null;
  const { download } = opened;
  try {
    return (await download.read(0, download.bytes)).slice();
  } finally {
    await download.close();
  }
}

const opening = (): Told => ({
  refused: new OperatorError('PAXOS_NOT_SERVING', 'This replica is opening its data directory.'),
});

async function carriedOut(
  service: DatabaseService,
  step: RecoverRequest,
  onDone: (done: RecoverAnswer) => void,
): Promise<Told> {
  const recovery = service.recovery();
  if (recovery === null) return opening();
  try {
    const done = await recovery.handle(step);
    onDone(done);
    return { done };
  } catch (error) {
    if (error instanceof OperatorError) return { refused: error };
    throw error;
  }
}

const asProblem = ({ code, message, facts }: OperatorError): Error =>
  errorFromProblem({
    ...{ type: 'about:blank', title: code, status: 409, detail: message, code },
    ...{ outcome: 'none', facts: { ...facts } },
  });

/** As it comes over a connection. */
const copied = <Document>(document: Document): Document => JSON.parse(JSON.stringify(document));
