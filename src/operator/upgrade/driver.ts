/**
 * Carries out what `machine.ts` decides, one action after the other, and holds the claim meanwhile.
 *
 * It may be killed anywhere: what it had decided is in the journal, what it did is seen on the members. Nothing is decided here.
 */
import { OperatorError, RefusedError } from '../../errors/index.ts';
import { HeldClaim, type JournalState, journalOf } from './claim.ts';
import { type Attempt, type Claim, type Step, withMember, withStep } from './journal.ts';
import { decide } from './machine.ts';
import { foreignResidue } from './scan-all.ts';
import { seenMember } from './seen.ts';
import { type Action, newSession, type Options, type Session } from './situation.ts';
import { type Compared, leavesUnknown, type RestartRequest, type UpgradeWorld } from './world.ts';

const pollMs = 200;

export interface DriverEvents {
  /** Something was written into the journal, or would have been. */
  step(step: Step): void;
  waiting(why: string): void;
}

export interface Driven {
  readonly code: 0 | 5 | 8;
  readonly reason: string | null;
  readonly attempt: Attempt;
  /** The journal could not be brought up to date: the cell could not choose. */
  readonly recorded: boolean;
  /** Of the cell, at the last look; null where nobody told. */
  readonly level?: number | null;
}

export interface DriveRequest {
  readonly world: UpgradeWorld;
  readonly journal: JournalState;
  readonly attempt: Attempt;
  readonly claim: Claim;
  readonly options: Options;
  readonly events: DriverEvents;
}

/** @throws {RefusedError} (exit 5) when somebody else has the claim. */
export async function drive(request: DriveRequest): Promise<Driven> {
  const { world, journal, claim, attempt } = request;
  const held = await HeldClaim.take(world, journal, claim, attempt);
  try {
    const driven = await new Driver(request, held).run();
    await held.release();
    return driven;
  } catch (error) {
    held.stop();
    if (error instanceof OperatorError) await held.release();
    throw error;
  }
}

class Driver {
  readonly #world: UpgradeWorld;
  readonly #options: Options;
  readonly #events: DriverEvents;
  readonly #held: HeldClaim;
  #attempt: Attempt;
  #session: Session = newSession;
  /** What is known here and not yet in the cell. */
  #unsaved = false;
  #level: number | null = null;

  constructor({ world, options, events, attempt }: DriveRequest, held: HeldClaim) {
    this.#world = world;
    this.#options = options;
    this.#events = events;
    this.#attempt = attempt;
    this.#held = held;
  }

  async run(): Promise<Driven> {
    for (;;) {
      if (this.#held.lost !== null) throw this.#held.lost;
      const seen = await this.#world.see(this.#attempt.members);
      this.#noteBoot(seen);
      this.#level = seenMember(seen, seen.master ?? '')?.status?.level ?? this.#level;
      const action = decide({
        attempt: this.#attempt,
        seen,
        session: this.#session,
        options: this.#options,
        nowMs: this.#world.nowMs(),
        at: this.#world.at(),
      });
      const driven = await this.#carryOut(action);
      if (driven !== null) return driven;
    }
  }

  /** The first boot of after the restart is the one that is judged; another one after it is a second start. */
  #noteBoot(seen: Awaited<ReturnType<UpgradeWorld['see']>>): void {
    const { restarted } = this.#session;
    if (restarted === null || restarted.bootSeen !== null) return;
    const before = this.#attempt.members.find(({ name }) => name === restarted.member)?.before?.boot.id;
    const boot = seenMember(seen, restarted.member)?.status?.boot.id;
    // Empty while it has not opened its data.
    if (!boot || boot === before) return;
    this.#session = { ...this.#session, restarted: { ...restarted, bootSeen: boot } };
  }

  async #carryOut(action: Action): Promise<Driven | null> {
    switch (action.do) {
      case 'journal':
        return this.#announced(action);
      case 'wait':
        return this.#wait(action);
      case 'done':
        return this.#done(action);
      case 'restart':
        return this.#restart(action);
      case 'verify':
        return this.#verify(action);
      case 'scan':
        return this.#scan(action);
      case 'backup':
        return this.#try('backup', async () => {
          const backup = await this.#world.backup(this.#attempt);
          const detail = `${backup.file}, instance ${backup.instance}, ${backup.bytes} bytes, verified`;
          return this.#said({ ...this.#attempt, backup }, null, 'backup', detail);
        });
      case 'begin':
      case 'clear':
      case 'rehearse':
        return this.#atMember(action);
      case 'transfer':
        return this.#try(`transfer ${action.from}`, async () => {
          await this.#world.transfer(action.to);
          return this.#said(this.#attempt, action.to, 'transfer', 'is master');
        });
      case 'raise':
        return this.#try('raise', async () => {
          const journal = journalOf(await this.#world.readState());
          // Raised already: the master's own status is a moment behind.
          if (journal.level >= action.level) return null;
          if (!(await this.#held.raise(journal, action.level))) throw new Error('the level was not raised');
          return this.#said(this.#attempt, null, 'level', `raised to ${action.level}`);
        });
    }
  }

  /**
   * What finalizing announces is held by the master against what each member says that it speaks: one that does not answer just now, as
   * a replica that was restarted a moment ago, is asked again.
   */
  async #announced(action: Extract<Action, { do: 'journal' }>): Promise<null> {
    const before = this.#attempt;
    const session = this.#session;
    try {
      await this.#journal(action);
    } catch (error) {
      const isRefused = error instanceof OperatorError && error.code === 'PAXOS_LEVEL_REFUSED';
      if (!isRefused || before.state !== 'upgraded' || this.#held.lost !== null) throw error;
      this.#attempt = before;
      this.#session = session;
      return this.#failed('announce', error);
    }
    return null;
  }

  async #journal({ attempt, end, back }: Extract<Action, { do: 'journal' }>): Promise<void> {
    const before = this.#attempt;
    this.#attempt = attempt;
    const last = attempt.steps.at(-1);
    if (last !== undefined && last !== before.steps.at(-1)) this.#events.step(last);
    this.#session = { ...this.#session, waiting: null, failed: null, verified: null, scanned: null };
    try {
      await this.#held.save(attempt, { end });
      this.#unsaved = false;
    } catch (error) {
      // Putting a member back waits for nothing: the way back may be what gives the cell its quorum again.
      if (!back || !(error instanceof OperatorError) || error instanceof RefusedError) throw error;
      this.#unsaved = true;
      this.#events.waiting(`not recorded yet: ${error.message}`);
    }
  }

  #said(attempt: Attempt, member: string | null, step: string, detail: string): Attempt {
    return withStep(attempt, { member, step, state: 'done', at: this.#world.at(), detail });
  }

  async #wait({ what, why }: Extract<Action, { do: 'wait' }>): Promise<null> {
    if (this.#session.waiting?.what !== what) {
      this.#session = { ...this.#session, waiting: { what, sinceMs: this.#world.nowMs() } };
    }
    this.#events.waiting(why);
    this.#session = { ...this.#session, scanned: null };
    // What could not be compared is compared again.
    if (this.#session.verified?.verdict === 'incomplete') this.#session = { ...this.#session, verified: null };
    await this.#world.sleep(pollMs);
    return null;
  }

  async #done({ code, reason }: Extract<Action, { do: 'done' }>): Promise<Driven> {
    if (this.#unsaved) {
      const deadline = this.#world.nowMs() + this.#options.stepTimeoutMs;
      while (this.#unsaved && this.#world.nowMs() < deadline) {
        try {
          await this.#held.save(this.#attempt);
          this.#unsaved = false;
        } catch (error) {
          if (!(error instanceof OperatorError) || error instanceof RefusedError) throw error;
          await this.#world.sleep(pollMs);
        }
      }
    }
    return { code, reason, attempt: this.#attempt, recorded: !this.#unsaved, level: this.#level };
  }

  async #restart({ member, version, forward }: Extract<Action, { do: 'restart' }>): Promise<null> {
    // Before anything forward the journal, and with it the claim, is certain.
    if (forward && this.#unsaved) await this.#held.save(this.#attempt);
    try {
      await this.#held.confirm();
    } catch (error) {
      if (!(error instanceof OperatorError) || error instanceof RefusedError) throw error;
      // The way back asks, and waits for nobody. Forward it is certain, or not done.
      if (forward) return this.#failed(`restart ${member.name}`, error);
    }
    const role = this.#roleOf(member.name);
    this.#session = { ...this.#session, restarted: null, verified: null, waiting: null, failed: null };
    const timeoutMs = this.#options.stepTimeoutMs;
    const end = await this.#restarted({ attempt: this.#attempt, member, version, role, timeoutMs });
    this.#session = { ...this.#session, restarted: { member: member.name, version, end, bootSeen: null } };
    return null;
  }

  /** What could not even be tried is judged like everything else: by the member, which is as it was. */
  async #restarted(request: RestartRequest): Promise<string> {
    try {
      return await this.#world.restart(request);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return `nothing was restarted: ${error.message}`;
    }
  }

  #roleOf(name: string): 'canary' | 'follower' | 'master' {
    const others = this.#attempt.members.filter((it) => it.name !== name);
    const done = others.filter(({ state }) => state === 'upgraded').length;
    return done === 0 && others.length > 0 ? 'canary' : done === others.length ? 'master' : 'follower';
  }

  async #verify({ member, boot }: Extract<Action, { do: 'verify' }>): Promise<null> {
    this.#session = { ...this.#session, verified: { member, boot, ...(await compared(this.#world)) } };
    return null;
  }

  async #scan({ turn }: Extract<Action, { do: 'scan' }>): Promise<null> {
    const scanned = { turn, findings: await foreignResidue(this.#world, this.#attempt) };
    this.#session = { ...this.#session, scanned };
    return null;
  }

  #atMember({ do: what, member }: Extract<Action, { do: 'begin' | 'clear' | 'rehearse' }>): Promise<null> {
    const { name } = member;
    const world = this.#world;
    const attempt = this.#attempt;
    return this.#try(`${what} ${name}`, async () => {
      // What is put there for an upgrade that was ended elsewhere would stay, behind the word that nothing is left.
      await this.#held.confirm();
      if (what === 'rehearse') {
        const role = this.#roleOf(name);
        const timeoutMs = this.#options.stepTimeoutMs;
        const said = await world.rehearse({ attempt, member, version: attempt.to, role, timeoutMs });
        return this.#said(withMember(attempt, name, { rehearsed: true }), name, 'rehearse', said);
      }
      if (what === 'begin') {
        await world.begin(member, manifestOf(attempt));
        return this.#said(withMember(attempt, name, { begun: true }), name, 'begin', `attempts/${attempt.attempt}`);
      }
      const scan = await world.clear(member, attempt.attempt);
      const left = scan.folders.find((folder) => folder.attempt === attempt.attempt);
      if (left !== undefined) throw new Error(`${left.files.length} files are left in attempts/${attempt.attempt}`);
      if (scan.member !== name) throw new Error(`${scan.member} answered instead of ${name}`);
      const { at, instance, signature, verifiedBy } = scan;
      const cleared = { at, signature, verifiedBy };
      const said = `signed at instance ${instance}, verified by ${verifiedBy}`;
      return this.#said(withMember(attempt, name, { cleared }), name, 'clean', said);
    });
  }

  /** An action that may fail and be tried again; what comes of it is the next state of the journal. */
  async #try(what: string, work: () => Promise<Attempt | null>): Promise<null> {
    let next: Attempt | null;
    try {
      next = await work();
    } catch (error) {
      if (this.#held.lost !== null) throw this.#held.lost;
      if (!(error instanceof Error)) throw error;
      return this.#failed(what, error);
    }
    if (next === null) await this.#world.sleep(pollMs);
    else await this.#journal({ do: 'journal', attempt: next, end: false, back: false });
    return null;
  }

  async #failed(what: string, error: Error): Promise<null> {
    const { message } = error;
    this.#session = { ...this.#session, failed: { what, why: message, judged: !leavesUnknown(error) } };
    this.#events.waiting(`${what}: ${message}`);
    if (this.#session.waiting?.what === what) await this.#world.sleep(pollMs);
    return null;
  }
}

/** What could not be asked at all is incomplete, too. */
export async function compared(world: UpgradeWorld): Promise<Compared> {
  try {
    return await world.verify();
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { verdict: 'incomplete', detail: error.message, agreeing: [] };
  }
}

const manifestOf = (attempt: Attempt) => ({
  attempt: attempt.attempt,
  from: attempt.from,
  to: attempt.to,
  startedBy: attempt.startedBy,
  at: attempt.startedAt,
  generation: attempt.generation,
  instance: attempt.mark?.instance ?? 0,
  checksum: attempt.mark?.checksum ?? '',
});
