/**
 * netmap-rt.conf: `key = "value";` lines and `#` comments, of which its public description shows every key. What else its
 * library (libucl) would read, sections and lists among it, is refused.
 */
import type { Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';

export const confKeys = [
  'pidfile',
  'event_backend',
  'cli_max_clients',
  'cli_socket_path',
  'arp_max_tries',
  'disable_hw_acceleration',
  'acl_conf',
  'route_dump_file',
  'lookup_method',
  'interfaces',
] as const;
export type ConfKey = (typeof confKeys)[number];

export interface ConfEntry {
  readonly key: ConfKey;
  readonly value: string;
  readonly line: number;
  /** Where the value begins, inside its quotes. */
  readonly column: number;
  /** Comment lines directly above. */
  readonly above: readonly string[];
  /** Comment behind it. */
  readonly after?: string;
}

export interface Conf {
  readonly entries: ReadonlyMap<ConfKey, ConfEntry>;
  /** Blocks of comments with a blank line after each, and what follows the last setting. */
  readonly comments: readonly string[];
  readonly problems: readonly Problem[];
}

export function parseConf(file: string, text: string): Conf {
  const entries = new Map<ConfKey, ConfEntry>();
  const alone: string[] = [];
  const problems: Problem[] = [];
  let above: string[] = [];
  const leaveAlone = () => {
    if (above.length > 0) alone.push(...(alone.length > 0 ? [''] : []), ...above);
    above = [];
  };
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '') leaveAlone();
    else if (trimmed.startsWith('#')) above.push(trimmed.slice(1).trim());
    else {
      const read = readLine(line, file, i + 1);
      problems.push(...read.problems);
      for (const raw of read.found) {
        const entry = knownEntry(raw, above, file, entries, problems);
        if (entry) entries.set(entry.key, entry);
        above = [];
      }
    }
  }
  leaveAlone();
  return { entries, comments: alone, problems };
}

interface Raw {
  readonly key: string;
  readonly keyColumn: number;
  readonly value: string;
  readonly line: number;
  readonly column: number;
  readonly after?: string;
}

/** Key, equals sign, value in quotes or bare, then a semicolon or the end; a comment may follow on the line. */
const statement =
  /\s*([\w.-]+)(\s*[=:]\s*)(?:"((?:[^"\\]|\\.)*)"|([^\s;#"'{}[\]](?:[^;#"'{}[\]]*[^\s;#"'{}[\]])?))\s*(?:;|(?=#)|$)\s*(?:#(.*)$)?/y;

/** Statements of one line, up to a mistake. */
function readLine(
  text: string,
  file: string,
  line: number,
): { readonly found: readonly Raw[]; readonly problems: readonly Problem[] } {
  const found: Raw[] = [];
  let at = 0;
  while (at < text.trimEnd().length) {
    statement.lastIndex = at;
    const match = statement.exec(text);
    if (match === null) return { found, problems: [notASetting(text, at, file, line)] };
    const [whole, key = '', equals = '', quoted, bare = '', comment = ''] = match;
    const keyColumn = at + whole.indexOf(key) + 1;
    found.push({
      key,
      keyColumn,
      value: quoted === undefined ? bare : quoted.replace(/\\(.)/g, '$1'),
      line,
      column: keyColumn + key.length + equals.length + (quoted === undefined ? 0 : 1),
      ...(comment.trim() !== '' && { after: comment.trim() }),
    });
    at += whole.length;
  }
  return { found, problems: [] };
}

function notASetting(text: string, from: number, file: string, line: number): Problem {
  const rest = text.slice(from).trim();
  return {
    code: 'NM6001',
    origin: { file, line, column: text.indexOf(rest, from) + 1 },
    message: `${show(rest)} is not a setting`,
    expected: 'key = "value";',
    got: show(rest),
    // Where fields stand side by side, the files were given in the other order, or one of them alone.
    fix:
      (rest.match(/;/g)?.length ?? 0) > 1
        ? 'give netmap-rt.conf first, ACL files behind it.'
        : 'correct the line.',
  };
}

/** Undefined: not known, or given before, which is told. */
function knownEntry(
  raw: Raw,
  above: readonly string[],
  file: string,
  known: ReadonlyMap<ConfKey, ConfEntry>,
  problems: Problem[],
): ConfEntry | undefined {
  const { keyColumn, ...entry } = raw;
  const origin = { file, line: raw.line, column: keyColumn };
  const key = confKeys.find((one) => one === raw.key);
  const first = key && known.get(key);
  if (key !== undefined && first === undefined) return { ...entry, key, above };
  problems.push({
    origin,
    got: `'${raw.key}'`,
    ...(first === undefined
      ? {
          code: 'NM6002',
          message: `netmap-rt has no setting '${raw.key}', as far as it is described`,
          expected: confKeys.join(', '),
          fix: 'correct its name, or delete it.',
        }
      : {
          code: 'NM6004',
          message: `'${raw.key}' is given twice`,
          expected: `it once: line ${first.line} has it`,
          fix: 'delete one of them.',
        }),
  });
  return undefined;
}
