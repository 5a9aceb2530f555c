/** What all requests of one HTTP front share. */
import type { Deadlines } from './deadlines.ts';
import type { HttpLimits } from './limits.ts';
import type { ListViews } from './list-views.ts';
import type { HttpMetrics } from './metrics.ts';
import type { ReplicaService } from './service.ts';
import type { Watchers } from './watchers.ts';

/** Something that the operator may want to know; never a request's content. */
export type HttpLog = (event: { readonly kind: string; readonly [fact: string]: unknown }) => void;

export interface FrontState {
  readonly service: ReplicaService;
  readonly limits: HttpLimits;
  readonly deadlines: Deadlines;
  readonly metrics: HttpMetrics;
  readonly views: ListViews;
  readonly watchers: Watchers;
  readonly log: HttpLog;
  readonly openApi: () => string;
  /** Requests that wait for something. */
  inFlight: number;
  /** Bytes of bodies that are being read. */
  bodyBytes: number;
}
