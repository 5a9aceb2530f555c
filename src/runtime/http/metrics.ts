/**
 * What Prometheus is told. Requests are counted in plain arrays, because observing each in the library would cost as
 * much as a tenth of the request; they are turned into metrics when somebody asks.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { FrontState } from './front-state.ts';
import type { ReplicaStatus } from './service.ts';
import { observeStatus } from './status-metrics.ts';

/** Upper bounds in milliseconds. */
const bucketsMs = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384] as const;

/** Of one route. */
export class RouteCounts {
  readonly operation: string;
  /** Answers by status. */
  readonly byStatus = new Float64Array(600);
  /** Requests that waited, by duration: one more than there are bounds. */
  readonly waitedBuckets = new Float64Array(bucketsMs.length + 1);
  waitedMsSum = 0;

  constructor(operation: string) {
    this.operation = operation;
  }

  answered(status: number): void {
    this.byStatus[status]! += 1;
  }

  waited(ms: number): void {
    let bucket = 0;
    while (bucket < bucketsMs.length && ms > bucketsMs[bucket]!) bucket += 1;
    this.waitedBuckets[bucket]! += 1;
    this.waitedMsSum += ms;
  }
}

export class HttpMetrics {
  readonly #registry = new Registry();
  readonly #routes: RouteCounts[] = [];
  /** Requests refused by the parser of Node.js, before any route, by status. */
  readonly malformed = new RouteCounts('malformed');
  connectionsRefused = 0;
  #status: ReplicaStatus | null = null;
  #read: () => ReplicaStatus | null = () => null;

  constructor(options: { readonly defaults: boolean }) {
    this.#routes.push(this.malformed);
    if (options.defaults) collectDefaultMetrics({ register: this.#registry });
  }

  route(operation: string): RouteCounts {
    const counts = new RouteCounts(operation);
    this.#routes.push(counts);
    return counts;
  }

  /** Once, when the rest of the front is there. */
  observe(front: FrontState, connections: () => number): void {
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    const routes = this.#routes;
    new Counter({
      name: 'paxosctl_http_requests_total',
      help: 'Answered requests by operation and status.',
      labelNames: ['operation', 'status'] as const,
      registers,
      collect() {
        this.reset();
        for (const route of routes) {
          route.byStatus.forEach((n, status) => {
            if (n > 0) this.inc({ operation: route.operation, status: String(status) }, n);
          });
        }
      },
    });
    new Counter({
      name: 'paxosctl_http_connections_refused_total',
      help: 'Connections refused because there were too many.',
      registers,
      collect: function (this: Counter) {
        this.reset();
        this.inc(front.metrics.connectionsRefused);
      },
    });
    this.#registry.registerMetric(durations(routes) as unknown as Gauge);
    gauge('paxosctl_http_connections', 'Open connections.', connections);
    gauge('paxosctl_http_watchers', 'Clients that watch changes.', () => front.watchers.open);
    gauge('paxosctl_http_requests_in_flight', 'Requests that wait for something.', () => front.inFlight);
    gauge('paxosctl_http_body_bytes', 'Bytes of bodies that are being read.', () => front.bodyBytes);
    observeStatus(this.#registry, {
      status: () => this.#status ?? front.service.status(),
      epochCauses: () => front.service.epochCauses?.() ?? new Map(),
    });
    this.#read = () => front.service.status();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics of one scrape are of one status, which is not free. */
  async text(): Promise<string> {
    this.#status = this.#read();
    try {
      return await this.#registry.metrics();
    } finally {
      this.#status = null;
    }
  }

  close(): void {
    this.#registry.clear();
  }
}

/** A histogram as the library prints one, from counts kept elsewhere. */
function durations(routes: readonly RouteCounts[]) {
  const name = 'paxosctl_http_wait_seconds';
  return {
    name,
    get: async () => {
      const values: { metricName: string; labels: Record<string, string | number>; value: number }[] = [];
      for (const route of routes) {
        let count = 0;
        const operation = route.operation;
        route.waitedBuckets.forEach((n, i) => {
          count += n;
          const le = i < bucketsMs.length ? bucketsMs[i]! / 1000 : '+Inf';
          values.push({ metricName: `${name}_bucket`, labels: { operation, le }, value: count });
        });
        if (count === 0) {
          values.length -= route.waitedBuckets.length;
          continue;
        }
        values.push({ metricName: `${name}_sum`, labels: { operation }, value: route.waitedMsSum / 1000 });
        values.push({ metricName: `${name}_count`, labels: { operation }, value: count });
      }
      return {
        name,
        help: 'Time from the head of a request that had to wait (for its body, the log, a mark) to its answer.',
        type: 'histogram',
        values,
        aggregator: 'sum',
      };
    },
    reset: () => {},
  };
}
