/** What the process on one machine asks those on others, and what it answers them: formation, admission, and whatever else goes below `/peer/v1/`. */
import type { FormationView } from '../runtime/formation.ts';
import type { Machine } from './machine.ts';
import type { MachineOptions } from './machine-options.ts';
import type { MemberProcess } from './member-process.ts';
import type { SimulatedProcess } from './process.ts';
import { simulatedCell } from './replica-life.ts';
import type { StartAttempt } from './start-attempt.ts';

/** As long as a real replica waits for an answer. */
const askPeerMsMax = 2_000;

/** Who answers on a machine: the production member, or a process that found an empty directory, or neither. */
export interface Answering {
  readonly member: MemberProcess | null;
  readonly starting: StartAttempt | null;
}

export class MachineQuestions {
  readonly #machine: Machine;
  readonly #options: MachineOptions;
  readonly #answering: () => Answering;

  constructor(machine: Machine, options: MachineOptions, answering: () => Answering) {
    this.#machine = machine;
    this.#options = options;
    this.#answering = answering;
  }

  /** What a member says about itself to one that is about to start; null when it does not answer. */
  async formationView(): Promise<FormationView | null> {
    const { name, listedMembers, log, process } = this.#machine;
    const { member, starting } = this.#answering();
    if (member !== null) return (await this.answer('/peer/v1/formation', {})) as FormationView | null;
    if (starting !== null) return starting.view();
    if (log === null || process?.paused === true) return null;
    const members = log.core.configuration.members.map((it) => it.name);
    const cell = { id: simulatedCell.id, members, appliedUpTo: log.appliedUpTo };
    return { name, cellName: 'simulated', members: listedMembers, state: 'formed', document: null, cell };
  }

  /** `process`, on this machine, asks whoever is at `url` what it knows of the cell. */
  async askFormation(process: SimulatedProcess, url: string): Promise<FormationView | null> {
    const { network, peers } = this.#options;
    const { name, listedMembers } = this.#machine;
    const peer = listedMembers.find((member) => member.url === url)?.name ?? '';
    const legMs = network.faults.delayMsMin + network.faults.delayMsMean;
    const reached = await process.promise(legMs, () => network.reaches(name, peer));
    const view = reached ? ((await peers(peer)?.questions.formationView()) ?? null) : null;
    return process.promise(legMs, () => view);
  }

  /** Whoever listens here answers a question of another replica; null when nobody does. */
  async answer(path: string, body: unknown): Promise<unknown> {
    const { member } = this.#answering();
    if (member === null || this.#machine.process?.paused !== false) return null;
    return member.answer(path, body);
  }

  /** `process`, on this machine, asks whoever is at `url`; null when there is no answer in time. */
  async ask(process: SimulatedProcess, url: string, path: string, body: unknown): Promise<unknown> {
    const { network, observer, peers, scheduler } = this.#options;
    const { name, log } = this.#machine;
    const peer = peers(new URL(url).hostname.replace(/\.simulated$/, ''));
    const legMs = network.faults.delayMsMin + network.faults.delayMsMean;
    const asked = async (): Promise<unknown> => {
      const reached = await process.promise(legMs, () => peer !== undefined && network.reaches(name, peer.name));
      const answer = reached ? ((await peer?.questions.answer(path, body)) ?? null) : null;
      return process.promise(legMs, () => answer);
    };
    const told = observer.changes.asks(process.name, path, {
      atMs: scheduler.nowMs,
      monotonicMs: process.now().monotonicMs,
      appliedUpTo: log?.appliedUpTo ?? 0,
    });
    const answer = await Promise.race([asked(), process.promise(askPeerMsMax, () => null)]);
    told(answer);
    return answer;
  }
}
