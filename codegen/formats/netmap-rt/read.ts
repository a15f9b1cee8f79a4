/**
 * netmap-rt.conf and its ACL file as a draft. What a policy of netmill says in another way is taken over as it is meant;
 * what the public description of netmap-rt leaves open is written down as an assumption, or refused.
 */
import {
  type AclFields,
  parseNetmapRtAcl,
  presetFields,
  unnamedFields,
} from '../../../dsl/formats/netmap-rt-acl.js';
import type { Offload, Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Commented, Draft, DraftSettings } from '../draft.js';
import { noInterfaces, readFaces, type VlanDevices } from '../faces.js';
import { makeLists } from '../lists.js';
import { makePorts } from '../ports.js';
import type { PortLines } from './asked-on.js';
import { type Conf, type ConfEntry, type ConfKey, parseConf } from './conf.js';
import { linesOf } from './lines.js';

export interface Source {
  /** As it is named in messages. */
  readonly file: string;
  readonly text: string;
}

export interface NetmapRtOptions {
  readonly name: string;
  /** Undefined: nobody has named them. */
  readonly fields?: AclFields;
  /** What becomes of packets that no line takes. */
  readonly default: 'allow' | 'deny';
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  /** Undefined: nobody has said it. */
  readonly portLines?: PortLines;
  readonly vlans: VlanDevices;
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Where the conf says that its ACLs are, if it does. */
export function aclPathOf(conf: Source): string | undefined {
  return parseConf(conf.file, conf.text).entries.get('acl_conf')?.value;
}

export function readNetmapRt(conf: Source, acls: readonly Source[], options: NetmapRtOptions): Read<Draft> {
  const parsed = parseConf(conf.file, conf.text);
  const sources = acls.map(({ file, text }) => parseNetmapRtAcl(file, text, options.fields ?? unnamedFields));
  const problems = [...parsed.problems, ...sources.flatMap((source) => source.problems)];
  const assumptions: string[] = [];
  const settings = readSettings(parsed, conf.file, problems, assumptions);
  const named = parsed.entries.get('interfaces');
  if (named === undefined) problems.push(noInterfaces({ file: conf.file, line: 1, column: 1 }));
  const faces = named && readFaces(named, conf.file, options.vlans);
  problems.push(...(faces?.problems ?? []));
  if (named === undefined || faces === undefined || problems.length > 0) return { ok: false, problems };
  const lines = sources.flatMap(({ entries }, i) =>
    linesOf({ file: acls[i]!.file, entries }, faces.faces, options.portLines, problems),
  );
  if (problems.length > 0) return { ok: false, problems };
  const lists = makeLists(lines, faces.faces, {
    ...options,
    general: 'filter',
    each: 'from',
    shared: 'everywhere',
    comments: aclComments(parsed),
  });
  const hasRules = lists.lists.length > 0;
  assumptions.push(...faces.assumptions, ...(hasRules ? aclAssumptions(options) : []));
  const ports = makePorts(faces.faces, lists.byDevice, 'in', assumptions);
  return {
    ok: true,
    value: {
      router: options.name,
      sources: [conf, ...acls].map(({ file }) => file).join(' and '),
      assumptions,
      comments: [
        ...parsed.comments,
        ...withoutOffloads(parsed, settings),
        ...lists.comments,
        ...(hasRules ? [] : aclComments(parsed)),
      ],
      objects: [],
      fragments: lists.fragments,
      lists: lists.lists,
      ports: commented(named, ports),
      settings,
    },
  };
}

function commented<T>({ above, after }: ConfEntry, value: T): Commented<T> {
  return { value, above, ...(after !== undefined && { after }) };
}

function aclComments({ entries }: Conf): readonly string[] {
  const entry = entries.get('acl_conf');
  return entry ? [...entry.above, ...(entry.after === undefined ? [] : [entry.after])] : [];
}

/** Comments of a list of offloads that is empty: it has no place of its own. */
function withoutOffloads({ entries }: Conf, settings: DraftSettings): readonly string[] {
  const entry = settings.offloads ? undefined : entries.get('disable_hw_acceleration');
  return entry ? [...entry.above, ...(entry.after === undefined ? [] : [entry.after])] : [];
}

function aclAssumptions(options: NetmapRtOptions): readonly string[] {
  const fields =
    options.fields === undefined
      ? 'a line of the ACL ends in protocol;destination port;action [log]; what stands before is blank in all of them'
      : `the fields of a line of the ACL are ${options.fields.map((one) => (one === 'action' ? 'action [log]' : one)).join(';')}`;
  const preset = options.fields?.length === presetFields.split(';').length;
  return [
    `${fields}${preset || options.fields === undefined ? '' : ', as was said'}.`,
    'The first line that takes a packet decides.',
    `A packet that no line takes ${options.default === 'allow' ? 'passes' : 'is dropped'}.`,
    'A line is asked where packets come in. Its interface is the device itself or the one that carries it; its VLAN is that of the packet.',
    ...(options.portLines === undefined
      ? []
      : [
          `A line for a port with VLANs takes ${options.portLines === 'all' ? 'those too' : 'what is untagged'}.`,
        ]),
    'A line without a port takes all fragments of its protocol, one with a port only what has ports: not later fragments.',
    'A nexthop line takes packets of the family of its gateway.',
    ...(options.neighbourDiscovery === 'explicit'
      ? ['Neighbour Discovery is asked about like everything else.']
      : ['Neighbour Discovery passes before the first line is asked.']),
  ].map((one) => one.charAt(0).toUpperCase() + one.slice(1));
}

function readSettings(
  { entries }: Conf,
  file: string,
  problems: Problem[],
  assumptions: string[],
): DraftSettings {
  const wrong = ({ line, column, value }: ConfEntry, message: string, expected: string) => {
    problems.push({
      code: 'NM6003',
      origin: { file, line, column },
      message,
      expected,
      got: show(value),
      fix: 'correct the setting.',
    });
    return undefined;
  };
  const number = (most: number) => (entry: ConfEntry) => {
    const value = /^\d{1,6}$/.test(entry.value) ? Number(entry.value) : 0;
    if (value >= 1 && value <= most) return value;
    return wrong(entry, `'${entry.key}' is ${show(entry.value)}`, `a whole number from 1 to ${most}`);
  };
  const path = (entry: ConfEntry) => {
    if (entry.value !== '' && !/\p{Cc}/u.test(entry.value) && !entry.value.endsWith('/')) return entry.value;
    return wrong(entry, `'${entry.key}' is ${show(entry.value)}`, 'the path of a file');
  };
  const one =
    <T>(choices: Readonly<Record<string, T>>) =>
    (entry: ConfEntry) =>
      Object.hasOwn(choices, entry.value)
        ? choices[entry.value]
        : wrong(entry, `'${entry.key}' is ${show(entry.value)}`, Object.keys(choices).join(' or '));
  const setting = <T>(key: ConfKey, read: (entry: ConfEntry) => T | undefined): Commented<T> | undefined => {
    const entry = entries.get(key);
    const value = entry && read(entry);
    return entry && value !== undefined ? commented(entry, value) : undefined;
  };
  const pidfile = (entry: ConfEntry) => {
    if (!entry.value.endsWith('/')) return path(entry);
    assumptions.push(`The pidfile '${entry.value}' is a directory: the file in it is netmill.pid.`);
    return path({ ...entry, value: `${entry.value}netmill.pid` });
  };
  const offloads = (entry: ConfEntry) => readOffloads(entry, file, problems, assumptions);
  const events = one({ kqueue: 'poll', poll: 'poll' } as const);
  const lookup = setting('lookup_method', one({ radix: 'radix', dxr: 'dxr' } as const));
  const found = {
    offloads: setting('disable_hw_acceleration', offloads),
    events: setting('event_backend', events),
    lookup: lookup ?? { value: 'radix', above: ["netmap-rt's when lookup_method is not said"] },
    pidfile: setting('pidfile', pidfile),
    socket: setting('cli_socket_path', path),
    maxClients: setting('cli_max_clients', number(1024)),
    routeDumpFile: setting('route_dump_file', path),
    arpMaxTries: setting('arp_max_tries', number(100)),
  } as const;
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

const offloadNames: Readonly<Record<string, Offload>> = {
  txcsum: 'txcsum',
  rxcsum: 'rxcsum',
  tso4: 'tso',
  tso6: 'tso',
  lro: 'lro',
};

function readOffloads(
  entry: ConfEntry,
  file: string,
  problems: Problem[],
  assumptions: string[],
): readonly Offload[] | undefined {
  const words = [...entry.value.matchAll(/\S+/g)];
  for (const { 0: word, index } of words)
    if (!Object.hasOwn(offloadNames, word))
      problems.push({
        code: 'NM6002',
        origin: { file, line: entry.line, column: entry.column + index },
        message: `${show(word)} is not an offload that netmap-rt knows`,
        expected: Object.keys(offloadNames).join(', '),
        got: show(word),
        fix: 'correct the setting.',
      });
  const names = words.map(([word]) => word);
  if (names.includes('tso4') !== names.includes('tso6'))
    assumptions.push('TSO is switched off for both families: Linux has one switch.');
  const off = [...new Set(names.flatMap((word) => offloadNames[word] ?? []))];
  return off.length > 0 ? off : undefined;
}
