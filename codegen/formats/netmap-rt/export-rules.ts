/** Rules of a policy as lines of an ACL file of netmap-rt; what a line cannot say is told. */
import { formatAddress, formatPrefix } from '../../../dsl/address.js';
import type { AclField, AclFields } from '../../../dsl/formats/netmap-rt-acl.js';
import { formatGateways } from '../../../dsl/gateways.js';
import type {
  Action,
  Family,
  Origin,
  PortRange,
  Prefix,
  Rule,
  Service,
  ServiceMatch,
} from '../../../dsl/model.js';
import { protocolNumbers } from '../../../dsl/protocols.js';
import { aboutRule } from '../../about-rule.js';
import { mergePorts } from '../../addresses.js';
import { place } from '../../cite.js';

/** Notes a reason why a policy cannot be exported. */
export type Refuse = (origin: Origin, message: string, expected?: string, fix?: string) => undefined;

/** Texts of a line by field; those left out are blank. */
type Line = Partial<Record<AclField, string>>;

/** What a line has of a service; `family`: it must be of this one alone. */
type ServiceLine = Pick<Line, 'protocol' | 'source port' | 'destination port'> & {
  readonly family?: Family;
};

const known: Readonly<Record<'rule' | 'match' | 'action', readonly string[]>> = {
  rule: [
    'kind',
    'action',
    'match',
    'log',
    'counter',
    'why',
    'id',
    'owner',
    'ticket',
    'expires',
    'waivers',
    'origin',
  ],
  match: ['from', 'to', 'service', 'header'],
  action: ['allow', 'deny', 'nexthop'],
};
const doBesides = 'delete it; netmap-rt lets packets pass, drops and diverts, and logs what it does so with.';
/** What is not called as it is written. */
const whats: Readonly<Record<string, string>> = {
  when: 'a predicate',
  fromSet: 'a set that changes at run time',
  toSet: 'a set that changes at run time',
};
const mostLines = 10_000;
const usualRate = 10;

/** Where nothing is said of the family, these say it. */
const everything: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

/** Lines of one rule, each with the place that it came from; those of an interface name it. */
export function exportRule(
  rule: Rule,
  device: string | undefined,
  fields: AclFields,
  refuse: Refuse,
): readonly string[] {
  const { action, match, log, origin } = rule;
  const { treatment: _, ...said } = { ...rule, ...rule.treatment };
  for (const key of Object.keys(said))
    if (!known.rule.includes(key))
      refuse(origin, `a line of netmap-rt has nothing like .${key}()`, undefined, doBesides);
  for (const key of Object.keys({ ...match, header: undefined, ...match.header }))
    if (!known.match.includes(key))
      refuse(origin, `a line of netmap-rt cannot test ${whats[key] ?? `'${key}'`}`);
  if (!known.action.includes(action.kind))
    return refuse(origin, `netmap-rt has no action '${action.kind}'`) ?? [];
  if (log && log.perSecond !== usualRate)
    refuse(origin, `netmap-rt's log has no rate`, 'log() without a rate');
  const services = match.service ? serviceLines(match.service, rule, refuse) : [{}];
  const sources = match.from?.prefixes ?? [undefined];
  const targets = match.to?.prefixes ?? [undefined];
  if (action.kind === 'nexthop') refuseShares(action, origin, refuse);
  const gateways = action.kind === 'nexthop' ? action.gateways : [undefined];
  if (services.length * sources.length * targets.length * gateways.length > mostLines)
    return refuse(origin, `this rule would be more than ${mostLines} lines`) ?? [];
  const lines = gateways.flatMap((gateway) =>
    services.flatMap(({ family, ...service }) =>
      sources.flatMap((source) =>
        targets.flatMap((target): readonly Line[] => {
          const ends = endsOf(source, target, family, gateway?.family);
          const verb = gateway ? `nexthop ${formatAddress(gateway)}` : action.kind;
          return ends ? [{ ...ends, ...service, action: log ? `${verb} log` : verb }] : [];
        }),
      ),
    ),
  );
  const missing = lines
    .flatMap((line) => Object.keys(line) as AclField[])
    .find((field) => !fields.includes(field));
  if (missing)
    return refuse(origin, `the fields of a line have no ${missing}`, `${missing} in --fields`) ?? [];
  const note = noteOf(rule);
  return lines.map(
    (line) => `${printLine({ ...line, ...(device && { interface: device }) }, fields)} # ${note}`,
  );
}

/** One gateway of a family, and what cannot be reached diverts nothing: more a line does not say. */
function refuseShares(
  { gateways, orDrop }: Extract<Action, { kind: 'nexthop' }>,
  origin: Rule['origin'],
  refuse: Refuse,
): void {
  if (orDrop) refuse(origin, "netmap-rt's nexthop cannot drop what has no gateway", '.orDrop()');
  const several = [4, 6].some((family) => gateways.filter((one) => one.family === family).length > 1);
  if (several) refuse(origin, "netmap-rt's nexthop has one gateway", formatGateways(gateways));
}

export function printLine(line: Line, fields: AclFields): string {
  return fields.map((field) => (field === undefined ? '' : (line[field] ?? ''))).join(';');
}

/** Undefined: no packet has both. */
function endsOf(
  source: Prefix | undefined,
  target: Prefix | undefined,
  service: Family | undefined,
  gateway: Family | undefined,
): Line | undefined {
  const asked = [source?.family, target?.family, service, gateway].filter((one) => one !== undefined);
  if (new Set(asked).size > 1) return undefined;
  const said = source ?? target;
  return {
    ...(source && { source: prefixText(source) }),
    ...(target && { destination: prefixText(target) }),
    ...(said === undefined && service !== undefined && { source: everything[service] }),
  };
}

function prefixText(prefix: Prefix): string {
  return prefix.length === (prefix.family === 4 ? 32 : 128) ? formatAddress(prefix) : formatPrefix(prefix);
}

/** A protocol that is meant as a whole needs no line for some of its ports: to read them would refuse what hides them. */
function serviceLines(service: Service, rule: Rule, refuse: Refuse): readonly ServiceLine[] {
  const { alternatives } = service;
  const plain = ports.flatMap((l4) => {
    const ranges = alternatives.flatMap((one) => (isPlain(one) && one.l4 === l4 ? one.dports : []));
    return mergePorts(ranges).map((range) => ({ protocol: l4, ...portText('destination port', range) }));
  });
  const whole = ports.filter(
    (l4) =>
      plain.some((line) => line.protocol === l4 && line['destination port'] === undefined) ||
      alternatives.some((one) => one.l4 === 'ip' && one.protocols.includes(protocolNumbers[l4])),
  );
  const rest = alternatives.filter((one) => !isPlain(one) && !(isPorts(one) && whole.includes(one.l4)));
  return [
    ...plain.filter((line) => line['destination port'] === undefined || !whole.includes(line.protocol)),
    ...rest.flatMap((one) => otherLines(one, rule, refuse)),
  ];
}

const ports = ['tcp', 'udp'] as const;

function isPorts(one: ServiceMatch): one is PortService {
  return one.l4 === 'tcp' || one.l4 === 'udp';
}

type PortService = Extract<ServiceMatch, { l4: 'tcp' | 'udp' }>;
type PlainService = PortService & { readonly sports?: never };

function isPlain(one: ServiceMatch): one is PlainService {
  return isPorts(one) && one.sports === undefined;
}

function otherLines(one: ServiceMatch, rule: Rule, refuse: Refuse): readonly ServiceLine[] {
  switch (one.l4) {
    case 'tcp':
    case 'udp':
      return mergePorts(one.sports ?? []).flatMap((source) =>
        mergePorts(one.dports).map((target) => ({
          protocol: one.l4,
          ...portText('source port', source),
          ...portText('destination port', target),
        })),
      );
    case 'ip':
      return one.protocols.map((number) => ({ protocol: String(number) }));
    case 'icmp':
      if (one.types.length > 0) refuse(rule.origin, 'a line of netmap-rt cannot test ICMP types', 'icmp()');
      return [
        { family: 4, protocol: 'icmp' },
        { family: 6, protocol: 'ipv6-icmp' },
      ];
    default:
      return refuse(rule.origin, 'a line of netmap-rt cannot test this service') ?? [];
  }
}

/** Nothing where every port is meant: then there need not be one. */
function portText<F extends 'source port' | 'destination port'>(
  field: F,
  { from, to }: PortRange,
): Partial<Record<F, string>> {
  if (from === 0 && to === 65_535) return {};
  return { [field]: from === to ? String(from) : `${from}-${to}` } as Partial<Record<F, string>>;
}

/** Where the line came from, and what netmap-rt has no place for. */
function noteOf({ origin, id, why, counter, owner, ticket, expires }: Rule): string {
  const parts = [
    place(origin),
    id,
    why,
    counter && `counter ${counter}`,
    aboutRule({ owner, ticket, expires }),
  ];
  return parts.filter((part) => part !== undefined).join(', ');
}
