/**
 * `node start` up to the point at which it is refused, or would take part: the production member, on simulated ports.
 *
 * Source: contract §1; pitfalls O1 to O8. What is refused must be refused before anything is changed.
 */
import type { Disk } from '../ports/disk.ts';
import type { RandomnessPort } from '../ports/randomness.ts';
import { DirectoryHeldError, type World } from '../ports/world.ts';
import type { LogApplication } from '../runtime/application.ts';
import type { FormationView, ListedMember } from '../runtime/formation.ts';
import type { Logger } from '../runtime/logger.ts';
import { Member } from '../runtime/member.ts';
import { simulatedDigest } from './digest.ts';
import type { SimulatedProcess } from './process.ts';
import { firstProgram, type Program } from './program.ts';

export interface StartAttemptOptions {
  readonly name: string;
  readonly disk: Disk;
  /** Another process has the directory. */
  readonly held?: boolean;
  readonly cell: readonly ListedMember[];
  readonly cellName: string;
  readonly expectCell?: string;
  /** That is started; the first one where absent. */
  readonly program?: Program;
  readonly process: SimulatedProcess;
  readonly randomness: RandomnessPort;
  /** Asks whoever is reached at `url`; null when nobody answers. */
  readonly ask: (url: string) => Promise<FormationView | null>;
  readonly logger: Logger;
}

/** It was not refused: it would open the data directory and take part. */
export class WouldTakePart extends Error {}

export class StartAttempt {
  readonly #member: Member<unknown, LogApplication<unknown>>;

  constructor(options: StartAttemptOptions) {
    const { name, process, randomness } = options;
    const world: World = {
      clocks: process,
      randomness,
      digest: simulatedDigest,
      openDirectory: (path) =>
        options.held === true
          ? Promise.reject(new DirectoryHeldError(path, null))
          : Promise.resolve({ disk: options.disk, release: () => Promise.resolve() }),
      createNetwork: () => {
        throw new WouldTakePart();
      },
      askPeer: (url) => options.ask(url),
      readPeerRequest: () => Promise.resolve({}),
      answerPeer: (_request, response, { document }) => (response as unknown as Asked).answer(document),
    };
    this.#member = new Member(
      {
        name,
        dataDir: `data of ${name}`,
        cell: options.cell,
        cellName: options.cellName,
        expectCell: options.expectCell ?? null,
        secret: null,
        quarantineLeftovers: false,
        ...(options.program ?? firstProgram),
      },
      world,
      options.logger,
      {
        makeApplication: () => {
          throw new WouldTakePart();
        },
        onFatal: () => undefined,
        onRemoved: () => undefined,
      },
    );
  }

  /** @throws {OperatorError} when it is refused; {WouldTakePart} when it is not. Never resolves while it waits for others. */
  async run(): Promise<void> {
    await this.#member.join();
  }

  /** What it tells another member about itself. */
  view(): Promise<FormationView | null> {
    return new Promise((resolve) => {
      const asked: Asked = { answer: (document) => resolve(isView(document) ? document : null) };
      const request = { url: '/peer/v1/formation' } as Parameters<World['answerPeer']>[0];
      this.#member.handlePeerRequest(request, asked as unknown as Parameters<World['answerPeer']>[1]);
    });
  }

  stop(): Promise<void> {
    return this.#member.close();
  }
}

interface Asked {
  readonly answer: (document: unknown) => void;
}

const isView = (document: unknown): document is FormationView =>
  typeof document === 'object' && document !== null && 'state' in document;
