/**
 * Keeps an engine running: what the daemon does when its engine dies. Another engine adopts the descriptors, so that
 * links never flap. An engine of a generation that two engines died of within a minute, be it while they adopted, adopts
 * the one before instead: packets that kill leave no time to roll back afterwards. While none can be started, the daemon
 * goes on trying.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { EngineKilled, type EngineProcesses } from './engine-process.js';
import { messageOf } from './errors.js';
import type { Logger } from './log.js';
import type { EngineLink, EngineNotice } from './native.js';
import type { PacketMemory } from './packet-memory.js';

export interface SupervisorOptions {
  readonly engines: Pick<EngineProcesses, 'adopt' | 'start'>;
  /** For an engine that starts with nothing. */
  readonly memory: () => PacketMemory;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Another engine serves from now on, perhaps another generation; `adopted` is false when it starts with nothing. */
  readonly onEngine: (link: EngineLink, adopted: boolean) => Promise<void>;
  readonly onNotice: (notice: Exclude<EngineNotice, { kind: 'closed' }>) => void;
}

export interface Supervisor {
  readonly link: EngineLink;
  readonly restarts: number;
  /** From now on an engine that goes away is meant to. */
  letGo(): void;
}

const CRASH_WINDOW_MS = 60_000;
const RETRY_MS = 1000;

export function supervise(first: EngineLink, options: SupervisorOptions): Supervisor {
  const { log, signal } = options;
  let crashes: readonly { readonly generation: number; readonly at: number }[] = [];
  let link = first;
  let restarts = 0;
  let watching = true;

  const watch = (watched: EngineLink): void => {
    watched.onNotice((notice) => {
      if (notice.kind !== 'closed') return options.onNotice(notice);
      if (watched !== link || !watching || signal.aborted) return;
      void replace(watched).catch((error: unknown) => {
        if (!signal.aborted)
          log.fatal({ error: messageOf(error) }, 'another engine could not be put to work');
      });
    });
  };

  const replace = async (dead: EngineLink): Promise<void> => {
    const died = performance.now();
    const generation = dead.state.running;
    log.error({ engine: dead.pid, generation }, 'the engine died');
    crashed(generation);
    const next = await successor(dead, generation);
    link = next.link;
    restarts += 1;
    watch(next.link);
    const ms = Math.round(performance.now() - died);
    log.warn({ engine: next.link.pid, adopted: next.adopted, ms }, 'another engine serves');
    await options.onEngine(next.link, next.adopted);
  };

  const crashed = (generation: number): void => {
    const at = performance.now();
    crashes = [...crashes.filter((crash) => crash.at > at - CRASH_WINDOW_MS), { generation, at }];
  };
  const isDeadly = (generation: number): boolean =>
    crashes.filter((crash) => crash.generation === generation).length >= 2;

  const successor = async (
    dead: EngineLink,
    generation: number,
  ): Promise<{ link: EngineLink; adopted: boolean }> => {
    try {
      const link = await adopt(dead, generation);
      dead.release(); // or its sockets would stay, and a port could not be opened anew on the same queue
      return { link, adopted: true };
    } catch (error) {
      log.error({ error: messageOf(error) }, 'adoption failed: a new engine starts with nothing');
      dead.release();
      return { link: await fresh(), adopted: false };
    }
  };

  const adopt = async (dead: EngineLink, generation: number): Promise<EngineLink> => {
    const goesBack = isDeadly(generation) && dead.retained.length > 0;
    if (goesBack) log.error({ generation }, 'the engine died twice within a minute: rolling back');
    try {
      return await options.engines.adopt(dead, signal, goesBack ? generation : undefined);
    } catch (error) {
      if (goesBack || !(error instanceof EngineKilled)) throw error;
      crashed(generation);
      if (!isDeadly(generation) || dead.retained.length === 0) throw error;
      log.error({ generation, error: messageOf(error) }, 'the engine died while it adopted');
      return adopt(dead, generation);
    }
  };

  /** @throws when the daemon ends meanwhile */
  const fresh = async (): Promise<EngineLink> => {
    for (;;) {
      try {
        return await options.engines.start(signal, options.memory());
      } catch (error) {
        log.error({ error: messageOf(error) }, `no engine can be started: tried again in ${RETRY_MS} ms`);
        await sleep(RETRY_MS, undefined, { signal });
      }
    }
  };

  watch(first);
  return {
    get link() {
      return link;
    },
    get restarts() {
      return restarts;
    },
    letGo: () => {
      watching = false;
    },
  };
}
