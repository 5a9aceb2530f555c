/**
 * Imports point one way. The table in docs/ARCHITECTURE.md says the same for people; each folder below lists all that it may
 * import, and whatever is not listed is an error.
 */

const folders = [
  'core',
  'storage',
  'ports',
  'adapters',
  'formats',
  'runtime',
  'log',
  'client',
  'operator',
  'render',
  'errors',
  'simulator',
];

/** `from` may import itself and what matches `to`; of packages only those named. Node's own modules when `node` is true. */
const only = (name, from, { to = [], packages = [], node = false, comment }) => ({
  name,
  severity: 'error',
  comment,
  from: { path: from },
  to: {
    pathNot: [from, ...to, ...packages.map((it) => `^node_modules/${it}(/|$)`)],
    ...(node ? { dependencyTypesNot: ['core'] } : {}),
  },
});

/** Commands that run something themselves, or look at files beside the cell: their backup, a folder. */
const wiring =
  '^commands/(node/(start|rehearse)|simulate|doctor|verify/data-dir|replay|snapshot/(inspect|save|rehearse)|cell/restore|recover/collect|upgrade/[a-z]+)\\.ts$';

const src = (...names) => names.map((it) => `^src/${it}/`);

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      severity: 'error',
      comment: 'Two files that need each other are one idea, or hide a third. Imports of types alone do no harm.',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolved',
      severity: 'error',
      comment: 'The file or package does not exist, or is not in package.json.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'one-package-in-the-core',
      severity: 'error',
      comment:
        'The ordered tree is plain computation and hidden behind the state store (docs/adr); nothing else is let in.',
      from: { path: '^src/core/', pathNot: '^src/core/database/btree-state-store\\.ts$' },
      to: { path: '^node_modules/' },
    },
    {
      name: 'no-dev-packages-in-the-product',
      severity: 'error',
      comment: 'Who installs paxosctl does not get development dependencies.',
      from: { path: '^(src|commands)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },

    // The deterministic core: no I/O, no packages, and each layer knows only the ones below it.
    only('core-invariant-imports-nothing', '^src/core/(invariant|random)\\.ts$', {
      to: ['^src/core/invariant\\.ts$'],
      comment: 'The base of the core stands alone.',
    }),
    only('core-consensus-knows-no-layer-above', '^src/core/consensus/', {
      to: ['^src/core/(invariant|random)\\.ts$'],
      comment: 'The fault-tolerant log orders opaque values. What it needs from outside comes in as an input.',
    }),
    only('core-database-stands-on-numbers-of-the-log', '^src/core/database/', {
      to: ['^src/core/invariant\\.ts$', '^src/core/consensus/identity\\.ts$'],
      packages: ['sorted-btree'],
      comment: 'The database executes operations; it knows instances and epochs, not how they come about.',
    }),
    only('core-locks-stand-on-the-database', '^src/core/locks/', {
      to: ['^src/core/invariant\\.ts$', '^src/core/consensus/identity\\.ts$', ...src('core/database')],
      comment: 'The lock service keeps all its state in database entries.',
    }),
    only('core-imports-only-core', '^src/core/', {
      packages: ['sorted-btree'],
      comment: 'The core is deterministic: no Node.js modules, no packages, nothing of the other folders.',
    }),

    only('ports-and-formats-know-types', '^src/(ports|formats)/', {
      to: [...src('core', 'ports', 'formats', 'errors'), '^zlib$', '^(http|stream)$'],
      comment: 'Interfaces and encodings do no I/O; a checksum is computation, and types of Node.js may be named.',
    }),
    only('errors-know-nothing', '^src/errors/', { comment: 'Everybody imports the errors, so they import nobody.' }),
    only('storage-works-over-ports', '^src/storage/', {
      to: src('core', 'ports', 'formats', 'errors'),
      comment: 'The same storage code runs in the simulator: disk and clock come in through ports.',
    }),
    only('adapters-touch-the-world', '^src/adapters/', {
      to: src('core', 'ports', 'formats', 'errors'),
      packages: ['undici', 'xxhash-wasm', 'sorted-btree'],
      node: true,
      comment: 'An adapter knows its own port, formats, errors, Node.js and undici.',
    }),
    {
      name: 'an-adapter-knows-only-its-own-folder',
      severity: 'error',
      comment: 'One folder a port: adapters do not lean on each other.',
      from: { path: '^src/adapters/([^/]+)/' },
      to: { path: '^src/adapters/[^/]+/', pathNot: '^src/adapters/$1/' },
    },
    only('runtime-gets-adapters-injected', '^src/runtime/', {
      to: src('core', 'storage', 'ports', 'formats', 'errors'),
      packages: ['zod', 'prom-client', 'sorted-btree'],
      node: true,
      comment:
        'The runtime runs one replica. Adapters come in through its constructor, so that the simulator can run it too.',
    }),
    only('log-library-joins-the-parts', '^src/log/', {
      to: src('core', 'storage', 'ports', 'formats', 'errors', 'runtime', 'adapters'),
      node: true,
      comment:
        'paxosctl/log is the framework for other applications: it wires runtime and adapters, and knows no database.',
    }),
    only('client-speaks-http', '^src/client/', {
      to: src('formats', 'errors'),
      packages: ['undici', 'eventsource-parser'],
      node: true,
      comment: 'The client is used by other programs: it must not drag the server along.',
    }),
    only('operator-works-through-the-client', '^src/operator/', {
      to: src('client', 'formats', 'errors'),
      packages: ['undici'],
      node: true,
      comment: 'Procedures use the cell as any other program does.',
    }),
    only('simulator-never-touches-the-world', '^src/simulator/', {
      to: [
        ...src('core', 'storage', 'ports', 'runtime', 'formats', 'errors'),
        // What operators run, against a twin of their port, and who of several answers they take for master.
        '^src/operator/(members|upgrade|restore)/',
        '^src/operator/recovery/(?!real-world)',
        '^src/client/cell-status\\.ts$',
        '^worker_threads$',
      ],
      packages: ['sorted-btree'],
      comment: 'A simulated cell has twins of the ports, never adapters: a run depends on its seed alone.',
    }),
    {
      name: 'only-whole-cells-go-to-threads',
      severity: 'error',
      comment: 'Within a cell there is one thread and one order of events; the pool runs many cells at a time.',
      from: { path: '^src/simulator/', pathNot: '^src/simulator/(worker|worker-pool)\\.ts$' },
      to: { path: '^worker_threads$' },
    },
    only('render-shows', '^src/render/', {
      to: [...src('errors', 'client'), '^src/operator/upgrade/', '^src/formats/upgrade-body'],
      packages: ['@oclif/core', 'asciichart', 'cli-table3', 'ora', 'inquirer', 'pino'],
      node: true,
      comment: 'Rendering turns results into tables, JSON and prompts; the journal of an upgrade is shown as it is.',
    }),
    {
      name: 'only-render-draws',
      severity: 'error',
      comment: 'Tables, spinners and prompts look the same everywhere because one folder makes them.',
      from: { pathNot: '^src/render/' },
      to: { path: '^node_modules/(asciichart|cli-table3|ora|inquirer)(/|$)' },
    },
    {
      name: 'commands-are-thin',
      severity: 'error',
      comment: 'A command parses, calls one function, renders: client, operator, render and errors are enough.',
      from: {
        path: '^commands/',
        pathNot: wiring,
      },
      to: { path: '^src/', pathNot: src('client', 'operator', 'render', 'errors') },
    },
    {
      name: 'commands-that-run-something',
      severity: 'error',
      comment:
        'These wire what they run, a replica, a simulation, files; consensus and storage are still none of their business.',
      from: {
        path: wiring,
      },
      to: {
        path: '^src/',
        pathNot: src('client', 'operator', 'render', 'errors', 'runtime', 'adapters', 'simulator', 'formats', 'ports'),
      },
    },
    {
      name: 'commands-use-the-framework-only',
      severity: 'error',
      comment: 'What a command needs beyond oclif belongs to src/.',
      from: { path: '^commands/' },
      to: { path: '^node_modules/', pathNot: '^node_modules/(@oclif/core|@types)(/|$)' },
    },
    {
      name: 'nobody-imports-commands',
      severity: 'error',
      comment: 'Every file under commands/ becomes a command; what is shared lives in src/.',
      from: { path: '^(src|commands)/' },
      to: { path: '^commands/' },
    },
    {
      name: 'known-folders',
      severity: 'error',
      comment: 'A new folder under src/ wants a row in the table of docs/ARCHITECTURE.md and a rule here.',
      from: {},
      to: { path: '^src/', pathNot: `^src/(${folders.join('|')})/` },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
