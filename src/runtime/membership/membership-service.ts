/**
 * Changes of the membership at the master: asks everybody how they are, judges, proposes one logged change, and answers when
 * it governs. One request at a time; what was done already is done.
 *
 * Source: design §3 "Membership"; contract §2 (`/v1/members`); pitfalls P39, P45, P47, P49, O9-O11.
 */
import { type Configuration, type Member, memberId } from '../../core/consensus/configuration.ts';
import type { Instance, ReplicaId } from '../../core/consensus/identity.ts';
import type { Facts } from '../../errors/operator-error.ts';
import { isSupported, levelsText } from '../../formats/levels.ts';
import { type ClockPort, fromNow } from '../../ports/clocks.ts';
import type { LogReplica } from '../log-replica.ts';
import type { Logger } from '../logger.ts';
import type { OpenUpgrade } from '../open-upgrade.ts';
import type { ConditionDocument, IdentityDocument } from './documents.ts';
import type { PeerQuestions } from './peer-questions.ts';
import { type MemberCondition, type MemberRequest, type PlannedChange, planChange, type Situation } from './plan.ts';

/** How long a change may take to be chosen and to govern; a healthy cell takes some round trips. */
const changeMsMax = 6_000;
const pollMs = 5;
/** How long another change that is under way is waited for before this one is refused. */
const othersMsMax = 2_000;

export interface ChangeOptions {
  readonly dryRun: boolean;
  readonly allowNoSpare: boolean;
}

/** What a replica found out about another one's address. */
export interface Probe {
  /** Who asked. */
  readonly from: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface ChangeReport {
  readonly plan: PlannedChange;
  /** From which instance the present membership governs. */
  readonly version: number;
  /** The member that it was about, as it is now. */
  readonly member: Member | null;
  readonly probes: readonly Probe[];
  readonly warnings: readonly string[];
}

export type ChangeResult =
  | { readonly kind: 'done'; readonly report: ChangeReport }
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly message: string;
      readonly facts: Facts;
      readonly suggestions: readonly string[];
    }
  /** This replica would have to go itself: somebody else must lead first. */
  | { readonly kind: 'hand-over' }
  | { readonly kind: 'not-master' }
  /** Proposed, and its fate is not known, or not known to as many as decide; asked again, it says. */
  | { readonly kind: 'unknown'; readonly message: string };

/** What of the log is needed here, whatever application stands on it. */
export type MemberLog = Pick<
  LogReplica<unknown>,
  'self' | 'core' | 'appliedUpTo' | 'stopped' | 'frozen' | 'isServing' | 'changeConfiguration' | 'recentDigests'
>;

export interface MembershipOptions {
  readonly log: MemberLog;
  readonly questions: PeerQuestions;
  readonly clocks: ClockPort;
  readonly logger: Logger;
  /** Of the program that runs here. */
  readonly version: string;
  /** That the cell is at. */
  level(): number;
  /** See {@link Situation.upgrade}. */
  openUpgrade(): OpenUpgrade | null;
}

export class MembershipService {
  readonly #options: MembershipOptions;
  #busy: Promise<unknown> | null = null;
  #carriedOut: MemberRequest | null = null;
  #proposing = false;
  readonly #broughtForth = new Set<ReplicaId>();

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** A change is on its way that may still be chosen, or does not govern yet: no upgrade begins meanwhile. */
  get isChanging(): boolean {
    return this.#proposing || !this.#isSettled;
  }

  /**
   * A change of this process brought that incarnation into the cell while its mastership was unbroken, so nobody else can have handed
   * the identity out before.
   */
  broughtForth(id: ReplicaId): boolean {
    return this.#broughtForth.has(id);
  }

  /** Carries out `request`, or says what it would do. */
  async change(request: MemberRequest, options: ChangeOptions): Promise<ChangeResult> {
    if (options.dryRun) return this.#change(request, options);
    const deadline = this.#nowMs + othersMsMax;
    while (this.#busy !== null) {
      if (this.#nowMs >= deadline) {
        return this.#changing();
      }
      await this.#pause();
    }
    const work = this.#change(request, options);
    this.#busy = work;
    this.#carriedOut = request;
    try {
      return await work;
    } finally {
      this.#busy = null;
      this.#carriedOut = null;
    }
  }

  #changing(): ChangeResult {
    const { kind = null, name = null } = this.#carriedOut ?? {};
    const what = kind === null ? '' : ` (${kind} ${name})`;
    const message = `Another change of the membership${what} is under way.`;
    const suggestions = ['paxosctl members list', 'paxosctl status'];
    return { kind: 'refused', code: 'PAXOS_MEMBERSHIP_CHANGING', message, facts: { kind, name }, suggestions };
  }

  async #change(request: MemberRequest, { dryRun, allowNoSpare }: ChangeOptions): Promise<ChangeResult> {
    const { log } = this.#options;
    if (!log.isServing()) return { kind: 'not-master' };
    await this.#settled(othersMsMax);
    // They answer before the last of them has: what was applied here meanwhile is nothing that they are behind.
    const { appliedUpTo } = log;
    const probing = request.kind === 'add' ? this.#probe(request) : Promise.resolve(nobodyAsked);
    const [asked, conditions] = await Promise.all([probing, this.#conditions()]);
    if (!log.isServing()) return { kind: 'not-master' };
    const plan = planChange(
      request,
      this.#situation({ appliedUpTo, conditions, notReady: asked.notReady, allowNoSpare }),
    );
    if (plan.kind === 'refused') return { ...plan, facts: { ...plan.facts, probes: asked.probes } };
    if (dryRun) return this.#done(request, plan, asked);
    if (plan.kind === 'nothing') return this.#whenSettled(request, plan, asked);
    if (!plan.configuration.members.some((member) => memberId(member) === log.self && member.role === 'voter')) {
      return { kind: 'hand-over' };
    }
    const known = new Set(this.#latest().configuration.members.map(memberId));
    const { epoch } = log.core;
    // In the step in which it was judged: from here on no upgrade is opened, and none was.
    this.#proposing = true;
    const outcome = await this.#propose(plan.configuration).finally(() => {
      this.#proposing = false;
    });
    if (outcome === 'changed' && log.isServing() && log.core.epoch === epoch) {
      const ids = this.#latest().configuration.members.map(memberId);
      for (const id of ids) if (!known.has(id)) this.#broughtForth.add(id);
    }
    if (outcome === 'refused') return log.isServing() ? this.#changing() : { kind: 'not-master' };
    if (outcome === 'unknown') {
      return { kind: 'unknown', message: 'The change was proposed, and its fate could not be learned.' };
    }
    this.#options.logger.info({ ...request, ...plan.after }, 'the membership has changed');
    return this.#whenSettled(request, plan, asked);
  }

  /** Done is what governs, and is known to as many as decide; before that the loss of one member could leave it to those given up. */
  async #whenSettled(request: MemberRequest, plan: PlannedChange, asked: Asked): Promise<ChangeResult> {
    if (await this.#settled(changeMsMax)) return this.#done(request, plan, asked);
    const { from } = this.#latest();
    const message = `The membership from instance ${from} on was chosen, and a majority of its voters is not known to have heard so.`;
    return { kind: 'unknown', message };
  }

  #done(request: MemberRequest, plan: PlannedChange, { probes, warnings: found }: Asked): ChangeResult {
    const { configuration, from } = this.#latest();
    const member = configuration.members.find(({ name }) => name === request.name) ?? null;
    const silent = probes
      .filter(({ ok }) => !ok)
      .map(({ from: who, detail }) => `${who} could not be asked: ${detail}`);
    const warnings = [...plan.warnings, ...found, ...silent];
    return { kind: 'done', report: { plan, version: from, member, probes, warnings } };
  }

  #latest(): { readonly configuration: Configuration; readonly from: number } {
    return this.#options.log.core.configurations.at(-1) as { configuration: Configuration; from: number };
  }

  #situation(asked: Pick<Situation, 'appliedUpTo' | 'conditions' | 'notReady' | 'allowNoSpare'>): Situation {
    return {
      ...asked,
      configuration: this.#latest().configuration,
      settled: this.#isSettled,
      master: this.#options.log.self,
      upgrade: this.#options.openUpgrade(),
    };
  }

  /** Every member is asked now: what was heard of it before says nothing about this moment. */
  async #conditions(): Promise<ReadonlyMap<ReplicaId, MemberCondition>> {
    const { log, questions } = this.#options;
    const others = this.#latest().configuration.members.filter((member) => memberId(member) !== log.self);
    const answers = await Promise.all(others.map((member) => questions.condition(member)));
    // Those whose acknowledgements do not come, whatever they answer to a question.
    const unheard = new Set(log.core.unheard(this.#options.clocks.now()));
    return new Map(
      others.map((member, i) => {
        const answer = answers[i] ?? null;
        const id = memberId(member);
        const silent = whySilent(member, answer, unheard.has(id));
        const condition: MemberCondition =
          answer === null || silent !== null
            ? { silent, voting: false, appliedUpTo: answer?.appliedUpTo ?? 0, agrees: null }
            : {
                silent: null,
                voting: answer.participation === 'voting',
                appliedUpTo: answer.appliedUpTo,
                agrees: log.recentDigests.agreesWith(answer.digests),
              };
        return [id, condition];
      }),
    );
  }

  /** Before anything is proposed: is it the replica that is meant, with nothing on its disk, and does every voter reach it? */
  async #probe({ name, url }: Extract<MemberRequest, { kind: 'add' }>): Promise<Asked> {
    const { log, questions } = this.#options;
    const known = this.#latest().configuration.members;
    if (known.some((member) => member.name === name)) return nobodyAsked;
    const identity = await questions.identity(url);
    const own = (ok: boolean, detail: string): Probe => ({ from: nameOf(known, log.self), ok, detail });
    if (identity === null) {
      const notReady = `no replica answers at ${url} with the right secret`;
      return { notReady, probes: [own(false, notReady)], warnings: [] };
    }
    const wrong = problemOf(identity, name, url) ?? this.#unspoken(identity);
    if (wrong !== null) return { notReady: wrong, probes: [own(false, wrong)], warnings: [] };
    const probes = [own(true, `version ${identity.version}, data directory empty`)];
    const voters = known.filter((member) => member.role === 'voter' && memberId(member) !== log.self);
    const { token } = identity;
    const answers = await Promise.all(voters.map((voter) => questions.probe(voter, { url, name, token })));
    let notReady: string | null = null;
    for (const [i, voter] of voters.entries()) {
      const answer = answers[i] ?? null;
      if (answer === null) probes.push({ from: voter.name, ok: false, detail: 'it does not answer' });
      else if (answer.problem === null) probes.push({ from: voter.name, ok: true, detail: 'reached' });
      else {
        notReady ??= `${voter.name} does not reach it at ${url}: ${answer.problem}`;
        probes.push({ from: voter.name, ok: false, detail: answer.problem });
      }
    }
    const { version } = this.#options;
    const mixed = `${name} runs version ${identity.version}, and the master version ${version}: two versions are for upgrades alone.`;
    return { notReady, probes, warnings: identity.version === version ? [] : [mixed] };
  }

  /** It would end at its first start in this cell (pitfall U4). */
  #unspoken({ name, version, levels }: IdentityDocument): string | null {
    const level = this.#options.level();
    if (isSupported(level, levels)) return null;
    return `the program of ${name}, version ${version}, speaks ${levelsText(levels)}, and the cell is at level ${level}`;
  }

  async #propose(configuration: Configuration): Promise<'changed' | 'refused' | 'unknown'> {
    const { log } = this.#options;
    const deadline = this.#nowMs + changeMsMax;
    const judged = this.#latest().from;
    for (;;) {
      // What was judged is the members of then, with or without a vote.
      if (this.#latest().from !== judged) return 'refused';
      const outcome = await new Promise<'changed' | 'refused' | 'unknown'>((resolve) =>
        log.changeConfiguration(configuration, resolve),
      );
      // Refused until the lease was renewed in the configuration in force (pitfall P39): a heartbeat does that.
      const again = outcome === 'refused' && log.isServing() && this.#isSettled && this.#nowMs < deadline;
      if (!again) return outcome;
      await this.#pause();
    }
  }

  get #isSettled(): boolean {
    return this.#options.log.core.configurations.length === 1;
  }

  /**
   * Until the newest configuration governs the next instance and as many as decide know it; false when the time is over before.
   */
  async #settled(msMax: number): Promise<boolean> {
    const { log } = this.#options;
    const deadline = this.#nowMs + msMax;
    const isKnown = (): boolean => {
      const [first] = log.core.configurations;
      return this.#isSettled && first !== undefined && log.core.isAppliedByQuorum((first.from - 1) as Instance);
    };
    while (!isKnown() && this.#nowMs < deadline && !log.stopped) await this.#pause();
    return isKnown();
  }

  get #nowMs(): number {
    return this.#options.clocks.now().monotonicMs;
  }

  #pause(): Promise<void> {
    const { clocks } = this.#options;
    const at = fromNow(clocks, pollMs);
    return new Promise((resolve) => void clocks.schedule(at, resolve));
  }
}

interface Asked {
  readonly notReady: string | null;
  readonly probes: readonly Probe[];
  readonly warnings: readonly string[];
}

const nobodyAsked: Asked = { notReady: null, probes: [], warnings: [] };

/** Why this member cannot be counted on now, whatever it says of itself; null when it can. */
function whySilent({ url }: Member, answer: ConditionDocument | null, unheard: boolean): string | null {
  if (answer === null) return `it does not answer at ${url}`;
  if (!answer.durable) return 'it answers, and its disk makes nothing durable';
  return unheard ? 'it answers, and has acknowledged nothing to the master for two leases' : null;
}

const nameOf = (members: readonly Member[], id: ReplicaId): string =>
  members.find((member) => memberId(member) === id)?.name ?? id;

/** Why the replica that answers is not the one that may be admitted as `name`; null when it is. */
export function problemOf(
  identity: { readonly name: string; readonly state: string; readonly cell: string | null },
  name: string,
  url: string,
): string | null {
  if (identity.name !== name) return `${url} answers as ${identity.name}, not as ${name}`;
  if (identity.state === 'waiting') return null;
  if (identity.cell !== null) return `${url} answers as a member of cell ${identity.cell}`;
  return `${identity.name} at ${url} does not wait to be admitted: start it with --join`;
}
