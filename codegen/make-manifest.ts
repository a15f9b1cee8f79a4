/** IR → forwarder.json. */
import { formatAddress, formatPrefix } from '../dsl/address.js';
import { formatGateways } from '../dsl/gateways.js';
import type { LogicalInterface, Origin, PortConfig, Router } from '../dsl/model.js';
import { busyPollOf } from './check/ports.js';
import { type HardwareFlow, hardwareFlows } from './flows.js';
import type { Ir, IrInterface, IrRule } from './ir.js';
import { type Manifest, manifestVersion } from './manifest.js';
import type { SetContents } from './sets/contents.js';
import { countPrefixes } from './sets/ranges.js';
import { tagsOf } from './tags.js';
import { treatmentWords } from './treatment.js';

export interface Built {
  readonly sequence: number;
  readonly abi: number;
  readonly layout: number;
  readonly forwarder: string;
  readonly forwarderHash: string;
  /** SHA-256 of what each set holds at first, as the engine reads it. */
  readonly sets: ReadonlyMap<string, string>;
  readonly compiler: { readonly name: string; readonly version: string; readonly flags: readonly string[] };
}

export function makeManifest(ir: Ir, built: Built): Manifest {
  const { router } = ir;
  return {
    version: manifestVersion,
    abi: built.abi,
    layout: built.layout,
    router: router.name,
    policy: ir.policy,
    policyHash: ir.policyHash,
    sequence: built.sequence,
    forwarder: built.forwarder,
    forwarderHash: built.forwarderHash,
    compiler: { ...built.compiler, flags: [...built.compiler.flags] },
    lookup: ir.lookup.method,
    lookupReason: ir.lookup.reason,
    eventMode: router.engine.events,
    punt: router.engine.punt,
    ports: router.ports.map((port, local) => ({
      local,
      name: port.name,
      spec: port.spec,
      fallback: fallbackOf(router, port),
      offloadsOff: [...port.offloadsOff],
      busyPoll: busyPollOf(router, port),
      ...(port.affinity && { affinity: port.affinity }),
      ...(port.queues && { queues: [...port.queues] }),
      ...(port.flows.length > 0 && { flows: hardwareFlows(port).map(flowEntry) }),
      origin: plain(port.origin),
    })),
    interfaces: router.interfaces.map((one, local) => interfaceEntry(router, one, local)),
    workers: router.engine.workers.map(({ core, rings }) => ({
      ...(core !== undefined && { core }),
      ...(rings && {
        rings: Object.fromEntries(Object.entries(rings).map(([port, list]) => [port, [...list]])),
      }),
    })),
    gateways: ir.gateways.map((one) => one.text),
    sets: ir.sets.map(({ local, name, families, file, origin }) => ({
      local,
      name,
      families: [...families],
      ...(file !== undefined && { file }),
      initialPrefixes: prefixCount(ir.contents.get(name)),
      initialHash: built.sets.get(name)!,
      origin: plain(origin),
    })),
    rules: ir.rules.map((rule) => ruleEntry(ir, rule)),
    routes: router.routes.map((route) => ({
      prefix: formatPrefix(route.prefix),
      gateway: formatAddress(route.gateway),
      origin: plain(route.origin),
    })),
    daemon: { ...router.daemon, socket: { ...router.daemon.socket }, tables: [...router.daemon.tables] },
  };
}

function prefixCount(contents: SetContents | undefined): number {
  return contents === undefined ? 0 : countPrefixes(contents[4]) + countPrefixes(contents[6]);
}

function flowEntry(flow: HardwareFlow): NonNullable<Manifest['ports'][number]['flows']>[number] {
  const { from, to, ...rest } = flow;
  return {
    ...rest,
    ...(from && { from: formatPrefix(from) }),
    ...(to && { to: formatPrefix(to) }),
  };
}

/** Where it may be left out, no rule is lost by the kernel's forwarding, unless no kernel device carries the port. */
function fallbackOf(router: Router, port: PortConfig): 'kernel' | 'drop' {
  if (port.fallback !== undefined) return port.fallback;
  return router.interfaces.some((one) => one.port === port.name && one.host !== 'auto') ? 'drop' : 'kernel';
}

function interfaceEntry(
  router: Router,
  one: LogicalInterface,
  local: number,
): Manifest['interfaces'][number] {
  const port = router.ports.findIndex((candidate) => candidate.name === one.port);
  return {
    local,
    name: one.name,
    port,
    tags: [...tagsOf(one.encapsulation)],
    mtu: one.mtu ?? 0,
    host: one.host,
    fallback: fallbackOf(router, router.ports[port]!),
    addresses: one.addresses.map((address) => `${formatAddress(address)}/${address.length}`),
    ...(one.in && { in: one.in.name }),
    ...(one.out && { out: one.out.name }),
    ...(one.pbr && { pbr: one.pbr.name }),
    ...(one.urpf && { urpf: one.urpf }),
    origin: plain(one.origin),
  };
}

function ruleEntry(ir: Ir, rule: IrRule): Manifest['rules'][number] {
  const listOf = (one: IrInterface) =>
    rule.listKind === 'pbr' ? one.pbr : rule.direction === 'in' ? one.acl : one.out;
  const carriers = ir.interfaces.filter((one) => listOf(one)?.name === rule.list);
  return {
    local: rule.local,
    id: rule.id,
    list: rule.list,
    listKind: rule.listKind,
    direction: rule.direction,
    position: rule.position,
    interfaceNames: carriers.map((one) => one.name),
    text: rule.text,
    origin: plain(rule.origin),
    action: rule.action.kind,
    ...(rule.action.kind === 'nexthop' && { way: formatGateways(rule.action.gateways, rule.action.orDrop) }),
    ...(treatmentWords(rule).length > 0 && { treatment: [...treatmentWords(rule)] }),
    ...(rule.name !== undefined && { name: rule.name }),
    ...(rule.why !== undefined && { why: rule.why }),
    ...(rule.counter !== undefined && { counter: rule.counter }),
    ...(rule.logPerSecond !== undefined && { logPerSecond: rule.logPerSecond }),
    ...(rule.owner !== undefined && { owner: rule.owner }),
    ...(rule.ticket !== undefined && { ticket: rule.ticket }),
    ...(rule.expires !== undefined && { expires: rule.expires }),
  };
}

function plain({ file, line, column }: Origin): Manifest['rules'][number]['origin'] {
  return { file, line, column };
}
