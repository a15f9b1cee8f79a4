/**
 * One ACL for all interfaces, as netmap-rt has it, as one for each interface: lines that are asked on the same interfaces
 * make a chunk, and a chunk that several lists have becomes a fragment.
 */
import type { AclEntry, NetmapRtRule } from '../../../dsl/formats/netmap-rt-acl.js';
import type { Problem, ServiceMatch } from '../../../dsl/model.js';
import type { DraftEntry, DraftFragment, DraftList, DraftRule } from '../draft.js';
import { type Face, facesOf, type PortLines } from './faces.js';

export interface AclSource {
  readonly file: string;
  readonly entries: readonly AclEntry[];
}

export interface Lists {
  readonly fragments: readonly DraftFragment[];
  readonly lists: readonly DraftList[];
  /** Constant of the ACL by device. */
  readonly byDevice: ReadonlyMap<string, string>;
  /** Comments of files without a rule. */
  readonly comments: readonly string[];
  readonly problems: readonly Problem[];
}

export interface ListOptions {
  readonly default: 'allow' | 'deny';
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  readonly portLines?: PortLines;
  /** Comments above the first of them. */
  readonly comments: readonly string[];
}

/** Lines that are asked on the same interfaces. */
interface Chunk {
  readonly faces: readonly Face[];
  readonly entries: DraftEntry[];
}

/** Interfaces on which the same chunks are asked. */
interface Group {
  readonly faces: Face[];
  readonly chunks: readonly Chunk[];
}

export function makeLists(
  sources: readonly AclSource[],
  faces: readonly Face[],
  options: ListOptions,
): Lists {
  const problems: Problem[] = [];
  const chunks: Chunk[] = [];
  const comments = sources.flatMap((source) => addChunks(chunks, source, faces, options.portLines, problems));
  const groups = groupFaces(chunks, faces).filter(
    (group) => group.chunks.length > 0 || options.default === 'deny',
  );
  const shared = chunks.filter((chunk) => groups.filter((group) => group.chunks.includes(chunk)).length > 1);
  const names = nameChunks(shared, faces);
  const lists = groups.map((group, i): DraftList => {
    const { constant, name } = nameGroup(group, groups, faces);
    return {
      constant,
      name,
      default: options.default,
      neighbourDiscovery: options.neighbourDiscovery,
      comments: i === 0 ? options.comments : [],
      parts: group.chunks.flatMap((chunk): DraftList['parts'] => {
        const fragment = names.get(chunk);
        return fragment === undefined ? chunk.entries : [{ kind: 'fragment', name: fragment }];
      }),
    };
  });
  return {
    fragments: [...names].map(([chunk, name]) => ({ name, entries: chunk.entries })),
    lists,
    byDevice: new Map(
      groups.flatMap((group, i) => group.faces.map((face) => [face.device, lists[i]!.constant] as const)),
    ),
    comments,
    problems,
  };
}

/**
 * A line joins the last chunk that meets its interfaces if that has just these: all between are asked elsewhere.
 *
 * @returns comments that no line follows or precedes
 */
function addChunks(
  chunks: Chunk[],
  { entries, file }: AclSource,
  faces: readonly Face[],
  portLines: PortLines | undefined,
  problems: Problem[],
): readonly string[] {
  let comments: Extract<DraftEntry, { kind: 'comment' }>[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'rule') {
      comments.push({ kind: 'comment', text: entry.kind === 'blank' ? '' : entry.text });
      continue;
    }
    const there = facesOf(entry, faces, file, portLines, problems);
    const last = chunks.findLast((chunk) => chunk.faces.some((face) => there.includes(face)));
    const joins = last?.faces.length === there.length && there.every((face) => last.faces.includes(face));
    const chunk = last && joins ? last : { faces: there, entries: [] };
    if (!joins) chunks.push(chunk);
    chunk.entries.push(...comments, draftRule(entry, file));
    comments = [];
  }
  const last = chunks.at(-1);
  if (last) last.entries.push(...comments);
  return last ? [] : comments.map(({ text }) => text);
}

function groupFaces(chunks: readonly Chunk[], faces: readonly Face[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const face of faces) {
    const mine = chunks.filter((chunk) => chunk.faces.includes(face));
    const key = mine.map((chunk) => chunks.indexOf(chunk)).join(' ');
    const group = groups.get(key) ?? { faces: [], chunks: mine };
    group.faces.push(face);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function nameChunks(chunks: readonly Chunk[], faces: readonly Face[]): ReadonlyMap<Chunk, string> {
  const count = new Map<string, number>();
  return new Map(
    chunks.map((chunk) => {
      const word = chunk.faces.length === faces.length ? 'everywhere' : `on${facesWord(chunk.faces)}`;
      const number = (count.get(word) ?? 0) + 1;
      count.set(word, number);
      return [chunk, number === 1 ? word : `${word}Part${number}`];
    }),
  );
}

function nameGroup(
  group: Group,
  groups: readonly Group[],
  faces: readonly Face[],
): { readonly constant: string; readonly name: string } {
  const general = group.chunks.every((chunk) => chunk.faces.length === faces.length);
  if (general || groups.length === 1) return { constant: 'filter', name: 'filter' };
  const word = facesWord(group.faces);
  return {
    constant: `from${word}`,
    name: `from${word.replace(/[A-Z]/g, (found) => `-${found.toLowerCase()}`)}`,
  };
}

/** `Ix0Ix1`; of many, the first and how many more. Groups and chunks of one name would be those of the same interfaces. */
function facesWord(faces: readonly Face[]): string {
  const words = faces.map(({ device }) =>
    device
      .split(/[^A-Za-z0-9]+/)
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1).toLowerCase())
      .join(''),
  );
  return words.length <= 3 ? words.join('') : `${words[0]}And${words.length - 1}More`;
}

function draftRule(rule: NetmapRtRule, file: string): DraftRule {
  const { source, destination, action, log, comment } = rule;
  const service = serviceOf(rule);
  return {
    kind: 'rule',
    action:
      action.kind === 'nexthop' ? { kind: 'nexthop', gateways: [action.gateway] } : { kind: action.kind },
    ...(source && { from: { kind: 'nets', prefixes: [source.value] } }),
    ...(destination && { to: { kind: 'nets', prefixes: [destination.value] } }),
    ...(service && { service: { kind: 'service', alternatives: [service] } }),
    log,
    ...(comment !== undefined && { comment }),
    origin: { file, line: rule.line, column: 1 },
  };
}

const every = { from: 0, to: 65_535 } as const;

function serviceOf({ protocol, sourcePort, destinationPort }: NetmapRtRule): ServiceMatch | undefined {
  if (protocol === undefined) return undefined;
  if (protocol.value !== 6 && protocol.value !== 17) return { l4: 'ip', protocols: [protocol.value] };
  return {
    l4: protocol.value === 6 ? 'tcp' : 'udp',
    dports: [destinationPort?.value ?? every],
    ...(sourcePort && { sports: [sourcePort.value] }),
  };
}
