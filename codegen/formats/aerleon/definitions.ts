/** Networks and services by name, each made of addresses, ports and other names. Only those that a term asks for are read. */
import { network, parseInterfaceAddress } from '../../../dsl/address.js';
import type { PortRange, Prefix, Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import { mergePorts } from '../../addresses.js';
import type { Source } from '../netmap-rt/read.js';
import { attempt, refuse, type Word } from './raw.js';
import { readYaml, type Tree } from './yaml.js';

/** What stands below a name: another name, or a value. */
export interface Item {
  readonly value: Word;
  readonly kind: 'name' | 'address' | 'port';
  /** Of a port. */
  readonly protocol?: string;
  readonly comment?: string;
}

export interface Definition {
  readonly name: Word;
  readonly items: readonly Item[];
  readonly comments: readonly string[];
}

export interface Definitions {
  readonly networks: ReadonlyMap<string, Definition>;
  readonly services: ReadonlyMap<string, Definition>;
}

export interface NamedPrefix {
  readonly prefix: Prefix;
  readonly note?: string;
}

export interface NamedPort extends PortRange {
  readonly protocol: string;
}

export function readDefinitionsYaml(
  source: Source,
  problems: Problem[],
): { readonly networks: readonly Definition[]; readonly services: readonly Definition[] } {
  const tree = readYaml(source, problems);
  const section = (name: string): readonly Definition[] => {
    const found =
      tree?.kind === 'table' ? tree.entries.find((one) => one.key.text === name)?.value : undefined;
    if (found?.kind !== 'table') return [];
    return found.entries.flatMap(
      ({ key, value }) => attempt(problems, () => [definitionOf(key, value)]) ?? [],
    );
  };
  return { networks: section('networks'), services: section('services') };
}

/** A name stands for one thing, in whatever files. */
export function byName(all: readonly Definition[], problems: Problem[]): ReadonlyMap<string, Definition> {
  const found = new Map<string, Definition>();
  for (const one of all) {
    const other = found.get(one.name.text);
    if (other)
      problems.push({
        code: 'NM6004',
        origin: one.name.origin,
        message: `${show(one.name.text)} is defined before, in ${other.name.origin.file}:${other.name.origin.line}`,
        fix: 'delete one of them.',
      });
    else found.set(one.name.text, one);
  }
  return found;
}

function definitionOf(name: Word, value: Tree): Definition {
  const values =
    value.kind === 'table' ? value.entries.find((one) => one.key.text === 'values')?.value : value;
  if (values?.kind !== 'list')
    return refuse('NM6001', name.origin, `${show(name.text)} has no list of values`);
  const { items } = values;
  return {
    name,
    comments: value.comments,
    items: items.flatMap((item) => itemOf(item)),
  };
}

function textOf(item: Tree, key: string): Word | undefined {
  const found = item.kind === 'table' ? item.entries.find((one) => one.key.text === key)?.value : undefined;
  return found?.kind === 'text' ? { text: found.text.trim(), origin: found.origin } : undefined;
}

function itemOf(item: Tree): readonly Item[] {
  if (item.kind === 'text')
    return [{ kind: 'name', value: { text: item.text, origin: item.origin }, ...noted(item.comments[0]) }];
  const comment = textOf(item, 'comment')?.text ?? item.comments[0];
  for (const kind of ['name', 'address', 'port'] as const) {
    const value = textOf(item, kind);
    const protocol = textOf(item, 'protocol')?.text;
    if (value) return [{ kind, value, ...(protocol && { protocol }), ...noted(comment) }];
  }
  // Asked by fields for such names alone, which are refused.
  if (textOf(item, 'fqdn')) return [];
  return refuse('NM6001', item.origin, 'this is no value', {
    expected: "'address', 'port' with 'protocol', or 'name' of another",
  });
}

function noted(comment: string | undefined): { readonly comment?: string } {
  return comment === undefined || comment === '' ? {} : { comment };
}

/** @throws Refused */
export function prefixesOfName(word: Word, { networks }: Definitions): readonly NamedPrefix[] {
  return resolve(word, networks, 'network', ({ value, comment }, within): readonly NamedPrefix[] => {
    const note = [...(within === word.text ? [] : [within]), ...(comment === undefined ? [] : [comment])];
    return [{ prefix: prefixOf(value), ...(note.length > 0 && { note: note.join(': ') }) }];
  });
}

/** A literal, whose host bits are cut off, as Aerleon does. @throws Refused */
export function prefixOf({ text, origin }: Word): Prefix {
  const address = parseInterfaceAddress(text);
  if (address) return network(address);
  return refuse('NM6001', origin, `${show(text)} is not an address or a prefix`, {
    expected: '10.0.0.0/8, 2001:db8::/32, or an address alone',
    got: show(text),
  });
}

/** @throws Refused */
export function portsOfName(word: Word, { services }: Definitions): readonly NamedPort[] {
  return resolve(word, services, 'service', ({ value, protocol }) => {
    const range = portRangeOf(value);
    if (protocol === undefined)
      return refuse('NM6001', value.origin, `port ${show(value.text)} has no protocol`);
    return [{ ...range, protocol }];
  });
}

/** `53` or `1024-65535`; leading zeros are octal to some readers of YAML. @throws Refused */
export function portRangeOf({ text, origin }: Word, most = 65_535, what = 'a port'): PortRange {
  const found = /^(0|[1-9]\d*)(?:-(0|[1-9]\d*))?$/.exec(text);
  const [from, to] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
  if (found && from <= to && to <= most) return { from, to };
  return refuse('NM6001', origin, `${show(text)} is not ${what}`, {
    expected: `a number from 0 to ${most}, or a range of them, such as 3-5`,
    got: show(text),
  });
}

export function mergedPorts(ports: readonly PortRange[]): readonly PortRange[] {
  return mergePorts(ports).map(({ from, to }) => ({ from, to }));
}

function resolve<T>(
  word: Word,
  all: ReadonlyMap<string, Definition>,
  what: 'network' | 'service',
  read: (item: Item, within: string) => readonly T[],
  way: readonly string[] = [],
): readonly T[] {
  const found = all.get(word.text);
  if (way.includes(word.text))
    refuse('NM6001', word.origin, `${[...way, word.text].join(', ')} are made of each other`);
  if (!found)
    return refuse('NM6002', word.origin, `no definition has the ${what} ${show(word.text)}`, {
      fix: 'name the file or directory that has it: --definitions def/.',
    });
  if (found.items.length === 0)
    refuse(
      'NM6003',
      found.name.origin,
      `${show(word.text)} has no ${what === 'network' ? 'address' : 'port'}`,
      {
        fix: 'write them there; what a name resolves to changes by itself.',
      },
    );
  return found.items.flatMap((item) =>
    item.kind === 'name' ? resolve(item.value, all, what, read, [...way, word.text]) : read(item, word.text),
  );
}
