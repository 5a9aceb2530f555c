/** The core's data as short text: for labels of values, transcripts and messages of failures. */
import { type BadItem, endless, type ValueDigest } from '../../src/core/consensus/bad-item.ts';
import type { Ballot } from '../../src/core/consensus/ballot.ts';
import type { Configuration, Member } from '../../src/core/consensus/configuration.ts';
import type { Effect } from '../../src/core/consensus/effect.ts';
import type { ReplicaId } from '../../src/core/consensus/identity.ts';
import type { AcceptedEntry, Message, Release } from '../../src/core/consensus/message.ts';
import type { Value } from '../../src/core/consensus/value.ts';

const utf8 = new TextDecoder();
const bytes = new TextEncoder();

export const itemOf = (text: string): Uint8Array => bytes.encode(text);
export const textOf = (item: Uint8Array): string => utf8.decode(item);

/** `b` for `b#1`, `b#2` for a later incarnation. */
export const idText = (id: ReplicaId): string => (id.endsWith('#1') ? id.slice(0, -2) : id);

/** `3.b` for round 3 of `b#1`; `0` for the ballot below all. */
export const ballotText = (ballot: Ballot): string =>
  ballot.round === 0 ? '0' : `${ballot.round}.${idText(`${ballot.name}#${ballot.incarnation}` as ReplicaId)}`;

const memberText = ({ name, incarnation, role }: Member): string =>
  `${idText(`${name}#${incarnation}` as ReplicaId)}${role === 'learner' ? '(learner)' : ''}`;

export const configurationText = ({ members, alpha }: Configuration): string =>
  `${members.map(memberText).join(',')}/alpha=${alpha}`;

const labels = new WeakMap<Value, string>();

/** Equal for equal values, different for different ones. */
export function valueText(value: Value): string {
  let label = labels.get(value);
  if (label === undefined) {
    label = makeValueText(value);
    labels.set(value, label);
  }
  return label;
}

function makeValueText(value: Value): string {
  switch (value.kind) {
    case 'noop':
      return 'noop';
    case 'mastership':
      return `mastership(${idText(value.owner)} ${value.id.slice(0, 4)})`;
    case 'configuration':
      return `configuration(${configurationText(value.configuration)})`;
    case 'submitted':
      return `[${value.items.map(textOf).join(' ')}]e${value.epoch}`;
  }
}

/** 128 bits of a value's text. Pure, as the core wants it. */
export function digestOf(value: Value): ValueDigest {
  const words: [number, number, number, number] = [1, 2, 3, 4];
  const text = valueText(value);
  for (let i = 0; i < text.length; i++) {
    words[i % 4] = (Math.imul(words[i % 4] as number, 31) ^ text.charCodeAt(i)) >>> 0;
  }
  return words;
}

const badText = ({ instance, upTo, identity }: BadItem): string =>
  `${instance}${upTo === instance ? '' : upTo === endless ? '..' : `..${upTo}`}${identity === null ? '' : `@${ballotText(identity.ballot)}`}`;

const entryText = ({ instance, ballot, value }: AcceptedEntry): string =>
  `${instance}@${ballotText(ballot)}=${valueText(value)}`;

const releaseText = (release: Release | null): string =>
  release === null ? '' : ` release=${ballotText(release.ballot)}->${idText(release.successor)}`;

/** Kind and fields of a message, without nonces, which mean nothing to a reader. */
export function messageText(message: Message): string {
  switch (message.kind) {
    case 'pre-vote':
      return `pre-vote ballot=${ballotText(message.ballot)} chosen=${message.chosenUpTo}`;
    case 'pre-vote-reply':
      return `pre-vote-reply ballot=${ballotText(message.ballot)} ${message.granted ? 'granted' : 'refused'} promised=${ballotText(message.promised)} chosen=${message.chosenUpTo}`;
    case 'prepare':
      return `prepare ballot=${ballotText(message.ballot)} from=${message.from}${releaseText(message.release)}`;
    case 'promise':
      return `promise ballot=${ballotText(message.ballot)} from=${message.from} page=${message.page}${message.last ? '(last)' : ''} accepted={${message.entries.map(entryText).join(' ')}}${message.bad.length === 0 ? '' : ` bad={${message.bad.map(badText).join(' ')}}`}`;
    case 'reject':
      return `reject ballot=${ballotText(message.ballot)} reason=${message.reason} promised=${ballotText(message.promised)} chosen=${message.chosenUpTo}`;
    case 'accept':
      return `accept ballot=${ballotText(message.ballot)} instance=${message.instance} value=${valueText(message.value)} chosen=${message.chosenUpTo}`;
    case 'accepted':
      return `accepted ballot=${ballotText(message.ballot)} instance=${message.instance} chosen=${message.chosenUpTo} applied=${message.appliedUpTo}`;
    case 'commit':
      return `commit ballot=${ballotText(message.ballot)} chosen=${message.chosenUpTo}`;
    case 'catch-up':
      return `catch-up instances=${message.from}..${message.to}`;
    case 'catch-up-reply':
      return `catch-up-reply entries={${message.entries.map(entryText).join(' ')}} chosen=${message.chosenUpTo} first-retained=${message.firstRetained}`;
    case 'item-request':
      return `item-request instance=${message.instance}${message.identity === null ? '' : ` ballot=${ballotText(message.identity.ballot)}`}`;
    case 'item':
      return `item ${message.entry === null ? `${message.instance} none` : entryText(message.entry)}${message.chosen ? ' chosen' : ''}`;
    case 'unsettled':
      return `unsettled ballot=${ballotText(message.ballot)}`;
    case 'settled':
      return `settled ballot=${ballotText(message.ballot)} above=${message.above}`;
    case 'release':
      return `release${releaseText(message.release)}`;
    case 'digests': {
      const { instance, full, logChain, database } = message.digests;
      return `digests instance=${instance}${full ? ' full' : ''} log=${logChain} database=${database}${message.answer ? ' answer-wanted' : ''}`;
    }
    case 'check-wanted':
      return 'check-wanted';
    case 'frozen':
      return `frozen cause=${message.evidence.cause}`;
  }
}

export function effectText(effect: Effect): string {
  switch (effect.kind) {
    case 'persist': {
      const { write, promise, entries, chosenUpTo } = effect.request;
      const promised = promise === null ? '' : ` promised=${ballotText(promise.ballot)} lease=${promise.leaseMsMax}`;
      const accepted = entries.length === 0 ? '' : ` accepted={${entries.map(entryText).join(' ')}}`;
      return `persist #${write}${promised}${accepted} chosen=${chosenUpTo}`;
    }
    case 'send': {
      const after = effect.after === null ? '' : ` after=#${effect.after}`;
      return `send to=${idText(effect.to)} ${messageText(effect.message)}${after}`;
    }
    case 'apply': {
      const { instance, value, epoch, current, requests } = effect;
      const skipped = current ? '' : ' skipped';
      return `apply ${instance} ${valueText(value)} epoch=${epoch}${skipped}${requests === null ? '' : ` requests=${requests.join(',')}`}`;
    }
    case 'settle':
      return `settle requests=${effect.requests.join(',')} reason=${effect.reason}`;
    case 'fetch-snapshot':
      return `fetch-snapshot from=${idText(effect.provider)} above=${effect.above}`;
    case 'mastership':
      return `now ${effect.role} ballot=${ballotText(effect.ballot)} cause=${JSON.stringify(effect.cause)}`;
    case 'compared': {
      const { instance, full, judgement, silent } = effect.comparison;
      return `compared instance=${instance}${full ? ' full' : ''} ${judgement.kind}${silent.length === 0 ? '' : ` silent=${silent.map(idText).join(',')}`}`;
    }
    case 'set-aside':
      return `set-aside instance=${effect.evidence.instance} right=${effect.evidence.right} by=${effect.evidence.by}`;
    case 'taken-back':
      return `taken-back instance=${effect.instance}`;
    case 'parted':
      return 'parted';
    case 'check-wanted':
      return 'check-wanted';
    case 'fork-seen':
      return `fork-seen instance=${effect.instance} branches=${effect.branches.map(({ members }) => members.map(idText).join(',')).join('|')}`;
    case 'bad-settled':
      return `bad-settled above=${effect.above}`;
    case 'halted':
      return `halted item=${badText(effect.item)}`;
    case 'transition': {
      const { machine, from, event, to } = effect.transition;
      const cause = effect.cause === event ? '' : ` cause=${JSON.stringify(effect.cause)}`;
      return `${machine} ${from} --${event}--> ${to}${cause}`;
    }
    case 'wake':
      return `wake at=${Math.round(effect.at)}`;
  }
}
