/** What no builder sees alone: how the parts of a router go together. All mistakes are given, in no order. */
import type { Router } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { checkAddresses } from './addresses.js';
import { checkEngine } from './engine.js';
import { checkFallbacks } from './fallback.js';
import { checkFlows } from './flows.js';
import { checkLimits } from './limits.js';
import { checkLists, type DateOptions } from './lists.js';
import { checkPorts } from './ports.js';
import { checkReach } from './reach.js';
import { checkRoutes } from './routes.js';
import { checkSets } from './sets.js';

export function check(router: Router, options: DateOptions): readonly Diagnostic[] {
  return [
    ...checkPorts(router),
    ...checkFlows(router),
    ...checkAddresses(router),
    ...checkFallbacks(router),
    ...checkRoutes(router),
    ...checkReach(router),
    ...checkLists(router, options),
    ...checkSets(router),
    ...checkEngine(router),
    ...checkLimits(router),
  ];
}
