/** What is built and shipped has no hooks: no code of them, and nothing from outside that would switch one on. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundledModules } from '../../tooling/bundle.mjs';
import { withCell } from '../support/cell-process.ts';
import { Hooks, ordersOf } from '../support/hooks/hooks.ts';
import { buildTunedReplica, type TunedProgram, tunedEnv } from '../support/tuned-program.ts';

let tuned: TunedProgram;
beforeAll(async () => {
  tuned = await buildTunedReplica();
});
afterAll(() => tuned.remove());

const dist = path.resolve(import.meta.dirname, '../../dist');
/** The bundler notes before each module where it came from. */
const modulesIn = (text: string): string[] =>
  [...text.matchAll(/^\/\/ (\S+\.(?:ts|mjs|js))$/gm)].map(([, file]) => file!);
const marks = ['PAXOSCTL_TUNED', 'HookPoints', 'set-wall-clock', '.write-flush'];

it('the built program is made of src and commands alone, and holds nothing of the hooks', async () => {
  const files = readdirSync(dist, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(js|cjs|mjs|json)$/.test(entry.name))
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'));
  const modules = await bundledModules({ outdir: dist });
  expect(modules).toContain('src/runtime/replica-process.ts');
  expect(modules.filter((file) => !/^(src|commands|(\.\.\/)*([^/]+\/)*node_modules)\//.test(file))).toEqual([]);
  expect(marks.filter((mark) => files.some((text) => text.includes(mark)))).toEqual([]);
  // The same look at the program of the tests finds both.
  const hooked = readFileSync(tuned.program[1] as string, 'utf8');
  expect(modulesIn(hooked)).toContain('test/support/hooks/points.ts');
  expect(marks.filter((mark) => !hooked.includes(mark))).toEqual([]);
});

it('node start takes no orders, neither from its environment nor from its parent', async () => {
  const crash = { moment: 'before', point: 'scratch.make', nth: 1, act: { kind: 'crash' } } as const;
  const env = tunedEnv({ orders: ordersOf(crash), full: true });
  await withCell({ replicas: 1, env }, async (cell) => {
    const [only] = cell.members as [(typeof cell.members)[0]];
    only.tell('disk full');
    let answered = false;
    void new Hooks(only).trap('before', 'wal.write-flush', { kind: 'crash' }).then((report) => {
      answered = report !== null;
    });
    await cell.agreement();
    expect(await only.status()).toMatchObject({ role: 'master', readOnly: false });
    expect(answered).toBe(false);
    expect(await only.terminate()).toEqual({ code: 0, signal: null });
  });
  await withCell({ replicas: 1, programOf: () => tuned.program, env, started: false }, async (cell) => {
    const [only] = cell.members as [(typeof cell.members)[0]];
    expect(await only.startAndEnd()).toEqual({ code: null, signal: 'SIGKILL' });
  });
});
