/** Files that are there whole, or as they were: who reads meanwhile, or comes after a crash, sees no half of one. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';

/** @throws as writeFileSync does; then nothing has changed, and nothing is left beside it */
export function writeWhole(path: string, content: string | Uint8Array, mode = 0o666): void {
  try {
    writeFileSync(`${path}.new`, content, { mode });
    renameSync(`${path}.new`, path);
  } catch (error) {
    rmSync(`${path}.new`, { force: true });
    throw error;
  }
}
