/** ClassBench filter sets for the classifier and its peers; the first line that matches counts. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Entry, PortTest, Prefix } from '../codegen/classify/input.js';
import { packageRoot } from '../codegen/load/compiler.js';
import { parseAddress } from '../dsl/address.js';
import { type Filter as Line, parseClassbench } from '../dsl/formats/classbench.js';
import type { Family, PortRange } from '../dsl/model.js';

const directory = join(packageRoot, 'examples/data/acl');

/** Flags are not looked at: rte_acl's five fields do not have them. */
export type Filter = Omit<Line, 'line' | 'flags'>;

export function setNames(): readonly string[] {
  return readdirSync(directory)
    .flatMap((file) => /^(.*)\.txt\.gz$/.exec(file)?.[1] ?? [])
    .sort();
}

export function readSet(name: string): readonly Filter[] {
  const text = gunzipSync(readFileSync(join(directory, `${name}.txt.gz`))).toString('latin1');
  return parseClassbench(text).map((one) => {
    if ('from' in one) return one;
    throw new Error(`${name}: line ${one.line} is no filter`);
  });
}

/** For the classifier. */
export function entriesOf(filters: readonly Filter[], family: Family = 4): readonly Entry[] {
  const tests = new Map<string, PortTest>();
  return filters.map((one) => {
    const from = prefix(one.from, family);
    const to = prefix(one.to, family);
    const key = JSON.stringify([one.sources, one.ports, one.proto]);
    const test = tests.get(key) ?? testOf(one);
    if (test) tests.set(key, test);
    return { ...(from && { from: [from] }), ...(to && { to: [to] }), ...(test && { test }), residual: false };
  });
}

const isEvery = ({ from, to }: PortRange) => from === 0 && to === 65535;

function testOf({ sources, ports, proto }: Filter): PortTest | undefined {
  if (proto === undefined && isEvery(sources) && isEvery(ports)) return undefined;
  return {
    alternatives: [{ ...(proto !== undefined && { proto }), ...(isEvery(ports) ? {} : { ranges: [ports] }) }],
    ...(isEvery(sources) ? {} : { sources: [sources] }),
  };
}

/** Undefined: every address. */
function prefix(text: string, family: Family): Prefix | undefined {
  const [address, size] = text.split('/');
  const length = Number(size);
  if (length === 0) return undefined;
  const rest = BigInt((family === 4 ? 32 : 128) - length);
  return { bits: (parseAddress(address!)!.bits >> rest) << rest, length };
}

/** The same set for IPv6: the 32 bits of its prefixes come behind a prefix of 32 bits. */
export function asIpv6(filters: readonly Filter[]): readonly Filter[] {
  return filters.map((one) => ({ ...one, from: prefix6(one.from), to: prefix6(one.to) }));
}

function prefix6(text: string): string {
  const [address, size] = text.split('/');
  const [a, b, c, d] = address!.split('.').map(Number) as [number, number, number, number];
  const words = [a * 256 + b, c * 256 + d].map((word) => word.toString(16));
  return size === '0' ? '::/0' : `2001:db8:${words.join(':')}::/${32 + Number(size)}`;
}

/** For bench/peers/acl.c. */
export function asText(filters: readonly Filter[]): string {
  const ports = ({ from, to }: PortRange) => `${from}-${to}`;
  return filters
    .map(
      ({ from, to, sources, ports: destination, proto }) =>
        `${from} ${to} ${ports(sources)} ${ports(destination)} ${proto ?? 0}/${proto === undefined ? 0 : 255}\n`,
    )
    .join('');
}
