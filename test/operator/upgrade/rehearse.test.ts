/** What `--rehearse COMMAND` printed, and which of it shows nothing: whatever the exit status, only a compared state of now counts. */
import { expect, it } from 'vitest';
import { rehearse } from '../../../src/operator/upgrade/cell-world.ts';
import type { RestartRequest } from '../../../src/operator/upgrade/world.ts';

const said = { ok: true, version: '0.2.0', member: 'n2#1', from: 1, instance: 120, points: 2 };

const rehearsed = (document: object): Promise<string> =>
  rehearse({
    attempt: { attempt: 'u-1', rehearse: `echo '${JSON.stringify(document)}'`, mark: { instance: 100 } },
    member: { name: 'n2', url: 'http://n2', incarnation: 1 },
    ...{ version: '0.2.0', role: 'follower', timeoutMs: 10_000 },
  } as unknown as RestartRequest);

it('is what the target says of this member as it is now', async () => {
  expect(await rehearsed(said)).toContain('2 recorded points came out again');
});

it.each([
  ['that compared nothing', { points: 0 }, /nothing was compared/, 8],
  ['of a copy from before the attempt', { instance: 99 }, /an older copy was rehearsed/, 8],
  ['of another member', { member: 'n3#1' }, /n3#1 was rehearsed/, 8],
  ['of another incarnation', { member: 'n2#2' }, /n2#2 was rehearsed/, 8],
  ['by another version', { version: '0.1.0' }, /0.1.0 rehearsed/, 8],
  ['that failed', { ok: false, error: { message: 'checksum' } }, /checksum/, undefined],
])('is none %s', async (_, change, why, exitCode) => {
  const error = await rehearsed({ ...said, ...change }).then(String, (it: unknown) => it);
  // Only what the target itself refuses was found wrong; else nobody knows.
  expect(error).toMatchObject({ message: expect.stringMatching(why) });
  expect((error as { exitCode?: number }).exitCode).toBe(exitCode);
});
