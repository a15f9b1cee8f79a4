/**
 * The parts that hang together in a circle: the supervisor's engine is what the deployer deploys to, a new engine gets
 * the deployer's generation, and what the engine or the kernel tells of links makes the deployer apply interfaces again.
 */
import { type LocalRoutes, openLocalRoutes } from './control/local-routes.js';
import { buildInChild } from './deploy/build.js';
import type { Bundle } from './deploy/bundle.js';
import { createDeployer, type Deployer } from './deploy/deployer.js';
import type { GenerationStore } from './deploy/store.js';
import type { EngineProcesses } from './engine-process.js';
import { messageOf } from './errors.js';
import { keepInterfaces } from './interfaces.js';
import { openJournal } from './journal.js';
import type { Logger } from './log.js';
import type { EngineLink, Native, Rib } from './native.js';
import { packetMemory } from './packet-memory.js';
import type { RunPaths } from './paths.js';
import { openSets, type Sets } from './sets/sets.js';
import { supervise } from './supervisor.js';

const NEIGHBOURS_MS = 2;

export interface CoreParts {
  readonly native: Native;
  readonly rib: Rib;
  readonly engines: EngineProcesses;
  readonly store: GenerationStore;
  readonly paths: RunPaths;
  /** The engine that serves at first. */
  readonly first: EngineLink;
  /** What is to run; its packet memory is asked for when an engine is started before it is deployed. */
  readonly bundle: Bundle;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface Core {
  /** The engine that serves now. */
  link(): EngineLink;
  readonly deployer: Deployer;
  readonly sets: Sets;
  readonly localRoutes: LocalRoutes;
  /** Links changed. */
  refresh(): void;
  /** Nothing is deployed and no engine is started any more. @param handBack also stops the engine, and ports go back to the kernel */
  stop(handBack: boolean): Promise<void>;
}

export function composeCore(parts: CoreParts): Core {
  const { native, rib, store, paths, bundle, log, signal } = parts;
  const interfaces = keepInterfaces({ kernel: native.kernel, rib, journal: openJournal(paths.journal), log });
  const supervisor = supervise(parts.first, {
    engines: parts.engines,
    memory: () => packetMemory(deployer.active?.bundle.plan ?? bundle.plan),
    log,
    signal,
    onEngine: (next, adopted) => serve(next, adopted),
    onNotice: (notice) => {
      if (notice.kind === 'resolve') resolve(notice.interface, notice.address);
      else if (notice.kind === 'neighbours') neighboursChanged();
      else refresh();
    },
  });
  const link = (): EngineLink => supervisor.link;
  const sets = openSets(paths.sets, log);
  const build = buildInChild;
  const deployer = createDeployer({ native, rib, store, interfaces, sets, build, link, log, signal });
  const localRoutes = openLocalRoutes({ path: paths.localRoutes, rib, log });

  const refresh = (): void => {
    localRoutes.apply();
    deployer
      .refresh()
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'interfaces not refreshed'));
  };
  const resolve = (slot: number, address: string): void => {
    const ifindex = ifindexOfSlot(slot, deployer, rib, link());
    if (ifindex !== undefined) rib.resolve(ifindex, address);
  };
  const readNeighbours = (from: EngineLink): void => rib.setOwnNeighbours(from.state.neighbours());
  let reading: NodeJS.Timeout | undefined;
  // Many that change together are read together.
  const neighboursChanged = (): void => {
    if (reading) return;
    reading = setTimeout(() => {
      reading = undefined;
      if (!stopped) readNeighbours(link());
    }, NEIGHBOURS_MS);
  };
  let stopped = false;
  readNeighbours(parts.first);
  // An engine that is going, or does not have the interface yet, is asked again a second later.
  rib.onOwnGateway(
    (slot, address) =>
      void link()
        .wantNeighbour(slot, address)
        .catch(() => undefined),
  );
  const serve = async (next: EngineLink, adopted: boolean): Promise<void> => {
    rib.attach(next);
    readNeighbours(next);
    const { active } = deployer;
    if (adopted) await deployer.refresh();
    else if (active !== undefined)
      await deployer.deploy(active.record.source, () => undefined, {
        dir: active.bundle.dir,
        number: undefined,
      });
  };
  const stop = async (handBack: boolean): Promise<void> => {
    stopped = true;
    supervisor.letGo();
    await deployer.idle();
    rib.attach(undefined);
    if (handBack) {
      await link()
        .stop()
        .catch((error: unknown) => log.error({ error: messageOf(error) }, 'the engine did not stop cleanly'));
    }
    link().release();
    await sets.close();
    if (handBack) interfaces.restore();
  };
  return { link, deployer, sets, localRoutes, refresh, stop };
}

function ifindexOfSlot(
  slot: number,
  deployer: Deployer,
  rib: { links(): readonly { readonly name: string; readonly ifindex: number }[] },
  link: EngineLink,
): number | undefined {
  const faces = deployer.active?.faces ?? new Map<string, { device: string }>();
  for (const [name, face] of faces) {
    if (link.state.interfaceSlot(name) !== slot) continue;
    return rib.links().find((l) => l.name === face.device)?.ifindex;
  }
  return undefined;
}
