/**
 * A policy as netmap-rt.conf and its ACL file. Everything that a policy says and these files cannot say is a reason to
 * refuse, with its place; all of them are told.
 */
import { type AclFields, parseFields } from '../../../dsl/formats/netmap-rt-acl.js';
import type { LogicalInterface, Offload, PortConfig, Problem, Router } from '../../../dsl/model.js';
import { usualPunt } from '../../../dsl/punt.js';
import { splitSpec } from '../../check/ports.js';
import { exportRule, printLine, type Refuse } from './export-rules.js';

export interface NetmapRtFiles {
  readonly conf: string;
  /** Undefined: there are no rules. */
  readonly acl?: string;
}

export interface ExportOptions {
  readonly fields: AclFields;
  /** It is accepted that netmap-rt leaves packets to the kernel when it ends, whatever the policy says. */
  readonly acceptsFallback: boolean;
}

export type ExportResult =
  | { readonly ok: true; readonly files: NetmapRtFiles }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const exportedAclPath = '/usr/local/etc/netmap-rt-acl.conf';

export function exportNetmapRt(router: Router, options: ExportOptions): ExportResult {
  const problems: Problem[] = [];
  const refuse: Refuse = (origin, message, expected, fix) => {
    problems.push({
      code: 'NM6005',
      origin,
      message,
      ...(expected !== undefined && { expected }),
      fix: fix ?? 'leave it out of a policy for netmap-rt.',
    });
    return undefined;
  };
  for (const one of [...router.routes, ...router.mustReach])
    refuse(one.origin, `netmap-rt's files have no ${'gateway' in one ? 'routes' : 'mustReach'}`);
  const acl = exportAcl(router, options, refuse);
  const conf = exportConf(router, options, acl !== undefined, refuse);
  const at = ({ origin }: Problem) => origin.line * 1000 + origin.column;
  if (problems.length > 0) return { ok: false, problems: problems.sort((a, b) => at(a) - at(b)) };
  return { ok: true, files: { conf, ...(acl !== undefined && { acl }) } };
}

/** As netmap-rt's host would call it: `ix0`, `ix0.101`. */
export function deviceOf(router: Router, face: LogicalInterface): string {
  const { rest } = splitSpec(router.ports.find((port) => port.name === face.port)!.spec);
  return face.encapsulation.kind === 'vlan' ? `${rest}.${face.encapsulation.id}` : rest;
}

/**
 * A line for a port takes what is untagged. Should netmap-rt see that otherwise, the lines of its VLANs stand before, and end in one
 * that takes everything.
 */
function exportAcl(router: Router, { fields }: ExportOptions, refuse: Refuse): string | undefined {
  const faces = [...router.interfaces].sort(
    (a, b) => Number(a.encapsulation.kind === 'untagged') - Number(b.encapsulation.kind === 'untagged'),
  );
  if (faces.every((face) => !face.in && !face.pbr)) return undefined;
  const [first] = faces;
  const same = faces.every((face) => face.in === first!.in && face.pbr === first!.pbr);
  if (!same && !fields.includes('interface'))
    refuse(
      router.origin,
      'interfaces have different lists, and the fields of a line have no interface',
      'an interface among the fields',
    );
  const sections = (same ? [first!] : faces).map((face) =>
    exportFace(face, same ? undefined : deviceOf(router, face), fields, refuse),
  );
  const vlans = !same && faces.some((face) => face.encapsulation.kind !== 'untagged');
  const head = vlans ? '# A line for a port with VLANs takes what is untagged.\n\n' : '';
  return `${head}${sections.join('\n\n')}\n`;
}

function exportFace(
  face: LogicalInterface,
  device: string | undefined,
  fields: AclFields,
  refuse: Refuse,
): string {
  const { in: acl, pbr } = face;
  if (pbr && acl && (acl.default === 'deny' || acl.rules.some((rule) => rule.action.kind !== 'deny')))
    refuse(
      pbr.origin,
      `what "${acl.name}" allows is asked again by "${pbr.name}": netmap-rt's first line decides`,
      'an ACL of deny rules that allows the rest, or no PBR list',
    );
  const rules = [...(acl?.rules ?? []), ...(pbr?.rules ?? [])];
  const last = acl?.default === 'deny' ? `deny${acl.log ? ' log' : ''}` : `allow${acl?.log ? ' log' : ''}`;
  return [
    `# ${device === undefined ? 'all interfaces' : `${device} (${face.name})`}`,
    ...rules.flatMap((rule) => exportRule(rule, device, fields, refuse)),
    printLine({ ...(device && { interface: device }), action: last }, fields),
  ].join('\n');
}

function exportConf(router: Router, options: ExportOptions, hasAcl: boolean, refuse: Refuse): string {
  const { daemon, engine } = router;
  for (const port of router.ports) checkPort(port, router, options, refuse);
  for (const face of router.interfaces) checkFace(face, refuse);
  checkSettings(router, refuse);
  const offloads = exportOffloads(router, refuse);
  const settings: readonly (readonly [string, string | undefined])[] = [
    ['pidfile', daemon.pidfile],
    ['event_backend', engine.events === 'poll' ? 'poll' : undefined],
    ['cli_max_clients', String(daemon.maxClients)],
    ['cli_socket_path', daemon.socket.path],
    ['arp_max_tries', String(daemon.arpMaxTries)],
    ['disable_hw_acceleration', offloads],
    ['acl_conf', hasAcl ? exportedAclPath : undefined],
    ['route_dump_file', daemon.routeDumpFile],
    ['lookup_method', engine.lookup === 'auto' ? undefined : engine.lookup],
    ['interfaces', router.interfaces.map((face) => deviceOf(router, face)).join(' ')],
  ];
  const lines = settings.flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} = ${quoted(value)};`],
  );
  return `# ${router.name}, exported by netmill\n${lines.join('\n')}\n`;
}

function quoted(text: string): string {
  return /^\d+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

function checkPort(port: PortConfig, router: Router, options: ExportOptions, refuse: Refuse): void {
  const { kind, rest } = splitSpec(port.spec);
  if (kind !== 'xdp' || !/^[A-Za-z][A-Za-z0-9_-]*$/.test(rest))
    refuse(port.origin, `netmap-rt cannot open '${port.spec}'`, 'a network device with a plain name');
  const faces = router.interfaces.filter((face) => face.port === port.name);
  if (faces.every((face) => face.encapsulation.kind !== 'untagged'))
    refuse(
      port.origin,
      `'${port.name}' has no untagged interface: netmap-rt leaves to the kernel what it does not name`,
      'an untagged interface beside the VLANs',
    );
  const ruled = faces.some((face) => face.in || face.pbr);
  if (port.fallback === 'drop' && ruled && !options.acceptsFallback)
    refuse(
      port.origin,
      `when netmap-rt ends, the kernel routes without these lists: '${port.name}' is to drop then`,
      "fallback: 'kernel'",
      'say --accept-fallback if that may be.',
    );
}

function checkFace(face: LogicalInterface, refuse: Refuse): void {
  if (face.encapsulation.kind === 'qinq')
    refuse(face.origin, `'${face.name}' has two tags, which netmap-rt.conf cannot say`);
  if (face.addresses.length > 0)
    refuse(
      face.origin,
      `the addresses of '${face.name}' are not in netmap-rt.conf: it takes those of the kernel`,
    );
  if (face.mtu !== undefined) refuse(face.origin, `netmap-rt.conf has no MTU for '${face.name}'`);
  if (face.urpf) refuse(face.origin, `netmap-rt.conf cannot say urpf: '${face.urpf}' of '${face.name}'`);
  if (face.host !== 'auto')
    refuse(face.origin, `netmap-rt.conf cannot say host: '${face.host}' of '${face.name}'`);
  if (face.out)
    refuse(face.out.origin, `netmap-rt's ACL judges what comes in: "${face.out.name}" is for what leaves`);
  if (face.in && face.in.neighbourDiscovery === 'builtin')
    refuse(
      face.in.origin,
      `netmap-rt has no built-in rules for Neighbour Discovery, which "${face.in.name}" has`,
      "neighbourDiscovery: 'explicit'",
      "say neighbourDiscovery: 'explicit', and what is meant by rules.",
    );
}

function checkSettings({ engine, daemon, origin }: Router, refuse: Refuse): void {
  const say = (unlike: boolean, what: string, expected: string) => {
    if (unlike) refuse(origin, `netmap-rt.conf cannot say ${what}`, expected);
  };
  say(
    engine.workers.length > 1 || Object.keys(engine.workers[0]!).length > 0,
    'engine.workers',
    'one worker',
  );
  say(engine.lookup === 'flat', "lookup: 'flat'", "'radix', 'dxr' or 'auto'");
  say(engine.events === 'busy', "events: 'busy'", "'poll' or 'adaptive'");
  say(engine.flowHash !== 'directed', 'engine.flowHash', "'directed'");
  say(engine.aclMemory !== 256, 'engine.aclMemory', '256');
  say(
    JSON.stringify(engine.punt) !== JSON.stringify(usualPunt),
    'engine.punt',
    'the rates when nothing is said',
  );
  say(daemon.socket.mode !== 0o660, 'daemon.socket.mode', '0o660');
  say(daemon.audit !== 60, 'daemon.audit', '60');
  say(daemon.fpm !== undefined, 'daemon.fpm', 'none');
  say(daemon.tables.join() !== '255,254', 'daemon.tables', "['main']");
}

const offloadNames: Readonly<Partial<Record<Offload, string>>> = {
  txcsum: 'txcsum',
  rxcsum: 'rxcsum',
  tso: 'tso4 tso6',
  lro: 'lro',
};

/** One setting for all ports. */
function exportOffloads({ ports }: Router, refuse: Refuse): string | undefined {
  const texts = ports.map((port) => [...port.offloadsOff].sort().join(' '));
  const other = ports.find((_, i) => texts[i] !== texts[0]);
  if (other)
    refuse(
      other.origin,
      `netmap-rt.conf has one list of offloads for all interfaces: '${other.name}' has another`,
    );
  const off = [...new Set(ports[0]?.offloadsOff ?? [])];
  const strange = off.find((one) => offloadNames[one] === undefined);
  if (strange)
    refuse(ports[0]!.origin, `netmap-rt.conf cannot switch off ${strange}`, 'txcsum, rxcsum, tso or lro');
  return off.length === 0 ? undefined : off.map((one) => offloadNames[one]).join(' ');
}

/** As the description suggests it. */
export const exportedFields = parseFields('netmap-rt') as AclFields;
