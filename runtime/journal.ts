/**
 * What the daemon has changed in the kernel, on disk before it is done, so that it can be undone after any death:
 * addresses, MTUs, devices set up, static routes. An entry that turns out not to exist any more is no error.
 */
import { readFileSync } from 'node:fs';
import { writeWhole } from './write-whole.js';

export type KernelChange =
  | { readonly kind: 'address'; readonly device: string; readonly address: string }
  | { readonly kind: 'route'; readonly prefix: string; readonly gateway: string }
  | { readonly kind: 'mtu'; readonly device: string; readonly before: number }
  | { readonly kind: 'up'; readonly device: string };

export interface Journal {
  entries(): readonly KernelChange[];
  has(change: KernelChange): boolean;
  add(change: KernelChange): void;
  remove(change: KernelChange): void;
}

export function openJournal(path: string): Journal {
  let entries: readonly KernelChange[] = load(path);
  const save = (next: readonly KernelChange[]): void => {
    writeWhole(path, `${JSON.stringify(next)}\n`);
    entries = next;
  };
  const isSame = (a: KernelChange) => (b: KernelChange) => keyOf(a) === keyOf(b);
  return {
    entries: () => entries,
    has: (change) => entries.some(isSame(change)),
    add: (change) => {
      if (!entries.some(isSame(change))) save([...entries, change]);
    },
    remove: (change) => {
      const rest = entries.filter((entry) => !isSame(change)(entry));
      if (rest.length !== entries.length) save(rest);
    },
  };
}

/** The MTU before belongs to the entry, not to what it is about. */
function keyOf(change: KernelChange): string {
  switch (change.kind) {
    case 'address':
      return `address ${change.device} ${change.address}`;
    case 'route':
      return `route ${change.prefix} ${change.gateway}`;
    case 'mtu':
      return `mtu ${change.device}`;
    case 'up':
      return `up ${change.device}`;
  }
}

function load(path: string): readonly KernelChange[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as readonly KernelChange[];
  } catch {
    return [];
  }
}
