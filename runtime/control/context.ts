/** What the handlers of the control socket work with. */
import type { Deployer } from '../deploy/deployer.js';
import type { GenerationStore } from '../deploy/store.js';
import type { Logger } from '../log.js';
import type { LoggedEvent } from '../log-events.js';
import type { EngineLink, Kernel, Rib } from '../native.js';
import type { Rates } from '../rates.js';
import type { Sets } from '../sets/sets.js';
import type { FibControl } from './fib-control.js';
import type { LocalRoutes } from './local-routes.js';

export interface ControlContext {
  readonly version: string;
  readonly startedAt: Date;
  readonly link: () => EngineLink;
  readonly rib: Rib;
  readonly kernel: Pick<Kernel, 'setNeighbour'>;
  readonly fib: FibControl;
  readonly localRoutes: LocalRoutes;
  readonly sets: Sets;
  readonly deployer: Deployer;
  readonly store: GenerationStore;
  readonly rates: Rates;
  readonly recentEvents: () => readonly LoggedEvent[];
  readonly shutdown: () => void;
  readonly log: Logger;
}
