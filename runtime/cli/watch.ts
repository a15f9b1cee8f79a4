/** Waits for files to change. Their directories are watched, because editors replace files. */
import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Editors write in several steps. */
const SETTLE_MS = 100;

/** Resolves with the first that changes. */
export function watchFiles(files: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const watchers = [...new Set(files.map((file) => dirname(file)))].map((directory) =>
      watch(directory, (_event, name) => {
        const changed = files.find((file) => dirname(file) === directory && basename(file) === name);
        if (changed === undefined) return;
        for (const one of watchers) one.close();
        setTimeout(() => resolve(changed), SETTLE_MS);
      }),
    );
  });
}
