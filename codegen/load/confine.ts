/**
 * What the kernel keeps a policy's process from, besides what Node does: a network (it has a namespace of its own,
 * with no device up), files (nothing can be written, not even as root), memory beyond the JavaScript heap, privileges
 * by what it executes. Made by programs of util-linux that run one another; where one of them is missing, or may not
 * do its part (a container without the right to namespaces), that part is left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface Confinement {
  readonly milliseconds: number;
  /** Of the JavaScript heap. */
  readonly megabytes: number;
}

const directories: readonly string[] = ['/usr/bin', '/bin', '/usr/sbin'];
/** What Node needs beside the heap: stacks, code, buffers. */
const besideHeap = 512;
const mebibyte = 1024 * 1024;

/** `command`, with what confines it in front. */
export function confined(limits: Confinement, command: readonly string[]): readonly string[] {
  return [...ownNetwork(), ...resources(limits), ...noNewPrivileges(), ...command];
}

/** Who is not root needs a user namespace for that, which gives nothing else away. */
function ownNetwork(): readonly string[] {
  const flags = process.getuid?.() === 0 ? ['--net'] : ['--user', '--net'];
  const program = find('unshare');
  if (program === undefined) return [];
  mayUnshare ??= spawnSync(program, [...flags, find('true') ?? 'true']).status === 0;
  return mayUnshare ? [program, ...flags, '--'] : [];
}

/** Asked once: this process will not be allowed more, or less, later on. */
let mayUnshare: boolean | undefined;

function resources({ milliseconds, megabytes }: Confinement): readonly string[] {
  const program = find('prlimit');
  if (program === undefined) return [];
  const seconds = Math.ceil((3 * milliseconds) / 1000);
  const data = (megabytes + besideHeap) * mebibyte;
  return [program, '--fsize=0', '--core=0', `--cpu=${seconds}`, `--data=${data}`, '--'];
}

function noNewPrivileges(): readonly string[] {
  const program = find('setpriv');
  return program === undefined ? [] : [program, '--no-new-privs', '--'];
}

function find(name: string): string | undefined {
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}
