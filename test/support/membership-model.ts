/**
 * A cell as the commands on members see it, without replicas: the production planner judges each change, and replicas catch up
 * with every look at them. A command can be killed at any call, before it has an effect or after.
 */
import { type Configuration, type Member, memberId, numberedAt } from '../../src/core/consensus/configuration.ts';
import type { Instance, ReplicaId } from '../../src/core/consensus/identity.ts';
import { voters } from '../../src/core/consensus/quorum.ts';
import { OperatorError } from '../../src/errors/index.ts';
import type {
  CatchUpDocument,
  MembersChangeBody,
  MembersChangeDocument,
  ReplicaStatusDocument,
} from '../../src/formats/http-body.ts';
import type { MembersPort } from '../../src/operator/members/port.ts';
import { type MemberCondition, type MemberRequest, planChange } from '../../src/runtime/membership/plan.ts';

/** The command's process ended here. */
export class Killed extends Error {}

interface Replica {
  alive: boolean;
  applied: number;
}

export const urlOf = (name: string): string => `http://${name}:7401`;

export class MembershipModel implements MembersPort {
  configuration: Configuration;
  readonly replicas = new Map<string, Replica>();
  /** Every change that was made, in order. */
  readonly changes: string[] = [];
  leader = 'n1';
  /** Members that the operator's machine does not reach, and the cell does. */
  readonly outOfReach = new Set<string>();
  /** Snapshots on their way: nothing is applied meanwhile, and each look finds more of them there. */
  standsStill = false;
  readonly catchUps = new Map<string, CatchUpDocument>();
  /** The call at which the command dies, counted from 0; `after`: when it has had its effect. */
  killAt: { readonly call: number; readonly after: boolean } | null = null;
  calls = 0;
  #instance = 100;
  #now = 0;

  constructor(names: readonly string[]) {
    const members = names.map((name) => ({ name, incarnation: 1, role: 'voter' as const, url: urlOf(name) }));
    this.configuration = { members, alpha: 8, leaseMs: 500, driftPpm: 10_000 };
    for (const name of names) this.replicas.set(name, { alive: true, applied: this.#instance });
  }

  /** A replica that waits to be admitted, or comes back with what it has. */
  start(name: string, applied = 0): void {
    this.replicas.set(name, { alive: true, applied });
  }

  down(name: string): void {
    this.replicas.set(name, { alive: false, applied: 0 });
  }

  describe(): string {
    return this.configuration.members.map(({ name, role }) => `${name} ${role}`).join(', ');
  }

  get voterNames(): readonly string[] {
    return [...voters(this.configuration)].map((id) => id.split('#')[0] as string);
  }

  #call<Result>(work: () => Result): Promise<Result> {
    const call = this.calls++;
    const dies = this.killAt?.call === call ? this.killAt : null;
    if (dies !== null && !dies.after) return Promise.reject(new Killed());
    try {
      const result = work();
      return dies === null ? Promise.resolve(result) : Promise.reject(new Killed());
    } catch (error) {
      return Promise.reject(dies === null ? error : new Killed());
    }
  }

  change(body: MembersChangeBody): Promise<MembersChangeDocument> {
    return this.#call(() => this.#carryOut(requestOf(body), body.dryRun ?? false, body.allowNoSpare ?? false));
  }

  remove(name: string, options: { dryRun: boolean; allowNoSpare: boolean }): Promise<MembersChangeDocument> {
    return this.#call(() => this.#carryOut({ kind: 'remove', name }, options.dryRun, options.allowNoSpare));
  }

  #carryOut(request: MemberRequest, dryRun: boolean, allowNoSpare: boolean): MembersChangeDocument {
    const { configuration } = this;
    const waits = request.kind === 'add' ? this.replicas.get(request.name)?.alive === true : true;
    const plan = planChange(request, {
      configuration,
      settled: true,
      master: `${this.leader}#1` as ReplicaId,
      appliedUpTo: this.#instance,
      conditions: new Map(configuration.members.map((member) => [memberId(member), this.#condition(member)])),
      notReady: waits ? null : 'no replica answers',
      upgrade: null,
      allowNoSpare,
    });
    if (plan.kind === 'refused') throw new OperatorError(plan.code, plan.message, { facts: plan.facts });
    if (plan.kind === 'change' && !dryRun) {
      this.#instance += 10;
      this.configuration = numberedAt(plan.configuration, this.#instance as Instance);
      this.changes.push(`${request.kind} ${request.name}: ${this.describe()}`);
      // Each change is judged by what the members say; here it must hold at every single one.
      const well = this.configuration.members.filter(
        (member) => member.role === 'voter' && this.replicas.get(member.name)?.alive === true,
      );
      if (well.length < Math.floor(voters(this.configuration).size / 2) + 1)
        throw new Error(`no quorum: ${this.describe()}`);
    }
    const member = this.configuration.members.find(({ name }) => name === request.name);
    return {
      action: request.kind,
      name: request.name,
      dryRun,
      changed: plan.kind === 'change',
      version: this.#instance,
      member: member === undefined ? null : { ...member, voting: member.role === 'voter' },
      before: plan.before,
      after: plan.after,
      probes: [],
      warnings: plan.warnings,
    };
  }

  #condition(member: Member): MemberCondition {
    const replica = this.replicas.get(member.name);
    if (replica?.alive !== true) return { silent: 'it does not answer', voting: false, appliedUpTo: 0, agrees: null };
    const voting = member.role === 'voter';
    // An empty disk answers as nobody's.
    if (voting && replica.applied === 0)
      return { silent: 'another one answers', voting: false, appliedUpTo: 0, agrees: null };
    return { silent: null, voting, appliedUpTo: voting ? this.#instance : replica.applied, agrees: true };
  }

  master(): Promise<ReplicaStatusDocument | null> {
    return this.#call(() => this.#status(this.leader));
  }

  status(url: string): Promise<ReplicaStatusDocument | null> {
    return this.#call(() => {
      const name = [...this.replicas.keys()].find((candidate) => urlOf(candidate) === url) ?? '';
      const replica = this.replicas.get(name);
      if (replica?.alive !== true || this.outOfReach.has(name)) return null;
      const catchUp = this.catchUps.get(name);
      if (catchUp !== undefined) {
        const bytes = catchUp.bytes + (this.standsStill ? 0 : 2 ** 20);
        if (bytes < catchUp.totalBytes) this.catchUps.set(name, { ...catchUp, bytes });
        else this.catchUps.delete(name);
        return this.#status(name);
      }
      replica.applied = Math.min(this.#instance, replica.applied + 60);
      return this.#status(name);
    });
  }

  /** Of it only what the commands look at. */
  #status(name: string): ReplicaStatusDocument {
    const member = this.configuration.members.find((candidate) => candidate.name === name);
    return {
      name,
      role: member === undefined ? 'waiting' : name === this.leader ? 'master' : 'replica',
      incarnation: member?.incarnation ?? 0,
      peers: [...this.replicas].filter(([, { alive }]) => alive).map(([peer]) => peer),
      catchUp: this.catchUps.get(name) ?? null,
      instances: {
        chosen: 0,
        applied: name === this.leader ? this.#instance : (this.replicas.get(name)?.applied ?? 0),
        firstRetained: 1,
        snapshot: 0,
      },
      members: this.configuration.members.map((each) => ({ ...each, voting: each.role === 'voter' })),
    } as unknown as ReplicaStatusDocument;
  }

  nowMs(): number {
    return this.#now;
  }

  async pause(ms: number): Promise<void> {
    this.#now += ms;
  }
}

function requestOf({ name, url, role, replaces, rebuild }: MembersChangeBody): MemberRequest {
  if (rebuild === true) return { kind: 'rebuild', name, incarnation: null };
  if (url !== undefined) return { kind: 'add', name, url, replaces: replaces ?? null, vote: role === 'voter' };
  return { kind: 'promote', name };
}
