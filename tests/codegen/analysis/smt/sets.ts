/** Sets of the analysis as formulas. */
import { levelsOf, restFields } from '../../../../codegen/analysis/bits.js';
import { all, type Diagram, none } from '../../../../codegen/analysis/diagram.js';
import type { PacketSet } from '../../../../codegen/analysis/sets.js';
import type { Space } from '../../../../codegen/analysis/space.js';
import type { Family } from '../../../../dsl/model.js';
import { and, memberName, or, widthOf } from './packet.js';

/** A set of the analysis: definitions of its nodes, and the formula that holds for its packets. */
export class SetFormulas {
  readonly #defined = new Map<string, string>();
  readonly definitions: string[] = [];

  constructor(
    readonly space: Space,
    readonly family: Family,
  ) {}

  of(set: PacketSet): string {
    return or(
      ...set.map(({ src, dst, rest }) =>
        and(this.#of(src, 'src'), this.#of(dst, 'dst'), this.#of(rest, 'rest')),
      ),
    );
  }

  #of(diagram: Diagram, part: 'src' | 'dst' | 'rest'): string {
    if (diagram === none) return 'false';
    if (diagram === all) return 'true';
    const key = `${part}${diagram}`;
    const known = this.#defined.get(key);
    if (known !== undefined) return known;
    const low = this.#of(this.space.diagrams.child(diagram, false), part);
    const high = this.#of(this.space.diagrams.child(diagram, true), part);
    const bit = bitOf(this.space, this.space.diagrams.level(diagram), part, this.family);
    this.definitions.push(`(define-fun ${key} () Bool (ite ${bit} ${high} ${low}))`);
    this.#defined.set(key, key);
    return key;
  }
}

function bitOf(space: Space, level: number, part: 'src' | 'dst' | 'rest', family: Family): string {
  const extract = (bit: number, name: string) => `(= ((_ extract ${bit} ${bit}) ${name}) #b1)`;
  if (part !== 'rest') return extract(widthOf(family) - 1 - level, part);
  for (const field of restFields) {
    const levels = levelsOf(field);
    const at = levels.indexOf(level);
    if (at >= 0) return extract(levels.length - 1 - at, field);
  }
  const member = space.members.all().find((one) => one.level === level);
  if (member) return memberName(member.set, member.field);
  throw new Error(`no field has level ${level}`);
}
