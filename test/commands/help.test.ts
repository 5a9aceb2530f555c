import { readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cli } from './run-cli.ts';

interface ManifestCommand {
  readonly summary: string;
  readonly flags: Readonly<Record<string, { readonly env?: string; readonly required?: boolean }>>;
  readonly args: Readonly<Record<string, unknown>>;
}

let commands: [id: string, command: ManifestCommand][];
beforeAll(() => {
  const file = path.resolve(import.meta.dirname, '../../oclif.manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { commands: Record<string, ManifestCommand> };
  commands = Object.entries(manifest.commands);
});

// Scripts are written against these. What stands in the snapshot may be added to; nothing may go or change its meaning.
describe('the command line', () => {
  it('has these commands, arguments and flags', () => {
    const surface = commands.map(([id, { args, flags }]) => {
      const names = Object.entries(flags)
        .filter(([name]) => !['json', 'endpoints', 'timeout'].includes(name))
        .map(([name, { required }]) => `--${name}${required ? '!' : ''}`);
      return `${id.replaceAll(':', ' ')} ${[...Object.keys(args).map((arg) => arg.toUpperCase()), ...names.sort()].join(' ')}`;
    });
    expect(surface.sort()).toMatchSnapshot();
  });

  it('takes --json everywhere', () => {
    for (const [id, { flags }] of commands) expect(Object.keys(flags), id).toContain('json');
  });

  it.each(['status', 'kv put', 'cell start', 'wait'])('shows the help of %s as written', async (command) => {
    const { code, stdout } = await cli([...command.split(' '), '--help']);
    expect(stdout).toMatchSnapshot();
    expect(code).toBe(0);
  });

  it('shows the commands of a topic, and all topics without one', async () => {
    expect((await cli(['kv'])).stdout).toContain('kv import');
    const { stdout, code } = await cli([]);
    for (const word of ['cell', 'kv', 'master', 'node', 'status', 'autocomplete']) expect(stdout).toContain(word);
    expect(code).toBe(0);
  });

  it('tells its version without loading anything, as with the framework', async () => {
    const { version } = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../package.json'), 'utf8'));
    expect((await cli(['--version'])).stdout).toMatch(new RegExp(`^paxosctl/${version} \\S+ node-v`));
    expect((await cli(['--version', '--json'])).stdout).toMatch(new RegExp(`^paxosctl/${version} `));
  });

  it('writes a completion script that knows its commands', async () => {
    const { stdout, code } = await cli(['autocomplete', 'script', 'bash'], { env: { SHELL: '/bin/bash' } });
    expect(stdout).toContain('PAXOSCTL_AC_BASH_SETUP_PATH');
    expect(code).toBe(0);
  });
});
