/**
 * What sets hold that change at run time. The engine's word counts: it lends what it maps to whoever connects. A file for each
 * set in the run directory is written after it, for an engine that starts from nothing; a bundle has what a set holds at first.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TooComplex } from '../../codegen/analysis/diagram.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { type LockoutGuard, lockoutGuard } from '../../codegen/findings/lockout.js';
import { lower } from '../../codegen/lower.js';
import { policyFile, policyFromJson } from '../../codegen/policy-json.js';
import { type Contents, noContents, type SetContents } from '../../codegen/sets/contents.js';
import { contentsOfImage, imageHead, initialSetFile, setImage } from '../../codegen/sets/image.js';
import type { Bundle } from '../deploy/bundle.js';
import { MillError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { EngineLink } from '../native.js';

type Link = Pick<EngineLink, 'putSet' | 'dropSet' | 'sets' | 'readSet'>;

export interface Held {
  readonly contents: SetContents;
  /** Milliseconds since the epoch; 0: as it was built. */
  readonly changed: number;
  /** Bytes of memory. */
  readonly bytes: number;
}

export interface Sets {
  /** Gives the engine those of the bundle that it has not: what they held last, or what they hold at first. */
  provide(bundle: Bundle, link: Link): Promise<void>;
  /**
   * Would the bundle's policy cut off who must reach the router, with what its sets hold and with `changed` in place of that?
   * @throws MillError `policy` with what the build would say
   */
  judge(bundle: Bundle, link: Link, changed?: Contents): void;
  /** Another contents for a set, whole, for every worker at once. */
  change(name: string, contents: SetContents, link: Link): Promise<void>;
  read(name: string, link: Link): Held | undefined;
  /** Forgets all others. */
  keep(names: readonly string[], link: Link): Promise<void>;
  /** Writes down what the engine has. */
  save(link: Link): void;
}

export function openSets(dir: string, log: Logger): Sets {
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const guards = new Map<string, Guarded>();
  const pathOf = (name: string) => join(dir, initialSetFile(name));

  const write = (name: string, image: Buffer): void => {
    try {
      writeFileSync(`${pathOf(name)}.new`, image);
      renameSync(`${pathOf(name)}.new`, pathOf(name));
    } catch (error) {
      log.error({ set: name, error: messageOf(error) }, 'what a set holds was not written down');
    }
  };

  const read = (name: string, link: Link): Held | undefined => {
    const image = link.readSet(name) ?? readWritten(pathOf(name));
    return image && { contents: contentsOfImage(image), ...changedOf(image) };
  };

  const guardOf = (bundle: Bundle): Guarded => {
    const known = guards.get(bundle.dir);
    if (known) return known;
    const made = guarded(bundle);
    guards.clear();
    guards.set(bundle.dir, made);
    return made;
  };

  return {
    read,
    provide: async (bundle, link) => {
      for (const { name } of bundle.plan.sets) {
        if (link.sets().includes(name)) continue;
        const path = pathOf(name);
        if (readWritten(path) === undefined) cpSync(join(bundle.dir, initialSetFile(name)), path);
        await link.putSet(path);
      }
    },
    judge: (bundle, link, changed = new Map()) => {
      if (bundle.plan.sets.length === 0) return;
      const { guard, policy } = guardOf(bundle);
      const contents = new Map(
        bundle.plan.sets.map(({ name }) => [
          name,
          changed.get(name) ?? read(name, link)?.contents ?? initialContents(bundle, name),
        ]),
      );
      const wrong = guard.check(contents).filter((one) => one.severity === 'error');
      const [first] = wrong;
      if (first === undefined) return;
      const details = renderText(wrong, { root: policy.root, files: policy.files, colour: false });
      throw new MillError('policy', `${first.code}: ${first.message}`, undefined, details);
    },
    change: async (name, contents, link) => {
      const image = setImage(name, contents, Date.now());
      const path = `${pathOf(name)}.next`;
      writeFileSync(path, image);
      try {
        await link.putSet(path);
        renameSync(path, pathOf(name));
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
        if (image && !readWritten(pathOf(name))?.equals(image)) write(name, image);
      }
    },
  };
}

/** Undefined: there is none of this version. */
function readWritten(path: string): Buffer | undefined {
  try {
    const image = readFileSync(path);
    imageHead(image);
    return image;
  } catch {
    return undefined;
  }
}

function changedOf(image: Buffer): Pick<Held, 'changed' | 'bytes'> {
  const { changed, bytes } = imageHead(image);
  return { changed, bytes };
}

function initialContents(bundle: Bundle, name: string): SetContents {
  const image = readWritten(join(bundle.dir, initialSetFile(name)));
  return image === undefined ? noContents : contentsOfImage(image);
}

interface Guarded {
  readonly guard: LockoutGuard;
  readonly policy: ReturnType<typeof policyFromJson>;
}

function guarded(bundle: Bundle): Guarded {
  const path = join(bundle.dir, policyFile);
  if (!existsSync(path))
    throw new MillError('policy', `${bundle.dir} has no ${policyFile}`, 'build it with this netmill');
  const policy = policyFromJson(readFileSync(path, 'utf8'));
  try {
    return { policy, guard: lockoutGuard(lower(policy)) };
  } catch (error) {
    // The build has said so, and let it pass.
    if (error instanceof TooComplex) return { policy, guard: { check: () => [] } };
    throw error;
  }
}
