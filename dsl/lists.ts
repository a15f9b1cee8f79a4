/** Ordered lists of rules: the first that matches decides. */
import type { Acl, Action, Origin, Pbr, Rule } from './model.js';
import { here, inside } from './origin.js';
import { checkName } from './predicate.js';
import { note, show } from './problems.js';
import { isDraft, type RuleTree } from './rules.js';

export interface AclOptions {
  /** What happens to packets that no rule takes: `'deny'` when not said. */
  readonly default?: 'allow' | 'deny';
  /** Log what the default takes. */
  readonly log?: boolean;
  /**
   * `'builtin'` (when not said): Neighbour Discovery and MLD pass before the first rule, or IPv6 would stop
   * working. `'explicit'`: the rules of this list decide about them too.
   */
  readonly neighbourDiscovery?: 'builtin' | 'explicit';
}

const optionKeys: readonly string[] = ['default', 'log', 'neighbourDiscovery'] satisfies (keyof AclOptions)[];

/**
 * An access control list.
 *
 * @param rules rules and fragments (arrays of rules, nested as deep as you like), in order
 */
export function acl(name: string, options: AclOptions, rules: readonly RuleTree[]): Acl {
  const origin = here();
  checkName(name, 'list', inside(origin, 0));
  checkOptions(options, inside(origin, 1));
  return Object.freeze({
    kind: 'acl',
    name: String(name),
    default: options?.default === 'allow' ? 'allow' : 'deny',
    log: options?.log === true,
    neighbourDiscovery: options?.neighbourDiscovery === 'explicit' ? 'explicit' : 'builtin',
    rules: flatten(rules, inside(origin, 2)),
    origin,
  });
}

/** A list of nexthop rules for policy-based routing; what no rule takes is routed by the routing table. */
export function pbr(name: string, rules: readonly RuleTree<'nexthop'>[]): Pbr {
  const origin = here();
  checkName(name, 'list', inside(origin, 0));
  return Object.freeze({ kind: 'pbr', name: String(name), rules: flatten(rules, inside(origin, 1)), origin });
}

function checkOptions(options: unknown, origin: Origin): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    note('NM4014', origin, `${show(options)} are not the options of a list`, {
      expected: "{ default: 'deny' }",
    });
    return;
  }
  const allowed: Readonly<Record<string, readonly unknown[]>> = {
    default: ['allow', 'deny', undefined],
    log: [true, false, undefined],
    neighbourDiscovery: ['builtin', 'explicit', undefined],
  };
  for (const [key, value] of Object.entries(options)) {
    if (!optionKeys.includes(key))
      note('NM4017', inside(origin, key), `a list has no option '${key}'`, {
        expected: optionKeys.join(', '),
        got: `'${key}'`,
      });
    else if (!allowed[key]!.includes(value))
      note('NM4014', inside(origin, key), `'${key}' cannot be ${show(value)}`, {
        expected: allowed[key]!.filter((one) => one !== undefined)
          .map(show)
          .join(' or '),
        got: show(value),
      });
  }
}

function flatten<K extends Action['kind']>(tree: readonly RuleTree<K>[], origin: Origin): readonly Rule[] {
  const rules: Rule[] = [];
  const visit = (item: unknown, place: Origin): void => {
    if (Array.isArray(item)) for (const [i, one] of item.entries()) visit(one, inside(place, i));
    else if (isDraft(item)) rules.push(item.data);
    else
      note('NM3009', place, `${show(item)} is not a rule`, {
        expected: 'allow(…), deny(…), reject(…), nexthop(…) or an array of them',
        got: show(item),
      });
  };
  if (Array.isArray(tree)) visit(tree, origin);
  else
    note('NM3009', origin, `${show(tree)} is not an array of rules`, {
      expected: 'an array of rules',
      got: show(tree),
    });
  return Object.freeze(rules);
}
