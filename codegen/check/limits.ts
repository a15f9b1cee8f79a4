/** What the engine has room for: the numbers of runtime/shm/limits.h, which a test compares. */
import { builtinRules } from '../../dsl/builtin.js';
import { formatGateways } from '../../dsl/gateways.js';
import type { Acl, Pbr, Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { gatewaysOf } from '../ways.js';
import { error } from './report.js';

export const limits = {
  ports: 64,
  interfaces: 256,
  workers: 16,
  rules: 65536,
  gateways: 1024,
  rings: 16,
  flows: 64,
  addresses: 16,
  sets: 64,
  nameSize: 32,
  specSize: 128,
} as const;

export function checkLimits(router: Router): readonly Diagnostic[] {
  const lists = listsOf(router);
  const rules = lists.flatMap((list) => list.rules);
  const counters = countersOf(router);
  const gateways = new Set(
    rules.flatMap((rule) =>
      ([4, 6] as const).map((family) => formatGateways(gatewaysOf(rule, family))).filter((way) => way !== ''),
    ),
  );
  const interfaces = inside(router.origin, 1, 'interfaces');
  return [
    ...most(router.ports.length, limits.ports, 'ports', interfaces),
    ...most(router.interfaces.length, limits.interfaces, 'interfaces', interfaces),
    ...most(
      router.engine.workers.length,
      limits.workers,
      'workers',
      inside(router.origin, 1, 'engine', 'workers'),
    ),
    ...router.interfaces
      .filter((one) => one.host === 'none')
      .flatMap((one) =>
        most(
          one.addresses.length,
          limits.addresses,
          `addresses of '${one.name}', which has no face in the kernel`,
          inside(one.origin, 'addresses'),
        ),
      ),
    ...most(counters, limits.rules, 'rules', router.origin),
    ...most(gateways.size, limits.gateways, 'gateways', router.origin),
    ...most(new Set(router.sets.map((one) => one.name)).size, limits.sets, 'sets', router.origin),
  ];
}

/** Each ACL counts what its default takes, too, and on each side of interfaces by itself. */
function countersOf({ interfaces }: Router): number {
  const sum = (lists: readonly (Acl | Pbr | undefined)[], more: (list: Acl | Pbr) => number) =>
    [...new Set(lists)].reduce((n, list) => n + (list === undefined ? 0 : list.rules.length + more(list)), 0);
  return (
    sum(
      interfaces.map((one) => one.in),
      (list) => (list.kind === 'acl' ? builtinRules(list).length + 1 : 0),
    ) +
    sum(
      interfaces.map((one) => one.out),
      () => 1,
    ) +
    sum(
      interfaces.map((one) => one.pbr),
      () => 0,
    )
  );
}

/** Each list that an interface uses, once. */
export function listsOf(router: Router): readonly (Acl | Pbr)[] {
  return [
    ...new Set(router.interfaces.flatMap((one) => [one.in ?? [], one.out ?? [], one.pbr ?? []].flat())),
  ];
}

function most(
  count: number,
  limit: number,
  what: string,
  origin: Diagnostic['origin'],
): readonly Diagnostic[] {
  if (count <= limit) return [];
  return [
    error('NM4015', origin, `there are too many ${what}`, { expected: `at most ${limit}`, got: `${count}` }),
  ];
}
