/** The upgrade commands at their edges: where nobody can be asked, what COMMAND may hold, when no cell answers. */
import { describe, expect, it } from 'vitest';
import type { Attempt, MemberProgress } from '../../src/operator/upgrade/journal.ts';
import { filledIn, runCommand } from '../../src/operator/upgrade/restart-command.ts';
import type { RestartRequest } from '../../src/operator/upgrade/world.ts';
import { cli } from './run-cli.ts';

const nowhere = ['--endpoints', 'http://127.0.0.1:9', '--timeout', '500ms'];

describe('upgrade', () => {
  it.each(['resume', 'rollback', 'finalize', 'abort'])(
    '%s asks, and without a terminal wants --yes',
    async (command) => {
      const { code, stderr } = await cli(['upgrade', command, ...nowhere]);
      expect([2, 3]).toContain(code);
      if (code === 2) expect(stderr).toContain('--yes');
    },
  );

  it('run wants --yes without a terminal, before anything is looked at', async () => {
    const { code, stderr } = await cli(['upgrade', 'run', '--to', '0.2.0', '--manual', ...nowhere]);
    expect(code).toBe(2);
    expect(stderr).toContain('--yes');
  });

  it('run refuses a placeholder that there is not', async () => {
    const { code, stderr } = await cli([
      'upgrade',
      'run',
      '--to',
      '0.2.0',
      '--exec',
      'restart {host}',
      '--yes',
      ...nowhere,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain('{host}');
  });

  it.each(['status', 'scan', 'history'])('%s says 3 when nobody answers', async (command) => {
    expect((await cli(['upgrade', command, ...nowhere])).code).toBe(3);
  });

  it('prints one line a document with --json, the error too', async () => {
    const { code, stdout } = await cli(['upgrade', 'abort', '--yes', '--json', ...nowhere]);
    expect(code).toBe(3);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => Object.keys(JSON.parse(line)))).toEqual([['error']]);
  });
});

describe('COMMAND', () => {
  const request = (name: string): RestartRequest => ({
    attempt: { attempt: 'u-1' } as Attempt,
    member: { name, url: 'http://10.0.0.1:7401' } as MemberProgress,
    version: '0.2.0',
    role: 'canary',
    timeoutMs: 1_000,
  });

  it('gets every value quoted, so that none becomes part of the shell', async () => {
    const command = filledIn('printf %s {name}', request("n1'; echo gone; '"));
    expect((await runCommand(command, 5_000)).stdout).toBe("n1'; echo gone; '");
    expect(filledIn('ssh {name} restart {version} {url} {attempt} {role}', request('n1'))).toBe(
      'ssh n1 restart 0.2.0 http://10.0.0.1:7401 u-1 canary',
    );
  });

  it('that hangs is ended with all that it started', async () => {
    const began = performance.now();
    const { text } = await runCommand('sleep 60 & wait', 200);
    expect(text).toContain('did not end within 200 ms');
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('tells its code and its last words', async () => {
    expect((await runCommand('echo no such program >&2; exit 127', 5_000)).text).toBe(
      'the command ended with code 127; it said: no such program',
    );
  });
});
