/** Ports and the tags on them. */
import type { Encapsulation, LogicalInterface, PortConfig, Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { dpdkDevice, dpdkMtu, dpdkPattern } from './dpdk-spec.js';
import { limits } from './limits.js';
import { netmapHostRings, netmapPattern } from './netmap-spec.js';
import { duplicates, error } from './report.js';

export function checkPorts(router: Router): readonly Diagnostic[] {
  return [
    ...router.ports.flatMap(checkSpec),
    ...router.ports.flatMap(checkBusyPoll),
    ...router.interfaces.flatMap((one) => checkMtu(router, one)),
    ...router.interfaces.flatMap(carriesIpv6),
    ...router.ports.flatMap((port) => checkAffinity(router, port)),
    ...duplicateSpecs(router),
    ...duplicateNames(router),
    ...duplicateTags(router),
    ...longNames(router),
  ];
}

/** Device and back end of a spec; a device alone is taken by AF_XDP. */
export function splitSpec(spec: string): { readonly kind: string; readonly rest: string } {
  const colon = spec.indexOf(':');
  return colon < 0
    ? { kind: 'xdp', rest: spec }
    : { kind: spec.slice(0, colon), rest: spec.slice(colon + 1) };
}

const patterns: Readonly<Record<string, readonly [RegExp, string]>> = {
  netmap: [
    netmapPattern,
    "an interface 'netmap:ix0', one ring 'netmap:ix0-2', a receive queue 'netmap:ix0-2/R', host rings 'netmap:ix0^', a monitor 'netmap:ix0/rt', a VALE port 'netmap:vale0:p' or a pipe 'netmap:x{1'",
  ],
  xdp: [/^(?!\.{1,2}$)[^\s/:,]{1,15}$/, "the name of a network device, at most 15 characters: 'xdp:eth0'"],
  dpdk: [
    dpdkPattern,
    "DPDK's devargs, with rings=N for 1 to 16 pairs of queues: 'dpdk:0000:03:00.0,rings=2' or 'dpdk:net_tap0,iface=t0'",
  ],
  pipe: [
    /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}(?:\/(?:[1-9]|1[0-6]))?$/,
    "a name of letters, digits, '.', '_' and '-', and 1 to 16 pairs of rings if it is to have several: 'pipe:left' or 'pipe:left/2'",
  ],
  pcap: [/^[^,\s]*,[^,\s]*$/, "two files, either may be left out: 'pcap:in.pcap,out.pcap'"],
  tap: [/^(?!\.{1,2}$)[^\s/:,%]{1,15}$/, "the name of the tap's device, at most 15 characters: 'tap:lab0'"],
};

function checkSpec(port: PortConfig): readonly Diagnostic[] {
  if (port.spec === '') return []; // its builder has told
  const place = inside(port.origin, 'port');
  const { kind, rest } = splitSpec(port.spec);
  const known = Object.hasOwn(patterns, kind) ? patterns[kind] : undefined;
  const got = `'${port.spec}'`;
  if (known === undefined)
    return [
      error('NM4007', place, `port '${port.name}' cannot be opened by '${kind}:'`, {
        expected: `${Object.keys(patterns)
          .map((one) => `${one}:`)
          .join(', ')} or a device alone`,
        got,
      }),
    ];
  const [pattern, expected] = known;
  if (!pattern.test(rest) || rest === ',')
    return [error('NM4007', place, `${got} is not a port specification`, { expected, got })];
  if (Buffer.byteLength(port.spec) + 'xdp:'.length < limits.specSize) return [];
  return [
    error('NM4007', place, 'this port specification is too long', {
      expected: `less than ${limits.specSize - 4} bytes`,
    }),
  ];
}

function checkBusyPoll(port: PortConfig): readonly Diagnostic[] {
  if (!port.busyPoll || splitSpec(port.spec).kind === 'xdp') return [];
  return [
    error('NM4021', inside(port.origin, 'busyPoll'), `port '${port.name}' cannot be polled by its workers`, {
      expected: "busyPoll on an 'xdp:' port: others have no interrupts that netmill could let rest",
      got: `'${port.spec}'`,
      fix: 'leave busyPoll out.',
    }),
  ];
}

function checkAffinity(router: Router, port: PortConfig): readonly Diagnostic[] {
  if (port.affinity === undefined) return [];
  const place = inside(port.origin, 'affinity');
  if (splitSpec(port.spec).kind !== 'xdp')
    return [
      error('NM4023', place, `port '${port.name}' has no interrupts that netmill could place`, {
        expected: "affinity on an 'xdp:' port",
        got: `'${port.spec}'`,
        fix: 'leave affinity out.',
      }),
    ];
  if (port.affinity === 'leave' || router.engine.workers.some(({ core }) => core !== undefined)) return [];
  return [
    error('NM4023', place, `the workers of port '${port.name}' are on no core of their own`, {
      expected: "with affinity 'worker', engine.workers with cores: [{ core: 2 }]",
      got: 'workers that may run anywhere',
      fix: 'give the workers cores, or leave affinity out.',
    }),
  ];
}

/** Do the port's workers run its device's NAPI themselves? */
export function busyPollOf(router: Router, port: PortConfig): boolean {
  return port.busyPoll ?? (router.engine.events === 'busy' && splitSpec(port.spec).kind === 'xdp');
}

function checkMtu(router: Router, { name, port, mtu, origin }: LogicalInterface): readonly Diagnostic[] {
  const spec = router.ports.find((one) => one.name === port)?.spec ?? '';
  if (mtu === undefined || mtu <= dpdkMtu || splitSpec(spec).kind !== 'dpdk') return [];
  return [
    error(
      'NM4006',
      inside(origin, 'mtu'),
      `'${name}' is on a DPDK port, which carries no packets of ${mtu} bytes`,
      {
        expected: `at most ${dpdkMtu}`,
        got: `${mtu}`,
      },
    ),
  ];
}

const smallestIpv6 = 1280;

/** RFC 8200 §5: a link of IPv6 carries 1,280 bytes; a source that is told of less may take no notice (RFC 8201 §4). */
function carriesIpv6({ name, mtu, addresses, origin }: LogicalInterface): readonly Diagnostic[] {
  const six = addresses.find(({ family }) => family === 6);
  if (mtu === undefined || mtu >= smallestIpv6 || six === undefined) return [];
  return [
    error('NM4006', inside(origin, 'mtu'), `'${name}' has an IPv6 address, and an MTU of ${mtu}`, {
      expected: `at least ${smallestIpv6} (RFC 8200 §5)`,
      got: `${mtu}`,
      fix: 'give it a larger MTU, or no IPv6 address.',
    }),
  ];
}

/** What a port takes for itself: one device, whichever rings of it, or what its spec names. */
function taken({ spec }: PortConfig): { readonly kind: string; readonly rest: string } {
  const { kind, rest } = splitSpec(spec);
  if (kind === 'dpdk') return { kind, rest: dpdkDevice(rest) };
  if (kind === 'pipe') return { kind, rest: rest.replace(/\/\d+$/, '') };
  const device = kind === 'netmap' ? netmapHostRings(rest) : kind === 'xdp' ? rest : undefined;
  return device === undefined ? { kind, rest } : { kind: 'device', rest: device };
}

function duplicateSpecs(router: Router): readonly Diagnostic[] {
  return duplicates(
    router.ports.filter((port) => port.spec !== ''),
    (port) => Object.values(taken(port)).join(':'),
  ).map(([first, other]) => {
    const same = taken(other).kind !== 'device' || first.spec === other.spec;
    return error(
      'NM4002',
      inside(other.origin, 'port'),
      `ports '${first.name}' and '${other.name}' are ${same ? `the same: '${other.spec}'` : `of one device: '${first.spec}' and '${other.spec}'`}`,
      {
        related: [{ origin: first.origin, message: `'${first.name}' is here.` }],
        fix: "give the interfaces of one port as its 'vlans' or 'qinq'; a device's port has all of its rings, unless it says which.",
      },
    );
  });
}

function duplicateNames(router: Router): readonly Diagnostic[] {
  return duplicates(router.interfaces, (one) => one.name).map(([first, other]) =>
    error('NM4001', other.origin, `there are two interfaces '${other.name}'`, {
      related: [{ origin: first.origin, message: 'the other is here.' }],
    }),
  );
}

function duplicateTags(router: Router): readonly Diagnostic[] {
  const tagged = router.interfaces.filter(
    (one) => one.encapsulation.kind !== 'untagged' && !hasWrongId(one.encapsulation),
  );
  return duplicates(tagged, (one) => `${one.port} ${describeTags(one.encapsulation)}`).map(([first, other]) =>
    error(
      'NM4003',
      inside(other.origin, 'id'),
      `${describeTags(other.encapsulation)} is already '${first.name}' on this port`,
      {
        related: [{ origin: first.origin, message: `'${first.name}' is here.` }],
      },
    ),
  );
}

function hasWrongId(tags: Encapsulation): boolean {
  if (tags.kind === 'qinq') return tags.outer.id === 0 || tags.inner.id === 0;
  return tags.kind === 'vlan' && tags.id === 0;
}

function describeTags(tags: Encapsulation): string {
  if (tags.kind === 'untagged') return 'untagged';
  if (tags.kind === 'vlan') return `VLAN ${tags.id}`;
  return `VLAN ${tags.inner.id} in 0x${tags.outer.tpid.toString(16)} VLAN ${tags.outer.id}`;
}

function longNames(router: Router): readonly Diagnostic[] {
  return router.interfaces
    .filter((one) => one.name.length >= limits.nameSize)
    .map((one) =>
      error('NM3010', one.origin, `the name '${one.name}' is too long`, {
        expected: `at most ${limits.nameSize - 1} characters`,
        got: `${one.name.length}`,
      }),
    );
}
