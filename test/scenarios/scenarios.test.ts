/**
 * Transcripts: steps that happen to one replica, and every effect that it answers with. `npm run scenarios:rewrite` writes
 * the effects anew; read the difference, and keep it only if each line is understood and wanted.
 *
 * A file begins with `replica c of a b c` (options: lease=, alpha=, promised=, granted=, chosen=, page=, boost=), then come
 * blocks: steps, `----`, effects. Steps are
 *
 *   deliver KIND from=a FIELD=…     a message; `nonce=` may be left out where the answer to the last question is meant
 *   persisted [COUNT]               the oldest writes become durable
 *   wait MS                         time passes, and the replica is woken
 *   submit TEXT…, restart, snapshot-taken INSTANCE, hand-over [to=b]
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Effect } from '../../src/core/consensus/effect.ts';
import type { Instance } from '../../src/core/consensus/identity.ts';
import type { Message } from '../../src/core/consensus/message.ts';
import { effectText, idText } from '../support/core-text.ts';
import { LoneReplica } from '../support/lone-replica.ts';
import * as messages from '../support/messages.ts';

type Fields = ReadonlyMap<string, string>;

/** `a=1 b="x y" c` as fields and the words that are no fields. */
function parse(text: string): { readonly fields: Fields; readonly words: readonly string[] } {
  const fields = new Map<string, string>();
  const words: string[] = [];
  for (const [, name, quoted, plain, word] of text.matchAll(/([\w-]+)=(?:"([^"]*)"|(\S+))|(\S+)/g)) {
    if (name !== undefined) fields.set(name, quoted ?? plain ?? '');
    else words.push(word as string);
  }
  return { fields, words };
}

const rewrite = (process.env.PAXOSCTL_REWRITE_SCENARIOS ?? process.env.REWRITE_SCENARIOS) === '1';

class Scenario {
  #replica: LoneReplica | null = null;

  get #lone(): LoneReplica {
    if (this.#replica === null) throw new Error('a scenario begins with `replica NAME of NAMES`');
    return this.#replica;
  }

  /** Takes one line. Returns its effects. */
  step(line: string): readonly Effect[] {
    const { fields, words } = parse(line);
    const [verb, ...rest] = words;
    switch (verb) {
      case 'replica':
        this.#replica = this.#create(rest, fields);
        return [];
      case 'deliver':
        return this.#lone.deliver(this.#text(fields, 'from'), this.#message(rest[0] ?? '', fields));
      case 'persisted':
        return rest[0] === undefined ? this.#lone.persist() : this.#lone.persist(Number(rest[0]));
      case 'wait':
        return this.#lone.wait(Number(rest[0]));
      case 'submit': {
        const before = this.#lone.effects.length;
        this.#lone.submit(...rest);
        return this.#lone.effects.slice(before);
      }
      case 'restart':
        return this.#lone.restart();
      case 'snapshot-taken':
        return this.#lone.step({
          kind: 'snapshot-taken',
          at: this.#lone.clocks,
          instance: Number(rest[0]) as Instance,
        });
      case 'hand-over': {
        const to = fields.get('to');
        return this.#lone.step({
          kind: 'hand-over',
          at: this.#lone.clocks,
          to: to === undefined ? null : messages.id(to),
        });
      }
      default:
        throw new Error(`not a step: ${line}`);
    }
  }

  #create(words: readonly string[], fields: Fields): LoneReplica {
    const [self, , ...names] = words;
    const number = (name: string): number | undefined => (fields.has(name) ? Number(fields.get(name)) : undefined);
    const entries = (fields.get('accepted') ?? '').split(' ').filter((text) => text !== '');
    const chosen = number('chosen');
    const lone = new LoneReplica({
      self: self as string,
      names,
      leaseMs: number('lease') ?? 500,
      alpha: number('alpha') ?? 64,
      ...(fields.has('promised') ? { promised: this.#text(fields, 'promised') } : {}),
      grantedMs: number('granted') ?? 0,
      entries: entries.map(messages.entry),
      ...(chosen === undefined ? {} : { chosenUpTo: chosen }),
      limits: {
        ...(fields.has('page') ? { pageBytesMax: Number(fields.get('page')) } : {}),
        ...(fields.has('boost') ? { boostEveryMs: Number(fields.get('boost')) } : {}),
        ...(fields.has('retain') ? { retainBehindSnapshotInstances: Number(fields.get('retain')) } : {}),
      },
    });
    lone.wake();
    return lone;
  }

  #text(fields: Fields, name: string): string {
    const value = fields.get(name);
    if (value === undefined) throw new Error(`${name}= is missing`);
    return value;
  }

  #message(kind: string, fields: Fields): Message {
    const number = (name: string, otherwise = 0): number => Number(fields.get(name) ?? otherwise);
    const common = {
      ballot: fields.get('ballot') ?? '0',
      nonce: number('nonce', 1),
      instance: number('instance', 1),
      from: number('instances', 1),
      chosen: number('chosen'),
    };
    const release = fields.get('release')?.split('->') ?? [];
    const entries = (fields.get('accepted') ?? '').split(' ').filter((text) => text !== '');
    switch (kind) {
      case 'pre-vote':
        return messages.preVote(common);
      case 'pre-vote-reply':
        return messages.voteFor(this.#lone.lastSent('pre-vote'), fields.get('granted') !== 'no', common.chosen);
      case 'prepare': {
        const [from, to] = release;
        if (from === undefined || to === undefined) return messages.prepare(common);
        return messages.prepare({ ...common, release: messages.release(from, to) });
      }
      case 'promise':
        return messages.promiseTo(this.#lone.lastSent('prepare'), entries);
      case 'reject': {
        const reason = this.#text(fields, 'reason') as 'promised' | 'lease' | 'behind';
        const about = fields.has('ballot')
          ? { ballot: messages.ballot(common.ballot) }
          : this.#lone.lastSent('prepare');
        return messages.rejectOf(about, reason, this.#text(fields, 'promised'), common.chosen);
      }
      case 'accept':
        return messages.accept({ ...common, value: fields.get('value') ?? 'noop', leaseMs: number('lease', 500) });
      case 'accepted':
        return messages.acceptedOf(messages.accept(common), number('applied'));
      case 'commit':
        return messages.commit(common);
      case 'catch-up':
        return { kind, nonce: common.nonce, from: number('first', 1) as Instance, to: number('last', 1) as Instance };
      case 'catch-up-reply': {
        const { nonce } = this.#lone.lastSent('catch-up');
        const [chosenUpTo, firstRetained] = [common.chosen as Instance, number('first-retained', 1) as Instance];
        return { kind, nonce, entries: entries.map(messages.entry), chosenUpTo, firstRetained };
      }
      case 'release': {
        const [from, to] = release;
        return { kind, release: messages.release(from as string, to as string) };
      }
      default:
        throw new Error(`not a message: ${kind}`);
    }
  }

  /** Wakes are left out: when it looks again is no part of what is shown. */
  text(effects: readonly Effect[]): string[] {
    const self = idText(this.#lone.self);
    return effects.filter(({ kind }) => kind !== 'wake').map((effect) => `${self} ${effectText(effect)}`);
  }
}

/** The file as it should be: every step as it stands, every effect as it is. */
function replay(source: string): string {
  const scenario = new Scenario();
  const out: string[] = [];
  let effects: string[] = [];
  let inEffects = false;
  for (const line of source.split('\n')) {
    if (inEffects && line !== '') continue;
    if (line === '----') {
      out.push(line, ...effects);
      effects = [];
      inEffects = true;
      continue;
    }
    inEffects = false;
    out.push(line);
    if (line !== '' && !line.startsWith('#')) effects.push(...scenario.text(scenario.step(line)));
  }
  return out.join('\n');
}

describe('a replica answers as written in', () => {
  const folder = import.meta.dirname;
  test.each(readdirSync(folder).filter((name) => name.endsWith('.txt')))('%s', (name) => {
    const file = path.join(folder, name);
    const written = readFileSync(file, 'utf8');
    const replayed = replay(written);
    if (rewrite) writeFileSync(file, replayed);
    else expect(replayed).toBe(written);
  });
});
