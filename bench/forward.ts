/**
 * Forwarding. In memory: 64-byte packets through pipes, one worker; between namespaces: netmill over AF_XDP and the
 * kernel's own routing on the same topology, from the same generator, with the same pinning, run by run in turn.
 */

import { idle } from './idle.js';
import { memory } from './memory.js';
import type { Bench } from './result.js';
import { vethLinux } from './veth.js';

export const forward: Bench = async function* (wants, say) {
  for (const table of ['small', 'full'] as const) {
    if (wants(`memory.${table}`)) yield await memory(table, say);
  }
  if (wants('veth.linux')) yield await vethLinux(say);
  if (wants('idle')) yield await idle(say);
};
