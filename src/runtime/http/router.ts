/**
 * From method and path to a row of the route table. The path is compared as it was sent: an escaped form of a fixed
 * path is another path, and unknown.
 */
import type { HttpMetrics, RouteCounts } from './metrics.ts';
import type { Route } from './route.ts';

export interface Endpoint {
  readonly route: Route;
  readonly counts: RouteCounts;
  readonly queryNames: ReadonlySet<string>;
}

export type Routed =
  | { readonly kind: 'found'; readonly endpoint: Endpoint; readonly parameter: string }
  | { readonly kind: 'wrong-method'; readonly allow: string }
  | { readonly kind: 'unknown' };

/** Endpoints of one path, by method. */
class PathEndpoints {
  readonly byMethod = new Map<string, Endpoint>();

  get allow(): string {
    const methods = [...this.byMethod.keys()];
    return methods.join(', ');
  }
}

interface Pattern {
  readonly before: string;
  readonly after: string;
  /** The parameter is the rest of the path, slashes included. */
  readonly rest: boolean;
  readonly endpoints: PathEndpoints;
}

export class Router {
  readonly #fixed = new Map<string, PathEndpoints>();
  readonly #patterns: Pattern[] = [];
  /** Keys have their own way in, because they are the hot path. */
  readonly kv: PathEndpoints;

  constructor(routes: readonly Route[], metrics: HttpMetrics) {
    const patterns = new Map<string, PathEndpoints>();
    for (const route of routes) {
      const open = route.path.indexOf('{');
      const endpoints = (open === -1 ? this.#fixed : patterns).get(route.path) ?? new PathEndpoints();
      (open === -1 ? this.#fixed : patterns).set(route.path, endpoints);
      const counts = metrics.route(route.operation);
      const endpoint: Endpoint = { route, counts, queryNames: new Set(Object.keys(route.query ?? {})) };
      endpoints.byMethod.set(route.method, endpoint);
      // HEAD is GET without the body, which Node.js leaves out by itself.
      if (route.method === 'GET') endpoints.byMethod.set('HEAD', endpoint);
    }
    for (const [path, endpoints] of patterns) {
      const open = path.indexOf('{');
      const close = path.indexOf('}');
      const rest = path.endsWith('{key}');
      this.#patterns.push({ before: path.slice(0, open), after: path.slice(close + 1), rest, endpoints });
    }
    this.kv = patterns.get('/v1/kv/{key}') ?? new PathEndpoints();
  }

  find(method: string, path: string): Routed {
    const fixed = this.#fixed.get(path);
    if (fixed !== undefined) return this.#choose(fixed, method, '');
    for (const { before, after, rest, endpoints } of this.#patterns) {
      if (rest || !path.startsWith(before) || !path.endsWith(after)) continue;
      if (path.length <= before.length + after.length) continue;
      const parameter = path.slice(before.length, path.length - after.length);
      if (!parameter.includes('/')) return this.#choose(endpoints, method, parameter);
    }
    return { kind: 'unknown' };
  }

  #choose(endpoints: PathEndpoints, method: string, parameter: string): Routed {
    const endpoint = endpoints.byMethod.get(method);
    return endpoint === undefined
      ? { kind: 'wrong-method', allow: endpoints.allow }
      : { kind: 'found', endpoint, parameter };
  }
}
