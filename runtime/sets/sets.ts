/**
 * What sets hold that change at run time. The engine's word counts: it lends what it maps to whoever connects. A file for each
 * set in the run directory is written after it, for an engine that starts from nothing; a bundle has what a set holds at first.
 * What a large set takes is done in a thread of its own: here images are only handed on.
 */
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { noContents, type SetContents } from '../../codegen/sets/contents.js';
import { initialSetFile } from '../../codegen/sets/image.js';
import type { Address } from '../../dsl/model.js';
import type { Bundle } from '../deploy/bundle.js';
import type { PlanSet } from '../deploy/plan.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { EngineLink } from '../native.js';
import { writeWhole } from '../write-whole.js';
import { openSetThread } from './thread.js';
import { type Changed, readImage, type SetAction, type SetSummary } from './work.js';

type Link = Pick<EngineLink, 'putSet' | 'dropSet' | 'sets' | 'readSet'>;

export interface SetChange {
  readonly set: PlanSet;
  readonly action: SetAction;
  /** Number of the list. */
  readonly upload: number;
  /** Also when it cuts off who must reach the router. */
  readonly force: boolean;
}

export interface Sets {
  /** Gives the engine those of the bundle that it has not: what they held last, or what they hold at first. */
  provide(bundle: Bundle, link: Link): Promise<void>;
  /**
   * Would the bundle's policy cut off who must reach the router, with what its sets hold?
   * @throws MillError `policy` with what the build would say
   */
  judge(bundle: Bundle, link: Link): Promise<void>;
  /** A piece of a list, of whole lines. */
  upload(upload: number, text: string): Promise<void>;
  /** A list that nobody wants any more. */
  forget(upload: number): Promise<void>;
  /**
   * Another contents for a set of the running policy, whole, for every worker at once.
   * @throws MillError `usage` when the list is wrong, `policy` when it cuts off who must reach the router
   */
  change(bundle: Bundle, change: SetChange, link: Link): Promise<Changed>;
  summary(name: string, link: Link): Promise<SetSummary>;
  read(name: string, link: Link): Promise<SetContents>;
  /** Those of the addresses that it holds. */
  among(name: string, addresses: readonly Address[], link: Link): Promise<SetContents>;
  /** Forgets all others. */
  keep(names: readonly string[], link: Link): Promise<void>;
  /** Writes down what the engine has. */
  save(link: Link): void;
  close(): Promise<void>;
}

export function openSets(dir: string, log: Logger): Sets {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const thread = openSetThread();
  const pathOf = (name: string) => join(dir, initialSetFile(name));

  const write = (name: string, image: Buffer): void => {
    try {
      writeWhole(pathOf(name), image);
    } catch (error) {
      log.error({ set: name, error: messageOf(error) }, 'what a set holds was not written down');
    }
  };
  const imageOf = (name: string, link: Link): Buffer | undefined =>
    link.readSet(name) ?? readImage(pathOf(name));
  const imagesOf = (names: readonly string[], link: Link): ReadonlyMap<string, Buffer> =>
    new Map(
      names.flatMap((name): readonly [string, Buffer][] => {
        const image = imageOf(name, link);
        return image ? [[name, image]] : [];
      }),
    );

  return {
    upload: (upload, text) => thread.upload(upload, text),
    forget: (upload) => thread.forget(upload),
    summary: async (name, link) => {
      const image = imageOf(name, link);
      return image ? thread.summary(image) : { prefixes: { 4: 0, 6: 0 }, changed: 0, bytes: 0 };
    },
    read: async (name, link) => {
      const image = imageOf(name, link);
      return image ? thread.contents(image) : noContents;
    },
    among: async (name, addresses, link) => {
      const image = imageOf(name, link);
      return image ? thread.among(image, addresses) : noContents;
    },
    provide: async (bundle, link) => {
      for (const { name } of bundle.plan.sets) {
        if (link.sets().includes(name)) continue;
        const path = pathOf(name);
        if (readImage(path) === undefined) cpSync(join(bundle.dir, initialSetFile(name)), path);
        await link.putSet(path);
      }
    },
    judge: async ({ dir: bundle, plan }, link) => {
      const names = plan.sets.map((one) => one.name);
      if (names.length === 0 || !(await thread.guards(bundle))) return;
      await thread.judge(bundle, names, imagesOf(names, link));
    },
    change: async ({ dir: bundle, plan }, { set: { name, families }, ...change }, link) => {
      const names = plan.sets.map((one) => one.name);
      const images = imagesOf((await thread.guards(bundle)) ? names : [name], link);
      const path = `${pathOf(name)}.next`;
      try {
        const done = await thread.change({ ...change, name, names, families, bundle, images, path });
        if (!done.changed) return done;
        await link.putSet(path);
        renameSync(path, pathOf(name));
        return done;
      } finally {
        rmSync(path, { force: true });
      }
    },
    keep: async (names, link) => {
      for (const name of link.sets().filter((one) => !names.includes(one)))
        await link
          .dropSet(name)
          .catch((error: unknown) =>
            log.warn({ set: name, error: messageOf(error) }, 'a set was not let go'),
          );
      for (const file of readdirSync(dir))
        if (!names.some((name) => file === initialSetFile(name))) rmSync(join(dir, file), { force: true });
    },
    save: (link) => {
      for (const name of link.sets()) {
        const image = link.readSet(name);
        if (image && !readImage(pathOf(name))?.equals(image)) write(name, image);
      }
    },
    close: () => thread.close(),
  };
}
