/** What stands in docs/UPGRADE_RECIPES.md can be used as it is: scripts, unit, manifests, and every flag, placeholder and exit code in them. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import NodeRehearse from '../../commands/node/rehearse.ts';
import NodeStart from '../../commands/node/start.ts';
import UpgradeRun from '../../commands/upgrade/run.ts';
import { parseListen, parseMembers } from '../../src/operator/start-options.ts';
import type { Attempt, MemberProgress } from '../../src/operator/upgrade/journal.ts';
import { checkCommand, filledIn } from '../../src/operator/upgrade/restart-command.ts';
import { processRoutes } from '../../src/runtime/http/process-routes.ts';
import { parseYaml, type Yaml } from '../support/plain-yaml.ts';

const text = readFileSync(path.resolve(import.meta.dirname, '../../docs/UPGRADE_RECIPES.md'), 'utf8');
const fences = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, language = '', body = '']) => ({
  language,
  body,
}));
const blocks = (language: string): string[] => fences.filter((it) => it.language === language).map(({ body }) => body);
const scripts = blocks('sh').filter((body) => body.startsWith('#!/bin/sh\n'));
const typed = blocks('sh').filter((body) => !body.startsWith('#!'));

/** @returns what `sh -n` says; empty when it is a program. */
const syntax = (script: string): string => spawnSync('/bin/sh', ['-n'], { input: script, encoding: 'utf8' }).stderr;

/** Words of a command, quotes taken away. */
const words = (line: string): string[] =>
  [...line.replaceAll('\\\n', ' ').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '');

/** Flags behind the words of a command, each with its value. */
function flagsOf(all: readonly string[], ...command: readonly string[]): Map<string, string> {
  const at = all.findIndex((_, i) => command.every((word, k) => all[i + k] === word));
  const flags = new Map<string, string>();
  if (at < 0) return flags;
  for (let i = at + command.length; i < all.length; i++) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(all[i] ?? '') ?? [];
    if (name !== undefined) flags.set(name, value ?? all[i + 1] ?? '');
  }
  return flags;
}

function expectStart(flags: ReadonlyMap<string, string>, name: string): void {
  expect([...flags.keys()].filter((flag) => !(flag in NodeStart.flags))).toEqual([]);
  expect(parseListen(flags.get('listen') ?? '').port).toBe(7401);
  const members = parseMembers(flags.get('cell') ?? '', (url) => new URL(url).href);
  expect(members.map((member) => member.name)).toContain(name);
  expect(flags.has('secret-file') && flags.has('data-dir')).toBe(true);
}

describe('the recipes', () => {
  it('hold one program for each way, and how it is called', () => {
    expect([scripts.length, typed.length, blocks('ini').length, blocks('yaml').length]).toEqual([3, 3, 1, 1]);
    expect(fences).toHaveLength(8);
  });

  it.each(scripts.map((script) => [script.split('\n')[1] ?? '', script]))('%s is a program', (_, script) => {
    expect(syntax(script)).toBe('');
    expect(script).toContain('\nset -eu\n');
    // A script of an upgrade that moves data about is what this document is against.
    expect(script).not.toMatch(/\b(cp|mv|rm|rsync|tar)\b/);
    const start = flagsOf(words(script), 'node', 'start');
    if (start.size > 0) expectStart(start, start.get('name') ?? '');
  });

  it.each(typed)('%s', (line) => {
    expect(syntax(line)).toBe('');
    const flags = flagsOf(words(line), 'upgrade', 'run');
    expect([...flags.keys()].filter((flag) => !(flag in UpgradeRun.flags) && !(flag in NodeRehearse.flags))).toEqual(
      [],
    );
    for (const name of ['exec', 'rehearse']) {
      const command = flags.get(name);
      if (command === undefined) continue;
      checkCommand(command);
      const member = { name: 'n1', url: 'http://n1:7401' } as MemberProgress;
      const request = { attempt: { attempt: 'u-1' } as Attempt, member, version: '0.2.0', timeoutMs: 1 };
      const filled = filledIn(command, { ...request, role: 'canary' });
      expect(filled).not.toMatch(/[{}]/);
      expect(filled).toContain('n1');
      expect(syntax(filled)).toBe('');
    }
  });

  it('restart nothing that a restart does not mend', () => {
    const [unit = ''] = blocks('ini');
    const lines = unit.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines.filter((line) => !/^(\[[A-Z]\w+\]|[A-Z]\w+=\S.*)$/.test(line))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('['))).toEqual(['[Unit]', '[Service]', '[Install]']);
    const value = (key: string): string =>
      lines.find((line) => line.startsWith(`${key}=`))?.slice(key.length + 1) ?? '';
    const said = /(\d+) to (\d+) in a loop/.exec(NodeStart.description) ?? [];
    const codes = Array.from({ length: Number(said[2]) - Number(said[1]) + 1 }, (_, i) => Number(said[1]) + i);
    expect(value('RestartPreventExitStatus').split(' ').map(Number)).toEqual([2, ...codes]);
    expectStart(flagsOf(words(value('ExecStart')), 'node', 'start'), 'n1');
    // Longer than a hand-over takes, and what is under way after it.
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThanOrEqual(15);
  });

  it('give a StatefulSet whose parts fit together', () => {
    const [service, budget, set] = parseYaml(blocks('yaml')[0] ?? '');
    const at = (it: Yaml | undefined, ...keys: readonly (string | number)[]): Yaml | undefined =>
      keys.reduce<Yaml | undefined>((value, key) => (value as { [key: string]: Yaml } | undefined)?.[key], it);
    expect([service, budget, set].map((it) => at(it, 'kind'))).toEqual([
      'Service',
      'PodDisruptionBudget',
      'StatefulSet',
    ]);
    expect(at(service, 'spec')).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(at(set, 'spec', 'serviceName')).toBe(at(service, 'metadata', 'name'));
    expect(at(set, 'spec', 'updateStrategy', 'type')).toBe('OnDelete');
    const pod = at(set, 'spec', 'template', 'spec');
    const [container] = at(pod, 'containers') as readonly Yaml[];
    const labels = at(set, 'spec', 'template', 'metadata', 'labels');
    for (const found of [
      at(service, 'spec', 'selector'),
      at(budget, 'spec', 'selector', 'matchLabels'),
      at(set, 'spec', 'selector', 'matchLabels'),
    ]) {
      expect(found).toEqual(labels);
    }
    const command = at(container, 'command') as readonly string[];
    const flags = flagsOf(command, 'node', 'start');
    const replicas = Number(at(set, 'spec', 'replicas'));
    const members = parseMembers(flags.get('cell') ?? '', (url) => url);
    const names = Array.from({ length: replicas }, (_, i) => `${at(set, 'metadata', 'name')}-${i}`);
    expect(members).toEqual(
      names.map((name) => ({ name, url: `http://${name}.${at(service, 'metadata', 'name')}:7401` })),
    );
    for (const name of names) expectStart(flags, name);
    expect(at(container, 'env', 0, 'name')).toBe(NodeStart.flags.name.env);
    const routes = processRoutes.map((route) => route.path);
    for (const probe of ['readinessProbe', 'livenessProbe']) {
      expect(routes).toContain(at(container, probe, 'httpGet', 'path'));
      expect(at(container, probe, 'httpGet', 'port')).toBe(at(container, 'ports', 0, 'name'));
    }
    expect(at(container, 'livenessProbe', 'httpGet', 'path')).toBe('/healthz');
    const volumes = [
      ...(at(pod, 'volumes') as readonly Yaml[]),
      ...(at(set, 'spec', 'volumeClaimTemplates') as readonly Yaml[]),
    ];
    const given = volumes.map((it) => at(it, 'name') ?? at(it, 'metadata', 'name'));
    expect((at(container, 'volumeMounts') as readonly Yaml[]).map((it) => at(it, 'name')).sort()).toEqual(
      [...given].sort(),
    );
    expect(flags.get('data-dir')).toMatch(/^\/data\//);
    expect(Number(at(pod, 'terminationGracePeriodSeconds'))).toBeGreaterThanOrEqual(15);
    // The script changes what the manifest names.
    const restart = scripts.find((script) => script.includes('kubectl')) ?? '';
    const [image = ''] = String(at(container, 'image')).split(':');
    expect(restart).toContain(`statefulset/${at(set, 'metadata', 'name')} ${at(container, 'name')}="${image}:$2"`);
    expect(restart.match(/-n paxos/g)).toHaveLength(2);
  });
});

describe('the reader of their manifests', () => {
  it.each(['a:\n', 'a: 1\na: 2', 'a: [1]', 'a:\n\tb: 1', '- a\nb: 1', 'a: 1\n  b: 2', 'a: b: c'])(
    'refuses %j',
    (wrong) => {
      expect(() => parseYaml(wrong)).toThrow();
    },
  );

  it('reads maps in lists in maps', () => {
    expect(parseYaml('a:\n  - b: 1\n    c: x\n  - y\nd:\n  e: true\n')).toEqual([
      { a: [{ b: 1, c: 'x' }, 'y'], d: { e: true } },
    ]);
  });
});
