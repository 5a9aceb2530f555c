/** The way to a state as text: who did what, and what came of it. */
import type { Effect } from '../../../src/core/consensus/effect.ts';
import type { Input } from '../../../src/core/consensus/input.ts';
import { effectText, idText, messageText } from '../../support/core-text.ts';
import { ruleOf } from '../explore-random.ts';
import type { Catalogue } from './catalogue.ts';
import {
  crashEvent,
  electEvent,
  eventOf,
  expireEvent,
  flushEvent,
  keptOf,
  LocalRun,
  loseDiskEvent,
  submitEvent,
} from './local-run.ts';
import type { Scope } from './scope.ts';
import type { Move } from './search.ts';

function eventText(catalogue: Catalogue, event: number): string {
  switch (event) {
    case flushEvent:
      return 'its oldest write is durable';
    case expireEvent:
      return 'its leases and waits are over';
    case electEvent:
      return 'campaigns, and wins the pre-vote';
    case submitEvent:
      return 'a value is submitted to it';
    case loseDiskEvent:
      return 'loses its disk';
    default: {
      if (event <= crashEvent) return `crashes and starts, ${crashEvent - event} of its unflushed writes are kept`;
      const { from, message } = catalogue.message(event);
      return `receives from ${idText(from)}: ${messageText(message)}`;
    }
  }
}

const crashText = (kept: number | null): string =>
  kept === null ? '' : `, and crashes before its flush, ${kept} of its writes kept; starts`;

/** The steps of `moves`, with what every member did; the broken rule last. */
export function movesText(scope: Scope, catalogue: Catalogue, moves: readonly Move[], rule: string): string {
  const lines: string[] = [];
  const runs = scope.voters.map((name) => new LocalRun(scope, catalogue, name));
  for (const { member, step } of moves) {
    const run = runs[member] as LocalRun;
    lines.push(`${scope.voters[member]} ${eventText(catalogue, eventOf(step))}${crashText(keptOf(step))}`);
    run.onStep = (_input: Input, effects: readonly Effect[]) => {
      for (const effect of effects) {
        if (effect.kind !== 'wake' && effect.kind !== 'transition') lines.push(`    ${effectText(effect)}`);
      }
    };
    try {
      run.take(step);
    } catch (error) {
      ruleOf(error);
    }
  }
  lines.push(`BROKEN ${rule}`);
  return lines.join('\n');
}
