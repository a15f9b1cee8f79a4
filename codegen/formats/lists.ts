/**
 * One list for all interfaces, as other routers have it, as one for each interface: lines that are asked on the same interfaces
 * make a chunk, and a chunk that several lists have becomes a fragment.
 */
import type { DraftEntry, DraftFragment, DraftList, DraftRule } from './draft.js';
import type { Face } from './faces.js';

export type Line =
  | { readonly kind: 'comment'; readonly text: string }
  /** Asked on at least one interface. */
  | { readonly kind: 'rule'; readonly faces: readonly Face[]; readonly rule: DraftRule };

export interface Lists {
  readonly fragments: readonly DraftFragment[];
  readonly lists: readonly DraftList[];
  /** Constant of the ACL by device. */
  readonly byDevice: ReadonlyMap<string, string>;
  /** Comments of files without a rule. */
  readonly comments: readonly string[];
}

export interface ListOptions {
  readonly default: 'allow' | 'deny';
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  /** Name of the list of all interfaces, and how those of single ones begin. */
  readonly general: string;
  /** Absent: as the constant. */
  readonly generalName?: string;
  readonly each: string;
  /** Name of a fragment for all interfaces. */
  readonly shared: string;
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

export function makeLists(lines: readonly Line[], faces: readonly Face[], options: ListOptions): Lists {
  const chunks: Chunk[] = [];
  const comments = addChunks(chunks, lines);
  const groups = groupFaces(chunks, faces).filter(
    (group) => group.chunks.length > 0 || options.default === 'deny',
  );
  const shared = chunks.filter((chunk) => groups.filter((group) => group.chunks.includes(chunk)).length > 1);
  const names = nameChunks(shared, faces, options);
  const made = groups.map((group, i): DraftList => {
    const { constant, name } = nameGroup(group, groups, faces, options);
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
    lists: made,
    byDevice: new Map(
      groups.flatMap((group, i) => group.faces.map((face) => [face.device, made[i]!.constant] as const)),
    ),
    comments,
  };
}

/**
 * A line joins the last chunk that meets its interfaces if that has just these: all between are asked elsewhere.
 *
 * @returns comments without any rule
 */
function addChunks(chunks: Chunk[], lines: readonly Line[]): readonly string[] {
  let comments: Extract<Line, { kind: 'comment' }>[] = [];
  for (const line of lines) {
    if (line.kind === 'comment') {
      comments.push(line);
      continue;
    }
    const there = line.faces;
    const last = chunks.findLast((chunk) => chunk.faces.some((face) => there.includes(face)));
    const joins = last?.faces.length === there.length && there.every((face) => last.faces.includes(face));
    const chunk = last && joins ? last : { faces: there, entries: [] };
    if (!joins) chunks.push(chunk);
    chunk.entries.push(...comments, line.rule);
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

function nameChunks(
  chunks: readonly Chunk[],
  faces: readonly Face[],
  options: ListOptions,
): ReadonlyMap<Chunk, string> {
  const count = new Map<string, number>();
  return new Map(
    chunks.map((chunk) => {
      const word =
        chunk.faces.length === faces.length
          ? options.shared
          : `${options.each === 'from' ? 'on' : 'towards'}${facesWord(chunk.faces)}`;
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
  { general: all, generalName = all, each }: ListOptions,
): { readonly constant: string; readonly name: string } {
  const general = group.chunks.every((chunk) => chunk.faces.length === faces.length);
  if (general || groups.length === 1) return { constant: all, name: generalName };
  const word = facesWord(group.faces);
  return {
    constant: `${each}${word}`,
    name: `${each}${word.replace(/[A-Z]/g, (found) => `-${found.toLowerCase()}`)}`,
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
