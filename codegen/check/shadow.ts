/**
 * Rules that can never match: each of their boxes lies within one box of a rule before them. Boxes are found by
 * the prefixes that surround theirs, so that lists of thousands of rules cost no more than sorting them would.
 * A rule that only several boxes together cover is not found.
 */
import type { Acl, Family, Origin, Pbr, Prefix, Rule } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { type Box, boxesOf, covers } from './boxes.js';
import { error } from './report.js';

const mostRelated = 3;

export function neverMatching(list: Acl | Pbr): readonly Diagnostic[] {
  const before = new BoxIndex();
  return list.rules.flatMap((rule) => {
    const boxes = boxesOf(rule);
    if (boxes === undefined || boxes.length === 0) return [];
    const covering = boxes.map((box) => before.covering(box));
    for (const box of boxes) before.add(box);
    if (rule.shadowAllowed !== undefined || covering.includes(undefined)) return [];
    return [describe(list, rule, [...new Set(covering.map((box) => box!.rule))])];
  });
}

function describe(list: Acl | Pbr, rule: Rule, by: readonly Rule[]): Diagnostic {
  const [first] = by;
  const other = (one: Rule) => (one.action.kind === rule.action.kind ? '' : ', and its action is another');
  return error(
    'NM3001',
    rule.origin,
    `this rule of "${list.name}" never matches: ${short(first!.origin)} catches it first`,
    {
      related: by.slice(0, mostRelated).map((one) => ({
        origin: one.origin,
        message: `${one.action.kind}(…) takes ${by.length === 1 ? 'everything' : 'a part'} of it${other(one)}.`,
      })),
      fix: "move it above, or delete it, or waive it with .allowShadow('reason').",
    },
  );
}

function short(origin: Origin): string {
  return `${origin.file.slice(origin.file.lastIndexOf('/') + 1)}:${origin.line}`;
}

/** Boxes by their two prefixes. */
class BoxIndex {
  readonly #boxes = new Map<string, Box[]>();
  readonly #lengths: Record<Family, { from: Set<number>; to: Set<number> }> = {
    4: { from: new Set(), to: new Set() },
    6: { from: new Set(), to: new Set() },
  };

  add(box: Box): void {
    const key = keyOf(box.from, box.from.length, box.to, box.to.length);
    const same = this.#boxes.get(key);
    if (same) same.push(box);
    else this.#boxes.set(key, [box]);
    this.#lengths[box.family].from.add(box.from.length);
    this.#lengths[box.family].to.add(box.to.length);
  }

  covering(box: Box): Box | undefined {
    const { from, to } = this.#lengths[box.family];
    for (const source of from) {
      if (source > box.from.length) continue;
      for (const target of to) {
        if (target > box.to.length) continue;
        const found = this.#boxes
          .get(keyOf(box.from, source, box.to, target))
          ?.find((one) => covers(one, box));
        if (found) return found;
      }
    }
    return undefined;
  }
}

function keyOf(from: Prefix, source: number, to: Prefix, target: number): string {
  return `${from.family} ${cut(from, source)}/${source} ${cut(to, target)}/${target}`;
}

function cut(prefix: Prefix, length: number): bigint {
  return prefix.bits >> BigInt((prefix.family === 4 ? 32 : 128) - length);
}
