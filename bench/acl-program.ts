/** A filter set as a shared object with the classifier alone, and the program that drives it: bench/peers/acl.c. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildClassifier } from '../codegen/classify/build.js';
import { packClassifier } from '../codegen/classify/pack.js';
import { compilerFlags, includeFlags, runCompiler, tablesFlag } from '../codegen/compiler.js';
import { packageRoot } from '../codegen/load/compiler.js';
import type { Family } from '../dsl/model.js';
import { asText, entriesOf, type Filter } from './classbench.js';

const run = promisify(execFile);

/** What the program prints. */
export interface Judged {
  /** Packets that are judged otherwise than by a scan of the rules. */
  readonly differences: number;
  readonly plain_differences: number;
  readonly peer_differences?: number;
  readonly peer_method?: string;
  readonly peer_build_ms?: number;
  /** Million packets a second. */
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

export interface Program {
  readonly path: string;
  /** Why the peer is not part of it. */
  readonly withoutPeer?: string;
}

export async function buildProgram(directory: string, withPeer: boolean): Promise<Program> {
  const path = join(directory, 'acl-load');
  const peer = withPeer ? await peerFlags() : undefined;
  const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', ...includeFlags(), ...(peer?.compile ?? [])];
  const source = join(packageRoot, 'bench/peers/acl.c');
  await run('gcc', [...flags, source, '-o', path, '-ldl', ...(peer?.link ?? [])]);
  return { path, ...(withPeer && !peer && { withoutPeer: 'libdpdk-dev is not installed' }) };
}

async function peerFlags() {
  try {
    const ask = async (what: string) =>
      (await run('pkg-config', [what, 'libdpdk'])).stdout.trim().split(/\s+/);
    return { compile: ['-DWITH_DPDK', ...(await ask('--cflags'))], link: await ask('--libs') };
  } catch {
    return undefined;
  }
}

export interface CompiledSet {
  readonly library: string;
  readonly rules: string;
  readonly family: Family;
  readonly bytes: number;
}

export async function compileSet(
  directory: string,
  name: string,
  filters: readonly Filter[],
  family: Family = 4,
): Promise<CompiledSet> {
  const at = (ending: string) => join(directory, `${name}.${ending}`);
  const packed = packClassifier(
    buildClassifier({ family, entries: entriesOf(filters, family), memory: 256 * 2 ** 20 }),
  );
  await writeFile(at('tables'), packed.bytes);
  await writeFile(at('rules'), asText(filters));
  await writeFile(at('c'), sourceOf(packed.members, family));
  const compiled = await runCompiler([
    ...compilerFlags(),
    ...includeFlags(),
    tablesFlag(at('tables')),
    at('c'),
    '-o',
    at('so'),
  ]);
  if (compiled.kind !== 'done') throw new Error(`${name}: ${JSON.stringify(compiled)}`);
  return { library: at('so'), rules: at('rules'), family, bytes: packed.bytes.length };
}

function sourceOf(
  members: readonly { readonly name: string; readonly value: string }[],
  family: Family,
): string {
  const ipv6 = `${family === 6}`;
  return `#include "netmill/classify_packet.h"
MILL_INCLUDE_TABLES(list_tables);
static const struct mill_classifier list = {
	.tables = list_tables,
${members.map(({ name, value }) => `\t.${name} = ${value},\n`).join('')}};
void acl_classify(const struct mill_key *key, uint32_t n, uint32_t *entry);
void acl_classify_plain(const struct mill_key *key, uint32_t n, uint32_t *entry);
#ifdef MILL_CLASSIFY_VECTOR
MILL_CLASSIFY_TARGET void acl_classify(const struct mill_key *key, uint32_t n, uint32_t *entry)
{
	mill_classify_burst(&list, key, n, ${ipv6}, &mill_vector, entry);
}
#else
void acl_classify(const struct mill_key *key, uint32_t n, uint32_t *entry)
{
	acl_classify_plain(key, n, entry);
}
#endif
void acl_classify_plain(const struct mill_key *key, uint32_t n, uint32_t *entry)
{
	mill_classify_burst(&list, key, n, ${ipv6}, &mill_plain, entry);
}
`;
}

export interface Load {
  readonly packets: number;
  readonly runs: number;
  /** How many of them are judged by a scan too. */
  readonly checked: number;
}

export async function judge(program: Program, set: CompiledSet, load: Load): Promise<Judged> {
  const numbers = [load.packets, load.runs, load.checked].map(String);
  const { stdout } = await run(program.path, [set.library, set.rules, `${set.family}`, ...numbers]);
  return JSON.parse(stdout) as Judged;
}
