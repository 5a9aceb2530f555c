/** Who is handed an identity, and who is not: design §3 "Incarnations"; pitfalls P20, P48. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type Member, memberId } from '../../../src/core/consensus/configuration.ts';
import type { ReplicaId } from '../../../src/core/consensus/identity.ts';
import { type JoinAnswer, type JoinQuestion, paths } from '../../../src/runtime/membership/documents.ts';
import { type DeskMember, PeerDesk } from '../../../src/runtime/membership/peer-desk.ts';
import type { MemberRequest } from '../../../src/runtime/membership/plan.ts';

const url = 'http://n4:1';
const voter: Member = { name: 'n1', incarnation: 1, role: 'voter', url: 'http://n1:1' };

/** A cell with one process after the other as its master; `n4` was admitted by the first of them, as incarnation 50. */
class CellOfOne {
  /** Of whoever answers at the address of n4. */
  token = 'first';
  readonly lived = new Set<ReplicaId>();
  /** Something happens while the log decides. */
  meanwhile: () => unknown = () => undefined;
  level = 1;
  n4: Member = { name: 'n4', incarnation: 50, role: 'learner', url };
  #next = 60;
  #desk: PeerDesk;

  constructor() {
    this.#desk = this.#master(new Set([memberId(this.n4)]));
  }

  /** Another process becomes master, which has forgotten everything that is not in the log. */
  anotherMaster(): void {
    this.#desk = this.#master(new Set());
  }

  async asks(question: Partial<JoinQuestion> = {}): Promise<JoinAnswer> {
    return new Promise((resolve) => {
      const request = { url: paths.join, asked: { name: 'n4', token: this.token, ...question } };
      this.#desk.handle(request as unknown as IncomingMessage, { resolve } as unknown as ServerResponse);
    });
  }

  /** The incarnation that it is given, or the kind of the answer. */
  async given(question: Partial<JoinQuestion> = {}): Promise<number | string> {
    const answer = await this.asks(question);
    return answer.kind === 'admitted' ? answer.document.incarnation : answer.kind;
  }

  #master(broughtForth: Set<ReplicaId>): PeerDesk {
    const log = {
      ...{ self: memberId(voter), appliedUpTo: 70, isServing: () => true },
      core: {},
    };
    const configuration = () => ({ members: [voter, this.n4] });
    Object.defineProperties(log.core, {
      configuration: { get: configuration },
      configurations: { get: () => [{ from: 1, configuration: configuration() }] },
    });
    const change = async ({ incarnation }: Extract<MemberRequest, { kind: 'rebuild' }>) => {
      if (this.n4.incarnation === incarnation) {
        this.n4 = {
          ...this.n4,
          incarnation: this.#next++,
          role: this.n4.role === 'learner' ? 'learner' : 'rebuilding',
        };
        broughtForth.add(memberId(this.n4));
      }
      await this.meanwhile();
      return { kind: 'done' };
    };
    const member = {
      manifest: { cell: { id: 'cell' }, level: 1, configurations: [] },
      level: () => this.level,
      log,
      membership: { change, broughtForth: (id: ReplicaId) => broughtForth.has(id) },
      questions: { identity: async () => ({ name: 'n4', token: this.token }) },
      hasLived: (id: ReplicaId) => this.lived.has(id),
    } as unknown as DeskMember;
    return new PeerDesk({
      world: {
        readPeerRequest: async (request) => (request as unknown as { readonly asked: unknown }).asked,
        answerPeer: (_, response, { document }) =>
          (response as unknown as { resolve(document: unknown): void }).resolve(document),
      },
      clocks: {} as never,
      operatorSecret: null,
      identity: () => ({
        name: 'n1',
        token: 'master',
        version: '0',
        levels: { min: 1, max: 1 },
        state: 'member',
        cell: 'cell',
      }),
      member: () => member,
    });
  }
}

describe('the identity of a member without a vote', () => {
  it('is for the process that asks first at its address, however often it asks', async () => {
    const cell = new CellOfOne();
    expect([await cell.given(), await cell.given()]).toEqual([50, 50]);
  });

  it('comes with the level that is in force, however long ago the master started', async () => {
    const cell = new CellOfOne();
    cell.level = 3;
    expect(await cell.asks()).toMatchObject({ kind: 'admitted', document: { level: 3 } });
  });

  it('is not for a second process of that name, which gets the next one', async () => {
    const cell = new CellOfOne();
    await cell.given();
    cell.token = 'second';
    expect([await cell.given(), await cell.given()]).toEqual([60, 60]);
    expect(cell.n4.incarnation).toBe(60);
  });

  it('is handed out by no master that did not bring it forth, since another may have done so', async () => {
    const cell = new CellOfOne();
    await cell.given();
    cell.anotherMaster();
    cell.token = 'second';
    expect(await cell.given()).toBe(60);
  });

  it('is not for a replica whose own disk was of it already', async () => {
    const cell = new CellOfOne();
    expect(await cell.given()).toBe(50);
    expect(await cell.given({ rebuild: { incarnation: 50, why: 'its promises are lost' } })).toBe(60);
  });

  it('is not for a process that went while the log decided: the one that came after it has it', async () => {
    const cell = new CellOfOne();
    let second: number | string = '';
    cell.meanwhile = async () => {
      cell.token = 'second';
      second = await cell.given();
    };
    expect(await cell.given({ rebuild: { incarnation: 50, why: 'its disk is damaged' } })).toBe('wait');
    expect([second, cell.n4.incarnation]).toEqual([60, 60]);
  });

  it('is gone once it was seen to live: only who asks to be rebuilt goes on, as the next', async () => {
    const cell = new CellOfOne();
    await cell.given();
    cell.lived.add(memberId(cell.n4));
    cell.token = 'second';
    expect(await cell.given()).toBe('lost');
    expect(await cell.given({ rebuild: { incarnation: 0, why: 'its disk is lost' } })).toBe(60);
  });
});

describe('the identity of a voter', () => {
  it('is for nobody, and the next one for who asks to be rebuilt', async () => {
    const cell = new CellOfOne();
    cell.n4 = { ...cell.n4, role: 'voter' };
    expect(await cell.given()).toBe('lost');
    expect(await cell.given({ rebuild: { incarnation: 50, why: 'its disk is lost' } })).toBe(60);
    expect(cell.n4.role).toBe('rebuilding');
  });
});
