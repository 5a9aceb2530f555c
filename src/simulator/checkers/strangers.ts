/**
 * Strangers (I16): who was never a member gets no promise, no vote and no acknowledgement, whatever it says.
 *
 * Source: pitfalls P05, P47, N12. Dead incarnations were members once: their votes are not counted by `agreement`, for an instance
 * whose configuration does not have them.
 */
import type { Effect } from '../../core/consensus/effect.ts';
import type { ReplicaId } from '../../core/consensus/identity.ts';
import type { Input } from '../../core/consensus/input.ts';
import { Violation } from './violation.ts';

/** @throws {Violation} when a message of a stranger has moved `name` to anything that only members may ask for. */
export function checkStranger(
  name: string,
  input: Extract<Input, { kind: 'message' }>,
  effects: readonly Effect[],
): void {
  for (const effect of effects) {
    if (effect.kind !== 'send' || effect.to !== input.from) continue;
    const { message } = effect;
    const vote =
      message.kind === 'promise' ||
      message.kind === 'accepted' ||
      message.kind === 'release' ||
      (message.kind === 'pre-vote-reply' && message.granted);
    if (!vote) continue;
    throw new Violation(
      'identity',
      `${name} answers ${input.message.kind} of ${input.from}, no member, with ${message.kind}`,
    );
  }
}

/** Who was ever named by a configuration. */
export class Acquaintances {
  readonly #known = new Set<ReplicaId>();

  add(ids: Iterable<ReplicaId>): void {
    for (const id of ids) this.#known.add(id);
  }

  has(id: ReplicaId): boolean {
    return this.#known.has(id);
  }
}
