/**
 * What a member does for whoever makes a new generation (design §3 "Generations"): only what was meant for it, and it stops for one attempt
 * at a time. Another one takes the place of that only under a higher number, so that of two at one time one goes on.
 */
import type { GenerationAttempt } from '../../formats/manifest.ts';
import type { RecoverReport, RecoverRequest } from '../../formats/recovery.ts';
import { Violation } from './violation.ts';

/** `before`: what it was stopped for when it was asked. @throws {Violation} */
export function checkStep(
  step: RecoverRequest,
  { generation: present, member }: Pick<RecoverReport, 'generation' | 'member'>,
  before: GenerationAttempt | null,
): void {
  if (member !== step.member) {
    throw new Violation('generation', `${member} does a step that was meant for ${step.member}`, { op: step.op });
  }
  if (step.op !== 'fence' || before === null || before.generation <= present) return;
  if (before.generationId === step.generationId || before.generation < step.generation) return;
  const { generation, generationId } = before;
  throw new Violation('generation', `${member} stops for an attempt in the place of another of no lower number`, {
    before: { generation, generationId },
    after: { generation: step.generation, generationId: step.generationId },
  });
}
