/**
 * Makes a failing schedule short: takes out steps, many at once and then one by one, as long as the same rule stays broken.
 * What is left in is done where it still means something, so a shorter list is again a schedule.
 */
import { ruleOf } from './explore-random.ts';
import type { Profile } from './profile.ts';
import { type Action, type Rejoin, World } from './world.ts';

/** The rule that `actions` break, and the actions that were done until then; null when none is broken. */
export function replay(
  profile: Profile,
  actions: readonly Action[],
  rejoin?: Rejoin,
): { readonly rule: string; readonly done: readonly Action[] } | null {
  const done: Action[] = [];
  const world = new World(profile, rejoin);
  try {
    for (const action of actions) {
      done.push(action);
      if (!world.act(action)) done.pop();
    }
  } catch (error) {
    return { rule: ruleOf(error).rule, done };
  }
  return null;
}

export function shrink(profile: Profile, actions: readonly Action[], rule: string, rejoin?: Rejoin): readonly Action[] {
  const breaks = (list: readonly Action[]): readonly Action[] | null => {
    const result = replay(profile, list, rejoin);
    return result?.rule === rule ? result.done : null;
  };
  let best = breaks(actions) ?? actions;
  for (let size = Math.max(1, best.length >> 1); size >= 1; size = size === 1 ? 0 : size >> 1) {
    for (let again = true; again; ) {
      again = false;
      for (let at = best.length - size; at >= 0; at -= size) {
        const shorter = breaks([...best.slice(0, at), ...best.slice(at + size)]);
        if (shorter === null || shorter.length >= best.length) continue;
        best = shorter;
        at = Math.min(at, best.length);
        again = size === 1;
      }
    }
  }
  return best;
}
