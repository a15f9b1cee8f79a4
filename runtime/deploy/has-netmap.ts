import { closeSync, openSync } from 'node:fs';

/** Has this kernel netmap, and does it answer us? */
export function hasNetmap(device = '/dev/netmap'): boolean {
  try {
    closeSync(openSync(device, 'r+'));
    return true;
  } catch {
    return false;
  }
}
