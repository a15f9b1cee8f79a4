/** Waits for files to change. Their directories are watched, because editors replace files. */
import { existsSync, statSync, watch } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import type { Warm } from '../../codegen/load/warm.js';

/** Editors write in several steps; what comes later than this starts another build. */
const SETTLE_MS = 20;
/** Times of files are as coarse as the kernel's clock tick. */
const TICK_MS = 10;

/** What a build has read, whether it went well or not. */
export interface Read {
  readonly root: string;
  readonly policyFiles: readonly { readonly path: string }[];
}

/** Builds now, and again after each change of the policy or of what the last build read. Ends by an error alone. */
export async function buildOnChange(
  policy: string,
  build: (warm: Warm) => Promise<Read>,
  say: (text: string) => void,
): Promise<never> {
  // The compiler is a large program: only who builds waits for it.
  const { createWarm } = await import('../../codegen/load/warm.js');
  const warm = createWarm();
  for (;;) {
    const started = Date.now();
    const { root, policyFiles } = await build(warm);
    warm.prepare();
    say('waiting for a change');
    const files = [resolve(policy), ...policyFiles.map((file) => resolve(root, file.path))];
    const changed = await watchFiles(files, started);
    say(`${relative(process.cwd(), changed)} has changed`);
  }
}

/**
 * Resolves with the first that changes.
 *
 * @param since milliseconds since 1970: what has changed from then on counts, too
 */
function watchFiles(files: readonly string[], since: number): Promise<string> {
  const directories = [...new Set(files.map((file) => dirname(file)))].filter((path) => existsSync(path));
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      for (const one of watchers) one.close();
      settle();
    };
    const watchers = directories.map((directory) =>
      watch(directory, (_event, name) => {
        const changed = files.find((file) => dirname(file) === directory && basename(file) === name);
        if (changed !== undefined) end(() => setTimeout(() => resolve(changed), SETTLE_MS));
      }).on('error', (error) => end(() => reject(error))),
    );
    // After the watch has begun, so that no moment is between the two.
    const early = files.find((file) => changedSince(file, since));
    if (early !== undefined) end(() => setTimeout(() => resolve(early), SETTLE_MS));
  });
}

function changedSince(file: string, since: number): boolean {
  const found = statSync(file, { throwIfNoEntry: false });
  return found !== undefined && found.mtimeMs > since - TICK_MS;
}
