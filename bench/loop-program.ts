/** What the memory benches give to bench/loop/main.c and its peers: forwarders of policies, packets, tables, a policy as data. */
import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generate } from '../codegen/compile.js';
import { compilerFlags, includeFlags, linkFlags, runCompiler, tablesFlag } from '../codegen/compiler.js';
import type { Ir, IrList, IrRule } from '../codegen/ir.js';
import { builtinPredicate } from '../codegen/predicate/builtin.js';
import type { Router } from '../dsl/model.js';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../../bench', import.meta.url));

export interface Rate {
  /** Packets a second, and ticks of the time stamp counter for one. */
  readonly rate: number;
  readonly ticks: number;
}

export interface Checked {
  /** Of the bytes that were sent, and of all counters. */
  readonly sent: string;
  readonly counted?: string;
  readonly packets?: number;
  readonly of?: number;
}

export interface Counted {
  /** 0 where they cannot be counted. */
  readonly instructions: number;
  /** Of the core; 0 where they cannot be counted. */
  readonly cycles: number;
}

/** A program that answers each line with a line of JSON. */
export class LoopProgram {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, args: readonly string[], cores = '1') {
    this.#child = spawn('taskset', ['-c', cores, join(folder, 'build', name), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines: Interface = createInterface({ input: this.#child.stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async ask<T>(command: string): Promise<T> {
    this.#child.stdin.write(`${command}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended at '${command}'`);
    return JSON.parse(value) as T;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  close(): void {
    this.#child.stdin.end();
  }
}

export async function make(...targets: readonly string[]): Promise<void> {
  await run('make', ['-s', '-C', folder, ...targets.map((one) => `build/${one}`)]);
}

export const built = (name: string) => join(folder, 'build', name);

/** Why there is no peer; it is built otherwise. */
export async function makePeer(name: string): Promise<string | undefined> {
  try {
    await run('pkg-config', ['--exists', 'libdpdk']);
  } catch {
    return 'libdpdk is not installed (Debian: libdpdk-dev): no peer';
  }
  await make(name);
  return undefined;
}

export interface MadeForwarder {
  readonly path: string;
  readonly ir: Ir;
}

/** @param longest lists of more rules become tables; when not said, as netmill does it */
export async function makeForwarder(
  directory: string,
  name: string,
  router: Router,
  longest?: number,
): Promise<MadeForwarder> {
  const at = (ending: string) => join(directory, `${name}.${ending}`);
  const made = generate(
    {
      router,
      predicates: [builtinPredicate],
      files: [],
      policyHash: 'ab'.repeat(32),
      warnings: [],
      root: directory,
    },
    { longest },
  );
  await writeFile(at('c'), made.source);
  await writeFile(at('tables'), made.tables);
  const flags = [...compilerFlags(), ...includeFlags(), tablesFlag(at('tables'))];
  const compiled = await runCompiler([...flags, at('c'), ...linkFlags(), '-o', at('so')]);
  if (compiled.kind !== 'done') throw new Error(`${name}: ${JSON.stringify(compiled)}`);
  return { path: at('so'), ir: made.ir };
}

/** A record of rounds_load() each. */
export async function writePackets(path: string, frames: readonly Buffer[]): Promise<void> {
  const records = frames.map((frame) => {
    const record = Buffer.alloc(128);
    record.writeUInt16LE(frame.length, 0);
    frame.copy(record, 2);
    return record;
  });
  await writeFile(path, Buffer.concat(records));
}

/** A face of the forwarder in local order; tags as bytes, hexadecimal. */
export interface Face {
  readonly port: number;
  readonly mac: string;
  readonly tags?: string;
}

export async function writeSetup(
  path: string,
  faces: readonly Face[],
  tables: readonly string[],
  policy?: string,
): Promise<void> {
  const lines = [
    ...faces.map(({ port, mac, tags }) => `iface ${port} ${mac} ${tags ?? '-'}`),
    ...tables.map((table) => `table ${table}`),
    ...(policy === undefined ? [] : [`policy ${policy}`]),
  ];
  await writeFile(path, `${lines.join('\n')}\n`);
}

const hex = (value: number) => (value >>> 0).toString(16);

/** As bench/loop/policy.h has it. IPv4, and what the drawn lists are made of. */
export function policyText(ir: Ir): string {
  const lists = ir.lists.filter(({ kind }) => kind === 'acl');
  return `${[
    ...ir.ports.map(({ interfaces }) => `port ${interfaces.some(tagged) ? 1 : 0}`),
    ...ir.interfaces.map((face) => {
      const list = face.acl === undefined ? -1 : lists.indexOf(face.acl);
      return `iface ${face.port} ${tagsOf(face)} ${list} 0`;
    }),
    ...lists.flatMap((list) => [`list ${hex(list.fallback!.local)}`, ...rulesOf(list)]),
  ].join('\n')}\n`;
}

type Tagged = Pick<Ir['interfaces'][number], 'encapsulation'>;
const tagged = ({ encapsulation }: Tagged) => JSON.stringify(encapsulation).includes('vlan');

/** MILL_TAGS of one tag. */
function tagsOf(face: Tagged): string {
  const found = /"vlan"[^0-9]*(\d+)/.exec(JSON.stringify(face.encapsulation));
  return found ? (0x8100_0000 + Number(found[1])).toString(16) : '0';
}

function rulesOf(list: IrList): readonly string[] {
  return list.rules.filter(({ conditions }) => conditions[4] !== undefined).flatMap(rowsOf);
}

interface Half {
  readonly bits: bigint;
  readonly length: number;
}

const all: Half = { bits: 0n, length: 0 };
const maskOf = ({ length }: Half) => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);

/** One row for each combination; netmill's own lists without classifiers are such rows. */
function rowsOf({ conditions, local }: IrRule): readonly string[] {
  const { from, to, service } = conditions[4]!;
  const row = (src: Half, dst: Half, test: string) =>
    `rule ${hex(Number(src.bits))} ${hex(maskOf(src))} ${hex(Number(dst.bits))} ${hex(maskOf(dst))} ${test} ${hex(local)}`;
  const tests = service === undefined ? ['0 0 0 0 0'] : testsOf(service);
  return (from?.prefixes ?? [all]).flatMap((src) =>
    (to?.prefixes ?? [all]).flatMap((dst) => tests.map((test) => row(src, dst, test))),
  );
}

function testsOf({ tcp, udp }: NonNullable<NonNullable<IrRule['conditions'][4]>['service']>): string[] {
  return (
    [
      [6, tcp],
      [17, udp],
    ] as const
  ).flatMap(([proto, test]) =>
    test === undefined
      ? []
      : test.ranges === undefined
        ? [`${hex(proto)} ff 0 0 0`]
        : test.ranges.map(({ from, to }) => `${hex(proto)} ff 1 ${hex(from)} ${hex(to)}`),
  );
}
