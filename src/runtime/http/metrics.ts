/**
 * What Prometheus is told. Requests are counted in plain arrays, because observing each in the library would cost as
 * much as a tenth of the request; they are turned into metrics when somebody asks.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { FrontState } from './front-state.ts';

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
    gauge('paxosctl_http_requests_in_flight', 'Requests that wait for something.', () => front.inFlight);
    gauge('paxosctl_http_body_bytes', 'Bytes of bodies that are being read.', () => front.bodyBytes);
    const status = () => front.service.status();
    gauge('paxosctl_lease_held', '1 while this replica holds the master lease.', () => (status().lease.held ? 1 : 0));
    gauge('paxosctl_lease_remaining_seconds', 'Time left of it.', () => status().lease.remainingMs / 1000);
    gauge('paxosctl_epoch', 'Epoch at the last applied instance.', () => status().epoch);
    gauge('paxosctl_instance_chosen', 'Last instance known as chosen.', () => status().instances.chosen);
    gauge('paxosctl_instance_applied', 'Last instance applied.', () => status().instances.applied);
    gauge('paxosctl_instance_first_retained', 'First instance in the log.', () => status().instances.firstRetained);
    gauge('paxosctl_instance_snapshot', 'Instance of the newest snapshot.', () => status().instances.snapshot);
    gauge('paxosctl_revision', 'Revision of the database.', () => status().revision);
    gauge('paxosctl_entries', 'Entries in the database.', () => status().entries);
    gauge('paxosctl_peers_connected', 'Peers with a connection.', () => status().peers.length);
    gauge('paxosctl_writes_queued', 'Writes that wait to be proposed.', () => status().load.queuedWrites);
    gauge('paxosctl_items_per_instance', 'Writes that share an instance.', () => status().load.itemsPerInstance);
    gauge('paxosctl_flush_seconds_p50', 'Flush of the log, median.', () => status().load.flushMsP50 / 1000);
    gauge('paxosctl_flush_seconds_p99', 'Flush of the log, 99th percentile.', () => status().load.flushMsP99 / 1000);
    gauge(
      'paxosctl_event_loop_lag_seconds_p99',
      'Lag of the event loop.',
      () => status().load.eventLoopLagMsP99 / 1000,
    );
    gauge('paxosctl_read_only', '1 when the disk is nearly full.', () => (status().readOnly ? 1 : 0));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
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
