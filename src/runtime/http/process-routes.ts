/** For supervisors and monitoring: liveness, readiness, metrics, and the description of this API. */
import type { Exchange } from './exchange.ts';
import { isFault, readFlag } from './query.ts';
import type { Route } from './route.ts';
import type { ReplicaStatus } from './service.ts';

const plainText = ['Content-Type', 'text/plain; charset=utf-8', 'Cache-Control', 'no-store'] as const;

function ready(exchange: Exchange): void {
  const verbose = readFlag(exchange.query, 'verbose');
  if (isFault(verbose)) return exchange.fault(verbose);
  const serving = exchange.service.serving();
  const status = exchange.service.status();
  const checks: readonly (readonly [name: string, ok: boolean, detail: string])[] = [
    ['role', serving.kind !== 'refused', serving.kind === 'refused' ? serving.message : status.role],
    // A replica that redirects is ready too: what is asked of it gets served.
    [
      'master',
      serving.kind === 'serving' || serving.kind === 'redirect' || serving.kind === 'moving',
      status.master === null ? 'none known' : status.master.name,
    ],
    ...missing(status),
    ['writes', !status.readOnly, status.readOnly ? 'read-only: the disk is nearly full' : 'accepted'],
  ];
  const ok = checks.every(([, it]) => it);
  const lines = checks.map(([name, it, detail]) => `${it ? '[+]' : '[-]'} ${name}: ${detail}`);
  lines.push(...notes(status).map(([name, detail]) => `[ ] ${name}: ${detail}`));
  const verdict = ok ? 'ready' : 'not ready';
  const failed = checks.filter(([, it]) => !it).map(([name]) => name);
  const body = verbose ? [...lines, verdict].join('\n') : ok ? verdict : `${verdict}: ${failed.join(', ')}`;
  exchange.text(ok ? 200 : 503, plainText, `${body}\n`);
}

/** What its bad snapshots stood for is not there yet. */
function missing({ instances: { missingUpTo = 0 } }: ReplicaStatus): readonly (readonly [string, boolean, string])[] {
  return missingUpTo === 0
    ? []
    : [['state', false, `all up to instance ${missingUpTo} is missing: its snapshots are bad`]];
}

/** Worth knowing to whoever looks; requests are served all the same. */
function notes(status: ReplicaStatus): readonly (readonly [name: string, detail: string])[] {
  const { instances, links, lease, drains, warnings } = status;
  const drain = drains?.find(({ member }) => member === status.name);
  const cut = (links ?? []).filter(({ reached, reaches }) => !reached || !reaches).map(({ name }) => name);
  return [
    ['vote', status.voting ? 'counted' : 'not counted'],
    ['lease', lease.held ? `held, ${Math.round(lease.remainingMs)} ms left` : 'not held'],
    ['log', `applied ${instances.applied} of ${instances.chosen}`],
    ['peers', cut.length === 0 ? 'all connected' : `not connected both ways: ${cut.join(', ')}`],
    ...(drain === undefined ? [] : [['drain', `until ${drain.until}`] as const]),
    ...warnings.map((warning) => ['warning', warning] as const),
  ];
}

function metrics(exchange: Exchange): void {
  if (!exchange.hold()) return;
  const { metrics } = exchange.front;
  metrics.text().then(
    (text) => exchange.text(200, ['Content-Type', metrics.contentType], text),
    () => exchange.problem('PAXOS_INTERNAL', 'The metrics could not be gathered.', { outcome: 'none' }),
  );
}

export const processRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/healthz',
    operation: 'healthz',
    summary: 'Liveness: the process answers.',
    answer: 'ok',
    handle: (exchange) => exchange.text(200, plainText, 'ok\n'),
  },
  {
    method: 'GET',
    path: '/readyz',
    operation: 'readyz',
    summary: 'Readiness: reads and writes sent here would be served, here or by the master that this replica names.',
    query: { verbose: { description: 'One line a check.', type: 'boolean' } },
    answer: 'ready',
    handle: ready,
  },
  {
    method: 'GET',
    path: '/metrics',
    operation: 'metrics',
    summary: 'Metrics in the text format of Prometheus.',
    answer: 'Metrics.',
    handle: metrics,
  },
  {
    method: 'GET',
    path: '/openapi.json',
    operation: 'openApi',
    summary: 'This description, OpenAPI 3.1.',
    answer: 'OpenAPI 3.1 in JSON.',
    handle: (exchange) => exchange.text(200, ['Content-Type', 'application/json'], exchange.front.openApi()),
  },
];
