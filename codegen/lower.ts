/** CheckedPolicy → IR: numbers, names and identities; lists split by family, each rule into what it really tests. */

import { builtinRules } from '../dsl/builtin.js';
import { formatGateways } from '../dsl/gateways.js';
import type { Acl, Family, Gateway, LogicalInterface, Pbr, Router, Rule } from '../dsl/model.js';
import type { CheckedPolicy } from './checked.js';
import { citer } from './cite.js';
import { defaultIdentity, ruleIdentities } from './identity.js';
import type { Direction, Ir, IrGateway, IrInterface, IrList, IrPort, IrRule, IrSet } from './ir.js';
import { lookupOf } from './lookup.js';
import { lowerMatch, type MatchContext } from './lower-match.js';
import { hash, Namer, shorten, words } from './names.js';
import { memberSets } from './optimise/predicate.js';
import { readsTransport } from './optimise/transport.js';
import type { PredicateExpr } from './predicate/expr.js';
import { gatewaysOf } from './ways.js';

const families: readonly Family[] = [4, 6];
const defaultLogRate = 10;

/** @param prefixes in the kernel's tables; undefined: not known */
export function lower(policy: CheckedPolicy, prefixes?: number): Ir {
  const { router } = policy;
  const predicates = usedPredicates(policy);
  const gateways = lowerGateways(router);
  const sets = lowerSets(router, predicates);
  const lists = lowerLists(policy, predicates, gateways, sets);
  const ports = lowerPorts(router, lists);
  return Object.freeze({
    router,
    policy: policy.files[0]?.path ?? router.origin.file,
    policyHash: policy.policyHash,
    lookup: lookupOf(router.engine, prefixes),
    ports,
    interfaces: ports.flatMap((port) => port.interfaces).sort((a, b) => a.local - b.local),
    lists,
    rules: lists.flatMap((list) => [...list.rules, ...(list.fallback ? [list.fallback] : [])]),
    gateways,
    sets,
    contents: policy.contents ?? new Map(),
    predicates,
  });
}

interface UsedList {
  readonly list: Acl | Pbr;
  readonly direction: Direction;
}

/** Lists that some interface uses, ACLs first, in the order of first use. */
function usedLists(router: Router): readonly UsedList[] {
  const used = (direction: Direction, of: (one: LogicalInterface) => Acl | Pbr | undefined): UsedList[] => {
    const lists = router.interfaces.flatMap((one) => of(one) ?? []);
    return [...new Map(lists.map((list) => [list.name, list])).values()].map((list) => ({ list, direction }));
  };
  return [...used('in', (one) => one.in), ...used('out', (one) => one.out), ...used('in', (one) => one.pbr)];
}

/** Neighbour Discovery and MLD are never forwarded, so nothing stands before the rules for what leaves. */
function rulesOf({ list, direction }: UsedList): readonly Rule[] {
  return list.kind === 'acl' && direction === 'in' ? [...builtinRules(list), ...list.rules] : list.rules;
}

function usedPredicates(policy: CheckedPolicy): ReadonlyMap<string, PredicateExpr> {
  const used = new Set(
    usedLists(policy.router).flatMap((used) => rulesOf(used).map((rule) => rule.match.when?.name)),
  );
  return new Map(policy.predicates.filter((one) => used.has(one.name)).map((one) => [one.name, one]));
}

function lowerGateways(router: Router): readonly IrGateway[] {
  const found = new Map<string, { readonly family: Family; readonly gateways: readonly Gateway[] }>();
  for (const used of usedLists(router))
    for (const rule of rulesOf(used))
      for (const family of families) {
        const gateways = gatewaysOf(rule, family);
        if (gateways.length > 0) found.set(formatGateways(gateways), { family, gateways });
      }
  const namer = new Namer();
  return [...found].map(([text, one], local) => ({
    ...one,
    local,
    text,
    enumerator: namer.name(`${one.gateways.length > 1 ? 'GATEWAYS' : 'GATEWAY'}_${gatewayWord(text)}`, text),
  }));
}

/** In the order of first use. */
function lowerSets(router: Router, predicates: ReadonlyMap<string, PredicateExpr>): readonly IrSet[] {
  const rules = usedLists(router).flatMap(rulesOf);
  const names = rules.flatMap(({ match }) => {
    const when = match.when && predicates.get(match.when.name);
    const own = [match.fromSet, match.toSet].flatMap((one) => one?.name ?? []);
    return [...own, ...(when ? memberSets(when.expr) : [])];
  });
  const namer = new Namer();
  return [...new Set(names)].map((name, local) => {
    const { families, file, origin } = router.sets.find((one) => one.name === name)!;
    const enumerator = namer.name(`SET_${words(name).toUpperCase()}`, name);
    return { local, name, families, ...(file !== undefined && { file }), enumerator, origin };
  });
}

function gatewayWord(text: string): string {
  const word = text
    .replaceAll('::', '__')
    .replace(/[.: *]/g, '_')
    .toUpperCase();
  return word.length <= 22 ? word : hash(text, 8).toUpperCase();
}

function lowerLists(
  policy: CheckedPolicy,
  predicates: ReadonlyMap<string, PredicateExpr>,
  gateways: readonly IrGateway[],
  sets: readonly IrSet[],
): readonly IrList[] {
  const functions = listFunctions(usedLists(policy.router));
  const enumerators = new Namer();
  const context: MatchContext = {
    predicates,
    predicateNames: new Namer(),
    gateways: new Map(gateways.map((one) => [one.text, one.local])),
    setNames: { 4: new Namer(), 6: new Namer() },
    serviceNames: new Namer(),
    runtimeSets: new Map(sets.map((one) => [one.name, one])),
    memo: new Map(),
  };
  let local = 0;
  return usedLists(policy.router).map(({ list, direction }) => {
    const cite = citer(policy);
    const own = rulesOf({ list, direction });
    const meaning = (name: string) => predicates.get(name)?.expr;
    const ids = ruleIdentities(list, direction, own, meaning);
    const enumerator = (id: string) =>
      enumerators.name(
        `RULE_${shorten(words(list.name), 18).toUpperCase()}_${id.slice(0, 8).toUpperCase()}`,
        id,
      );
    let position = 0;
    const rules = own.map((rule, i): IrRule => {
      const id = ids[i]!;
      return {
        local: local++,
        id,
        enumerator: enumerator(id),
        list: list.name,
        listKind: list.kind,
        direction,
        position: ++position,
        action: rule.action,
        match: rule.match,
        conditions: Object.fromEntries(
          families.flatMap((family) => {
            const condition = lowerMatch(rule, family, context);
            return condition === undefined ? [] : [[family, condition]];
          }),
        ),
        text: cite(rule.origin) ?? `${rule.id ?? rule.action.kind}${rule.why ? `: ${rule.why}` : ''}`,
        origin: rule.origin,
        ...(rule.treatment && { treatment: rule.treatment }),
        ...(rule.log && { logPerSecond: rule.log.perSecond }),
        ...(rule.id !== undefined && { name: rule.id }),
        ...(rule.why !== undefined && { why: rule.why }),
        ...(rule.counter !== undefined && { counter: rule.counter }),
        ...(rule.owner !== undefined && { owner: rule.owner }),
        ...(rule.ticket !== undefined && { ticket: rule.ticket }),
        ...(rule.expires !== undefined && { expires: rule.expires }),
        ...(rule.waivers && { waivers: rule.waivers }),
      };
    });
    const fallback = list.kind === 'acl' ? defaultRule(list, direction, local++, enumerator) : undefined;
    return {
      kind: list.kind,
      direction,
      name: list.name,
      function: functions({ list, direction }),
      rules,
      ...(fallback && { fallback }),
      readsTransport: { 4: readsTransport(rules, 4), 6: readsTransport(rules, 6) },
      origin: list.origin,
    };
  });
}

/** The list `edge` has functions of its own for each family, `edge_ipv6` among them: a list of that name gets another one. */
function listFunctions(used: readonly UsedList[]): (one: UsedList) => string {
  const namer = new Namer();
  const plain = ({ list }: UsedList) => shorten(words(list.name), 32);
  return (one) => {
    const name = plain(one);
    const isTaken = used.some((other) =>
      families.some((family) => `${name}_`.startsWith(`${plain(other)}_ipv${family}_`)),
    );
    const { kind, name: key } = one.list;
    return namer.name(isTaken ? `${name}_${hash(key, 4)}` : name, `${kind} ${one.direction} ${key}`);
  };
}

/** Its line is the list's: what stands there is not a rule. */
function defaultRule(
  list: Acl,
  direction: Direction,
  local: number,
  enumerator: (id: string) => string,
): IrRule {
  const id = defaultIdentity(list, direction);
  return {
    local,
    id,
    enumerator: enumerator(id),
    list: list.name,
    listKind: 'acl',
    direction,
    position: 0,
    action: { kind: list.default },
    match: {},
    conditions: { 4: {}, 6: {} },
    text: `default ${list.default}`,
    origin: list.origin,
    ...(list.log && { logPerSecond: defaultLogRate }),
  };
}

function lowerPorts(router: Router, lists: readonly IrList[]): readonly IrPort[] {
  const namer = new Namer();
  const faces = router.interfaces.map((one, local) => lowerInterface(router, one, local, lists, namer));
  const portNamer = new Namer();
  return router.ports.map((port, local) => {
    const word = portNamer.name(shorten(words(port.name), 40), port.name);
    return {
      local,
      name: port.name,
      function: word,
      enumerator: `PORT_${word.toUpperCase()}`,
      spec: port.spec,
      interfaces: faces.filter((face) => face.port === local),
      origin: port.origin,
    };
  });
}

function lowerInterface(
  router: Router,
  one: LogicalInterface,
  local: number,
  lists: readonly IrList[],
  namer: Namer,
): IrInterface {
  const word = namer.name(shorten(words(one.name), 40), one.name);
  const listOf = (kind: IrList['kind'], direction: Direction, name: string | undefined) =>
    lists.find((list) => list.kind === kind && list.direction === direction && list.name === name);
  const acl = listOf('acl', 'in', one.in?.name);
  const out = listOf('acl', 'out', one.out?.name);
  const pbr = listOf('pbr', 'in', one.pbr?.name);
  return {
    local,
    name: one.name,
    function: word,
    enumerator: `IF_${word.toUpperCase()}`,
    port: router.ports.findIndex((port) => port.name === one.port),
    encapsulation: one.encapsulation,
    ...(acl && { acl }),
    ...(out && { out }),
    ...(pbr && { pbr }),
    ...(one.urpf && { urpf: one.urpf }),
    origin: one.origin,
  };
}
