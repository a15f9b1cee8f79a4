/** Capirca's own notation of definitions: `NAME = value …`, and further values on the lines below; `#` begins a comment. */
import type { Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Source } from '../netmap-rt/read.js';
import type { Definition, Item } from './definitions.js';
import { attempt, refuse, type Word, wordsOf } from './raw.js';

/** @param what of `.net` files, or of `.svc` files */
export function readDefinitionsText(
  { file, text }: Source,
  what: 'network' | 'service',
  problems: Problem[],
): readonly Definition[] {
  const found: { name: Word; items: Item[]; comments: readonly string[] }[] = [];
  let above: string[] = [];
  for (const [i, whole] of text.split('\n').entries()) {
    const at = whole.indexOf('#');
    const code = at < 0 ? whole : whole.slice(0, at);
    const comment = at < 0 ? undefined : whole.slice(at + 1).trim();
    if (code.trim() === '') {
      above = comment === undefined ? [] : [...above, comment];
      continue;
    }
    const equals = code.indexOf('=');
    const values = `${' '.repeat(equals + 1)}${code.slice(equals + 1)}`;
    attempt(problems, () => {
      const [name, other] =
        equals < 0 ? [] : wordsOf(code.slice(0, equals), { file, line: i + 1, column: 1 });
      const words = wordsOf(values, { file, line: i + 1, column: 1 });
      if (other || (equals >= 0 && !name) || (equals < 0 && found.length === 0))
        refuse(
          'NM6001',
          (other ?? words[0])?.origin ?? { file, line: i + 1, column: 1 },
          'this is no definition',
          {
            expected: 'NAME = values',
          },
        );
      if (name) found.push({ name, items: [], comments: above });
      found.at(-1)!.items.push(...words.map((word) => itemOf(word, what, comment)));
    });
    above = [];
  }
  return found;
}

function itemOf(value: Word, what: 'network' | 'service', comment: string | undefined): Item {
  const said = comment === undefined || comment === '' ? {} : { comment };
  if (what === 'network') {
    const isAddress = /[:.]/.test(value.text) && /^[\da-fA-F:]/.test(value.text);
    return { kind: isAddress ? 'address' : 'name', value, ...said };
  }
  const [port = '', protocol, more] = value.text.split('/');
  if (protocol === undefined) return { kind: 'name', value, ...said };
  if (more !== undefined || protocol === '')
    return refuse('NM6001', value.origin, `${show(value.text)} is not a port of a protocol`, {
      expected: '53/udp',
    });
  return { kind: 'port', value: { text: port, origin: value.origin }, protocol, ...said };
}
