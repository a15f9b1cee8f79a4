/** What two policies say differently about interfaces, routes, settings, and objects by their names. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import type {
  Encapsulation,
  LogicalInterface,
  Match,
  NetSet,
  PortRange,
  Router,
  Service,
} from '../../dsl/model.js';
import { flowText, hardwareFlows } from '../flows.js';

export interface SettingsChange {
  readonly kind: 'interface' | 'port' | 'route' | 'networks' | 'set' | 'service' | 'setting';
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** What went and what came, for what changed: `mtu 1500`. */
  readonly old: readonly string[];
  readonly new: readonly string[];
}

type Facts = ReadonlyMap<string, readonly string[]>;

export function settingsChanges(old: Router, fresh: Router): readonly SettingsChange[] {
  const compare = (kind: SettingsChange['kind'], of: (router: Router) => Facts) =>
    changedFacts(kind, of(old), of(fresh));
  return [
    ...compare('port', ports),
    ...compare('interface', interfaces),
    ...compare('route', routes),
    ...compare('networks', (router) => objects(router).networks),
    ...compare('set', sets),
    ...compare('service', (router) => objects(router).services),
    ...compare('setting', settings),
  ];
}

function changedFacts(kind: SettingsChange['kind'], old: Facts, fresh: Facts): readonly SettingsChange[] {
  const names = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  return names.flatMap((name): SettingsChange[] => {
    const [was, now] = [old.get(name), fresh.get(name)];
    const gone = (was ?? []).filter((one) => !now?.includes(one));
    const come = (now ?? []).filter((one) => !was?.includes(one));
    if (was === undefined) return [{ kind, name, change: 'added', old: [], new: come }];
    if (now === undefined) return [{ kind, name, change: 'removed', old: gone, new: [] }];
    return gone.length + come.length === 0 ? [] : [{ kind, name, change: 'changed', old: gone, new: come }];
  });
}

function ports(router: Router): Facts {
  return new Map(
    router.ports.map((port) => [
      port.name,
      [
        `port ${port.spec}`,
        `fallback ${port.fallback ?? 'not said'}`,
        ...port.offloadsOff.map((one) => `${one} off`),
        ...(port.queues === undefined ? [] : [`queues ${port.queues.join(', ')}`]),
        ...(port.queues === undefined ? [] : hardwareFlows(port).map(flowText)),
        ...(port.busyPoll === undefined ? [] : [`busy polling ${port.busyPoll ? 'on' : 'off'}`]),
        ...(port.affinity === undefined ? [] : [`affinity ${port.affinity}`]),
      ],
    ]),
  );
}

function interfaces(router: Router): Facts {
  return new Map(router.interfaces.map((one) => [one.name, face(one)]));
}

export function tagText(tags: Encapsulation): string {
  if (tags.kind === 'untagged') return 'untagged';
  if (tags.kind === 'vlan') return `VLAN ${tags.id}`;
  return `VLAN ${tags.inner.id} in ${tags.outer.id} (0x${tags.outer.tpid.toString(16)})`;
}

function face(one: LogicalInterface): readonly string[] {
  return [
    `on ${one.port}`,
    tagText(one.encapsulation),
    `host ${one.host}`,
    ...one.addresses.map((address) => `address ${formatPrefix(address)}`),
    ...(one.mtu === undefined ? [] : [`mtu ${one.mtu}`]),
    ...(one.in ? [`in ${one.in.name}`] : []),
    ...(one.out ? [`out ${one.out.name}`] : []),
    ...(one.pbr ? [`pbr ${one.pbr.name}`] : []),
    ...(one.urpf ? [`urpf ${one.urpf}`] : []),
  ];
}

function routes(router: Router): Facts {
  return new Map(
    router.routes.map((one) => [formatPrefix(one.prefix), [`via ${formatAddress(one.gateway)}`]]),
  );
}

function settings({ engine, daemon }: Router): Facts {
  const entries = Object.entries({ ...engine, ...daemon });
  return new Map(entries.map(([name, value]) => [name, [JSON.stringify(value)]]));
}

/** Objects that have a name of their own and that some rule uses. */
function objects(router: Router): { readonly networks: Facts; readonly services: Facts } {
  const networks = new Map<string, readonly string[]>();
  const services = new Map<string, readonly string[]>();
  for (const match of matches(router)) {
    for (const set of [match.from, match.to]) if (set?.name) networks.set(set.name, prefixes(set));
    if (match.service?.name) services.set(match.service.name, serviceTexts(match.service));
  }
  return { networks, services };
}

function matches(router: Router): readonly Match[] {
  return router.interfaces.flatMap((one) =>
    [...(one.in?.rules ?? []), ...(one.out?.rules ?? []), ...(one.pbr?.rules ?? [])].map(
      (rule) => rule.match,
    ),
  );
}

/** Sets that change at run time: what they hold is not the policy's. */
function sets({ sets }: Router): Facts {
  return new Map(
    sets.map(({ name, families, file }) => [
      name,
      [families.map((one) => `IPv${one}`).join(' and '), ...(file === undefined ? [] : [`first ${file}`])],
    ]),
  );
}

function prefixes(set: NetSet): readonly string[] {
  return set.prefixes.map(formatPrefix);
}

function portText({ from, to }: PortRange): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

/** One text for each alternative: `tcp 8000-8099`. */
export function serviceTexts(service: Service): readonly string[] {
  return service.alternatives.flatMap((one) => {
    if (one.l4 === 'ip') return one.protocols.map((number) => `protocol ${number}`);
    if (one.l4 !== 'icmp') {
      const from = one.sports ? ` from ${one.sports.map(portText).join(', ')}` : '';
      return one.dports.map((range) => `${one.l4} ${portText(range)}${from}`);
    }
    return one.types.length === 0
      ? ['icmp']
      : one.types.map((type) => `icmp IPv${type.family} type ${type.type} code ${type.code ?? 'any'}`);
  });
}
