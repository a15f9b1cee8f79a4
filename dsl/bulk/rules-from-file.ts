/** Rules from a file beside the policy: a table, netmap-rt's ACL lines, or a ClassBench filter set. */
import { dirname, resolve } from 'node:path';
import { readText } from '../files.js';
import type { Action, Origin } from '../model.js';
import { here, inside } from '../origin.js';
import { note, show } from '../problems.js';
import type { RuleDraft } from '../rules.js';
import { type ClassbenchOptions, classbenchRules } from './classbench-rules.js';
import { csvRules } from './csv-rules.js';
import { type NetmapRtOptions, netmapRtRules } from './netmap-rt-rules.js';

/** What the file is: by its name's end (`.csv`) when not said. */
export type RulesFileOptions = { readonly format?: 'csv' } | NetmapRtOptions | ClassbenchOptions;

const formats = ['csv', 'netmap-rt', 'classbench'];
const keys: Readonly<Record<string, readonly string[]>> = {
  csv: ['format'],
  'netmap-rt': ['format', 'fields', 'interface', 'vlan'],
  classbench: ['format', 'action', 'impossible'],
};

/**
 * A fragment of rules, in the order of the file; each is cited by its line there.
 *
 * @param path relative to the file in which this stands; a literal, so that a build knows what the policy reads
 * @example rulesFromFile('./customers.csv')
 * @example rulesFromFile('./wan.acl', { format: 'netmap-rt', fields: 'netmap-rt', interface: 'ix0' })
 * @example pbr('mail', [rulesFromFile('./ways.csv')])
 */
export function rulesFromFile<K extends Action['kind'] = Action['kind']>(
  path: string,
  options: RulesFileOptions = {},
): readonly RuleDraft<K>[] {
  // What else a file has, a build tells of the list where it stands, by the file's line.
  return readRules(path, options) as readonly RuleDraft<K>[];
}

function readRules(path: string, options: RulesFileOptions): readonly RuleDraft[] {
  const origin = here();
  const format = formatOf(path, options, origin);
  if (format === undefined) return [];
  const file = resolve(dirname(origin.file), path);
  const text = readText(file);
  if (text === undefined) {
    note('NM3029', inside(origin, 0), `${show(path)} cannot be read`, {
      expected: "the literal path of a file in the policy's package, relative to this one",
      got: show(path),
    });
    return [];
  }
  switch (format) {
    case 'csv':
      return csvRules(file, text);
    case 'netmap-rt':
      return netmapRtRules(file, text, options as NetmapRtOptions, inside(origin, 1));
    default:
      return classbenchRules(file, text, options as ClassbenchOptions, inside(origin, 1));
  }
}

function formatOf(path: unknown, options: RulesFileOptions, origin: Origin): string | undefined {
  const at = inside(origin, 1);
  const said: unknown = options?.format ?? (/\.csv$/.test(String(path)) ? 'csv' : undefined);
  const format = formats.find((one) => one === said);
  const unknown = Object.keys(options ?? {}).find(
    (key) => format !== undefined && !keys[format]!.includes(key),
  );
  if (format === undefined)
    note('NM4014', at, `the format of ${show(path)} is not known`, {
      expected: `format: ${formats.map(show).join(', ')}`,
      got: show(said),
    });
  else if (unknown !== undefined)
    note('NM4017', inside(at, unknown), `files of the format ${format} have no option '${unknown}'`, {
      expected: keys[format]!.join(', '),
      got: `'${unknown}'`,
    });
  return typeof path === 'string' ? format : undefined;
}
