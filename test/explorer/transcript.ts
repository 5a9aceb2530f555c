/** A schedule as text: what happened, to whom, and what came of it. */
import type { Effect } from '../../src/core/consensus/effect.ts';
import type { Input } from '../../src/core/consensus/input.ts';
import { configurationText, effectText, idText, messageText } from '../support/core-text.ts';
import { ruleOf } from './explore-random.ts';
import type { Member } from './member.ts';
import type { Profile } from './profile.ts';
import { type Action, type Rejoin, World } from './world.ts';

const nameOf = (world: World, index: number): string => {
  const member = world.members[index];
  return member === undefined ? `member ${index}` : idText(member.id);
};

function actionText(world: World, action: Action): string {
  switch (action.kind) {
    case 'deliver':
    case 'copy':
    case 'drop':
      return `${action.kind} ${action.message.replaceAll('#1', '')}`;
    case 'pass':
      return `${action.ms.toFixed(1)} ms pass`;
    case 'suspend':
      return `${nameOf(world, action.member)} sleeps for ${action.ms.toFixed(1)} ms`;
    case 'flush':
      return `${nameOf(world, action.member)} flushes ${action.count}`;
    case 'crash':
      return `${nameOf(world, action.member)} crashes, ${action.keep} of its unflushed writes are kept`;
    case 'start':
      return `${nameOf(world, action.member)} starts`;
    case 'lose-disk':
      return `${nameOf(world, action.member)} loses its disk`;
    case 'wake':
      return `${nameOf(world, action.member)} is woken when it is due`;
    case 'submit':
      return `${action.count} submitted to ${nameOf(world, action.member)}`;
    case 'change':
      return `${nameOf(world, action.member)} is asked for ${configurationText(action.configuration)}`;
    case 'hand-over':
      return `${nameOf(world, action.member)} is asked to hand over${action.to === null ? '' : ` to ${idText(action.to)}`}`;
    case 'snapshot':
      return `${nameOf(world, action.member)} takes a snapshot`;
    case 'fetched':
      return `${nameOf(world, action.member)} has its snapshot`;
  }
}

const inputText = (input: Input): string =>
  input.kind === 'message' ? `${idText(input.from)}: ${messageText(input.message)}` : input.kind;

/** The steps of `actions`, one line each, with what every replica did; the broken rule last. */
export function transcriptOf(profile: Profile, actions: readonly Action[], rejoin?: Rejoin): string {
  const lines: string[] = [];
  const { voters, alpha, leaseMs } = profile;
  lines.push(`${voters} voters, alpha ${alpha}, lease ${leaseMs} ms, limits ${JSON.stringify(profile.limits)}`);
  const world = new World(profile, rejoin);
  world.onStep = (member: Member, input: Input, effects: readonly Effect[]) => {
    const state = member.core?.state ?? 'down';
    lines.push(`    ${idText(member.id)} (${state}) <- ${inputText(input)}`);
    for (const effect of effects) if (effect.kind !== 'wake') lines.push(`        ${effectText(effect)}`);
  };
  try {
    for (const action of actions) {
      lines.push(`${world.nowMs.toFixed(1).padStart(9)} ${actionText(world, action)}`);
      world.act(action);
    }
    lines.push('no rule is broken');
  } catch (error) {
    lines.push(`BROKEN ${ruleOf(error).message}`);
  }
  return lines.join('\n');
}
