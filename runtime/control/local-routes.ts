/**
 * Routes of `netmill route add`: netmill's own, in no table of the kernel. They are kept in a file of the run
 * directory, so that the next daemon has them too, and follow their device when it goes and comes again.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Rib } from '../native.js';
import { writeWhole } from '../write-whole.js';

const localRoute = z.strictObject({
  prefix: z.string(),
  gateway: z.string().optional(),
  /** Name of the kernel's device: there is no gateway, or it is there. */
  device: z.string().optional(),
});

export type LocalRoute = z.infer<typeof localRoute>;

export interface LocalRoutes {
  list(): readonly LocalRoute[];
  /**
   * Adds it, or puts it in the place of the one with this prefix.
   * @returns false while there is no way to its gateway: then it waits for one
   * @throws what the RIB or the disk refuses
   */
  add(route: LocalRoute): boolean;
  /** False when there is none. */
  delete(prefix: string): boolean;
  /** Tells the RIB what it does not know yet: at the start, and when devices have changed. */
  apply(): void;
}

export interface LocalRoutesOptions {
  readonly path: string;
  readonly rib: Pick<Rib, 'links' | 'addLocal' | 'deleteLocal'>;
  readonly log: Logger;
}

export function openLocalRoutes({ path, rib, log }: LocalRoutesOptions): LocalRoutes {
  let routes = load(path, log);
  /** What the RIB was told, by prefix: an ifindex, 0 for a gateway alone. */
  const told = new Map<string, number>();

  const save = (next: readonly LocalRoute[]): void => {
    writeWhole(path, `${JSON.stringify(next, null, 2)}\n`, 0o600);
    routes = next;
  };
  const forget = (prefix: string): void => {
    rib.deleteLocal(prefix);
    told.delete(prefix);
  };
  const indexOf = (device: string | undefined): number | undefined =>
    device === undefined ? 0 : rib.links().find((link) => link.name === device)?.ifindex;
  const tell = ({ prefix, gateway, device }: LocalRoute): boolean => {
    const ifindex = indexOf(device);
    if (ifindex === undefined) {
      forget(prefix);
      return false;
    }
    const hasWay = rib.addLocal(prefix, gateway, ifindex === 0 ? undefined : ifindex);
    told.set(prefix, ifindex);
    return hasWay;
  };
  /** A device that has another name now is still the one that was meant. */
  const followNames = (): void => {
    const names = new Map(rib.links().map((link) => [link.ifindex, link.name]));
    const renamed = routes.map((route) => {
      const name = names.get(told.get(route.prefix) ?? 0);
      return route.device === undefined || name === undefined ? route : { ...route, device: name };
    });
    if (renamed.every((route, r) => route.device === routes[r]!.device)) return;
    try {
      save(renamed);
    } catch (error) {
      routes = renamed;
      log.error({ path, error: messageOf(error) }, 'new names of devices of local routes are not kept');
    }
  };

  return {
    list: () => routes,
    add: (route) => {
      const others = routes.filter(({ prefix }) => prefix !== route.prefix);
      const before = routes.find(({ prefix }) => prefix === route.prefix);
      const hasWay = tell(route);
      try {
        save([...others, route]);
      } catch (error) {
        if (before) tell(before);
        else forget(route.prefix);
        throw error;
      }
      return hasWay;
    },
    delete: (prefix) => {
      const rest = routes.filter((route) => route.prefix !== prefix);
      if (rest.length === routes.length) return false;
      save(rest);
      forget(prefix);
      return true;
    },
    apply: () => {
      followNames();
      for (const route of routes) {
        try {
          if (indexOf(route.device) !== told.get(route.prefix)) tell(route);
        } catch (error) {
          log.warn({ prefix: route.prefix, error: messageOf(error) }, 'local route refused');
        }
      }
    },
  };
}

function load(path: string, log: Logger): readonly LocalRoute[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  try {
    return z.array(localRoute).parse(JSON.parse(text));
  } catch (error) {
    log.error({ path, error: messageOf(error) }, 'local routes cannot be read: add them again');
    return [];
  }
}
