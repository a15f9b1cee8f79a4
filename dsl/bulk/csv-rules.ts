/**
 * Rules of a table. The first line names the columns; cells of several values have blanks between them. Values go through
 * the builders that a policy calls, so that they mean the same and the same mistakes are told, at the cell.
 */
import { type Cell, type CsvLine, parseCsv } from '../formats/csv.js';
import type { HeaderSpec } from '../header.js';
import type { Origin, Service } from '../model.js';
import { netsAt } from '../nets.js';
import { calledAt } from '../origin.js';
import { note, show } from '../problems.js';
import {
  allow,
  deny,
  type MatchSpec,
  nexthop,
  type RejectOptions,
  type RuleDraft,
  reject,
} from '../rules.js';
import { icmp, proto, service, tcp, udp } from '../service.js';

export const csvColumns = [
  'action',
  'from',
  'to',
  'protocol',
  'port',
  'from_port',
  'icmp',
  'flags',
  'dscp',
  'ttl',
  'length',
  'fragment',
  'from_mac',
  'to_mac',
  'pcp',
  'log',
  'count',
  'id',
  'why',
  'owner',
  'ticket',
  'expires',
] as const;
type Column = (typeof csvColumns)[number];

/** Cells by their column; empty ones are absent. */
type Row = ReadonlyMap<Column, Value>;

interface Value {
  readonly text: string;
  readonly words: readonly string[];
  readonly origin: Origin;
}

export function csvRules(file: string, text: string): readonly RuleDraft[] {
  const [head, ...lines] = parseCsv(text);
  if (head === undefined) {
    wrong(
      { file, line: 1, column: 1 },
      'this file of rules is empty',
      `columns: ${csvColumns.join(', ')}`,
      '',
    );
    return [];
  }
  const columns = columnsOf(file, head);
  if (columns === undefined) return [];
  return lines.flatMap((line) => {
    const origin = { file, line: line.line, column: line.cells?.[0]?.column ?? 1 };
    const row = rowOf(file, line, columns);
    return row === undefined ? [] : (ruleOf(row, origin) ?? []);
  });
}

function wrong(origin: Origin, message: string, expected: string, got: string): undefined {
  note('NM3030', origin, message, { expected, got, fix: 'correct the line.' });
  return undefined;
}

function columnsOf(file: string, { line, cells }: CsvLine): readonly Column[] | undefined {
  const names = (cells ?? []).map((cell) => cell.text.toLowerCase());
  const strange = names.findIndex(
    (name, i) => !(csvColumns as readonly string[]).includes(name) || names.indexOf(name) !== i,
  );
  const at = (cell: Cell | undefined) => ({ file, line, column: cell?.column ?? 1 });
  if (strange >= 0)
    return wrong(
      at(cells?.[strange]),
      `there is no such column, or it is there twice: ${show(names[strange])}`,
      csvColumns.join(', '),
      show(names[strange]),
    );
  if (names.includes('action')) return names as Column[];
  return wrong(
    at(undefined),
    "the first line names no column 'action'",
    csvColumns.join(', '),
    names.join(', '),
  );
}

function rowOf(file: string, { line, cells }: CsvLine, columns: readonly Column[]): Row | undefined {
  const origin = { file, line, column: 1 };
  if (cells === undefined)
    return wrong(origin, 'a quote is not closed here', "'…' in double quotes", 'one quote');
  if (cells.length !== columns.length)
    return wrong(
      { ...origin, column: cells.at(-1)?.column ?? 1 },
      `this line has ${cells.length} cells`,
      `${columns.length}, as the first line`,
      `${cells.length}`,
    );
  return new Map(
    cells.flatMap(({ text, column }, i): [Column, Value][] =>
      text === '' ? [] : [[columns[i]!, { text, words: text.split(/\s+/), origin: { file, line, column } }]],
    ),
  );
}

/** What stands behind `reject`; nothing: as reject() without options. */
const answers: Readonly<Record<string, RejectOptions>> = {
  'port-unreachable': { icmp: 'port-unreachable' },
  icmp: { tcp: 'icmp' },
};

function ruleOf(row: Row, origin: Origin): RuleDraft | undefined {
  const action = row.get('action');
  const [verb, ...rest] = action?.words ?? [];
  const match = matchOf(row);
  if (match === undefined) return undefined;
  const plain = rest.length === 0;
  if (verb === 'allow' && plain)
    return described(
      calledAt(origin, () => allow(match)),
      row,
    );
  if (verb === 'deny' && plain)
    return described(
      calledAt(origin, () => deny(match)),
      row,
    );
  if (verb === 'reject' && rest.every((word) => Object.hasOwn(answers, word)))
    return described(
      calledAt(origin, () => reject(match, Object.assign({}, ...rest.map((word) => answers[word])))),
      row,
    );
  if (verb === 'nexthop')
    return described(
      calledAt(origin, () => nexthopOf(rest, match)),
      row,
    );
  return wrong(
    action?.origin ?? origin,
    'this is no action',
    'allow, deny, reject or nexthop GATEWAY',
    show(action?.text),
  );
}

/** `192.0.2.1*3 192.0.2.2 or 192.0.2.9 or drop`: families are not known to the types here, and are checked at the build. */
function nexthopOf(words: readonly string[], match: MatchSpec): RuleDraft {
  const choices = words.join(' ').split(/ or /);
  const drops = choices.length > 1 && choices.at(-1) === 'drop';
  const [first, ...others] = (drops ? choices.slice(0, -1) : choices).map((choice) => {
    const parts = choice.split(' ').filter((word) => word !== '');
    if (parts.every((word) => !word.includes('*'))) return parts;
    return Object.fromEntries(
      parts.map((word) => {
        const [gateway = '', weight = '1', ...more] = word.split('*');
        return more.length > 0 ? [word, 1] : [gateway, /^\d+$/.test(weight) ? Number(weight) : Number.NaN];
      }),
    );
  });
  const rule = nexthop(first as string[], match as MatchSpec<never>);
  const whole = others.reduce((one, gateways) => one.or(gateways as string[]), rule);
  return drops ? whole.orDrop() : whole;
}

const isAny = (value: Value | undefined): value is undefined => value === undefined || value.text === 'any';

/** Undefined: it is wrong, which is noted. */
function matchOf(row: Row): MatchSpec | undefined {
  const nets = (column: 'from' | 'to') => {
    const value = row.get(column);
    return isAny(value) ? {} : { [column]: netsAt(value.words, value.origin) };
  };
  const found = serviceOf(row);
  if (found === undefined) return undefined;
  return { ...nets('from'), ...nets('to'), ...found, ...headerOf(row) };
}

const hasPorts = (name: string): name is 'tcp' | 'udp' => name === 'tcp' || name === 'udp';

/** Nothing in it: every service. */
function serviceOf(row: Row): { readonly service?: Service } | undefined {
  const protocol = row.get('protocol');
  const icmpCell = row.get('icmp');
  const names = isAny(protocol) ? (icmpCell ? ['icmp'] : []) : protocol.words;
  const ports = row.get('port') ?? row.get('from_port');
  if (!isAny(ports) && !(names.length > 0 && names.every(hasPorts)))
    return wrong(
      ports.origin,
      'only tcp and udp have ports',
      "protocol 'tcp', 'udp' or 'tcp udp'",
      show(protocol?.text),
    );
  if (icmpCell && names.some((name) => name !== 'icmp'))
    return wrong(icmpCell.origin, 'only icmp has types', "protocol 'icmp', or none", show(protocol?.text));
  if (names.length === 0) return {};
  const parts = names.map((name) => {
    if (hasPorts(name)) return portService(name, row, protocol!.origin);
    if (name === 'icmp')
      return calledAt(icmpCell?.origin ?? protocol!.origin, () =>
        icmp(...((icmpCell?.words ?? []) as never[])),
      );
    const number = /^\d+$/.test(name) ? Number(name) : name;
    return calledAt(protocol!.origin, () => proto(number as never));
  });
  return { service: parts.length === 1 ? parts[0]! : calledAt(protocol!.origin, () => service(...parts)) };
}

function portService(l4: 'tcp' | 'udp', row: Row, otherwise: Origin): Service {
  const words = (column: 'port' | 'from_port') => {
    const value = row.get(column);
    return isAny(value) ? [] : (value.words as never[]);
  };
  const from = words('from_port');
  const origin = (row.get('port') ?? row.get('from_port'))?.origin ?? otherwise;
  const given = from.length > 0 ? [...words('port'), { from }] : words('port');
  return calledAt(origin, () => (l4 === 'tcp' ? tcp(...given) : udp(...given)));
}

/** As a policy would write it; what is wrong with it, `allow` and its like say. */
function headerOf(row: Row): HeaderSpec {
  const words = row.get('fragment')?.text;
  const list = (column: Column, read: (word: string) => unknown = (word) => word) => {
    const value = row.get(column);
    return value?.words.map(read);
  };
  const one = (column: Column) => {
    const value = row.get(column);
    return value && rangeOf(value.text);
  };
  const spec: Readonly<Record<keyof HeaderSpec, unknown>> = {
    flags: list('flags'),
    dscp: list('dscp', numeric),
    pcp: list('pcp', numeric),
    ttl: one('ttl'),
    length: one('length'),
    fragment: words,
    fromMac: list('from_mac'),
    toMac: list('to_mac'),
  };
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)) as HeaderSpec;
}

function numeric(word: string): string | number {
  return /^\d+$/.test(word) ? Number(word) : word;
}

/** `5`, or `[1, 5]` of `1-5`. */
function rangeOf(text: string): unknown {
  const found = /^(\d+)-(\d+)$/.exec(text);
  return found === null ? numeric(text) : [Number(found[1]), Number(found[2])];
}

/** With what the methods of a rule say. */
function described(rule: RuleDraft, row: Row): RuleDraft {
  const steps: Partial<Record<Column, (rule: RuleDraft, text: string) => RuleDraft>> = {
    log: (one, text) => (text === 'yes' ? one.log() : text === 'no' ? one : one.log({ rate: text as never })),
    count: (one, text) => one.count(text),
    id: (one, text) => one.id(text),
    why: (one, text) => one.why(text),
    owner: (one, text) => one.owner(text),
    ticket: (one, text) => one.ticket(text),
    expires: (one, text) => one.expires(text as never),
  };
  return (Object.keys(steps) as Column[]).reduce((one, column) => {
    const value = row.get(column);
    return value === undefined ? one : calledAt(value.origin, () => steps[column]!(one, value.text));
  }, rule);
}
