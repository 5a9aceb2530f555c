/** The route table: routing, validation, metrics and the OpenAPI document all come from it. */
import { backupRoutes } from './backup-routes.ts';
import { batchRoutes } from './batch-route.ts';
import { batchSchema } from './body-schemas.ts';
import { checksumRoutes } from './checksum-routes.ts';
import { kvRoutes } from './kv-routes.ts';
import type { HttpLimits } from './limits.ts';
import { listRoutes } from './list-route.ts';
import { lockRoutes } from './lock-routes.ts';
import { memberRoutes } from './member-routes.ts';
import { multiOpRoutes } from './multiop-routes.ts';
import { processRoutes } from './process-routes.ts';
import { recoverRoutes } from './recover-routes.ts';
import type { Route } from './route.ts';
import { sessionRoutes } from './session-routes.ts';
import { snapshotRoutes } from './snapshot-routes.ts';
import { statusRoutes } from './status-routes.ts';
import { upgradeRoutes } from './upgrade-routes.ts';
import { watchRoutes } from './watch-route.ts';

export const routeTable = (limits: HttpLimits): readonly Route[] => [
  ...kvRoutes,
  ...listRoutes,
  ...watchRoutes,
  ...multiOpRoutes,
  ...batchRoutes(batchSchema(limits.batchOperationsMax)),
  ...sessionRoutes(limits),
  ...lockRoutes(limits),
  ...statusRoutes,
  ...checksumRoutes,
  ...snapshotRoutes,
  ...backupRoutes,
  ...memberRoutes,
  ...recoverRoutes,
  ...upgradeRoutes,
  ...processRoutes,
];
