/** What happens to packets while nobody forwards them must be said where an ACL or PBR would no longer hold. */
import type { LogicalInterface, PortConfig, Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { dpdkBesideKernel } from './dpdk-spec.js';
import { netmapDevice } from './netmap-spec.js';
import { splitSpec } from './ports.js';
import { error } from './report.js';

export function checkFallbacks(router: Router): readonly Diagnostic[] {
  return router.ports.flatMap((port) => {
    const carried = router.interfaces.filter((one) => one.port === port.name);
    return [...mustSay(router, port, carried), ...cannotBeKernel(port, carried), ...cannotBeDrop(port)];
  });
}

/** What comes in by any port may leave by an interface with an `out` ACL, which the kernel does not ask. */
function mustSay(
  router: Router,
  port: PortConfig,
  carried: readonly LogicalInterface[],
): readonly Diagnostic[] {
  const ruled =
    carried.find((one) => one.in || one.pbr || one.urpf) ?? router.interfaces.find((one) => one.out);
  if (port.fallback !== undefined || ruled === undefined) return [];
  const { in: filter, out, pbr, urpf, name } = ruled;
  const has = filter
    ? `ACL '${filter.name}'`
    : pbr
      ? `PBR '${pbr.name}'`
      : urpf
        ? `urpf: '${urpf}'`
        : `ACL '${out?.name}' on its way out`;
  const owner = name === ruled.port ? `interface '${name}'` : `'${name}' of port '${ruled.port}'`;
  return [
    error(
      'NM4009',
      port.origin,
      `${owner} has ${has}, so '${port.name}' must say how it falls back when nobody forwards`,
      {
        expected: "fallback: 'drop' or fallback: 'kernel'",
        fix: "say fallback: 'drop', or fallback: 'kernel' to open then what the policy closes.",
      },
    ),
  ];
}

/** The kernel can route only what it sees come in as the policy's interface: not tags that a tap stands for. */
function cannotBeKernel(port: PortConfig, carried: readonly LogicalInterface[]): readonly Diagnostic[] {
  if (port.fallback !== 'kernel') return [];
  const { kind, rest } = splitSpec(port.spec);
  const virtual =
    ['pipe', 'pcap', 'tap', 'dpdk'].includes(kind) || (kind === 'netmap' && netmapDevice(rest) === undefined);
  const tap = carried.find((one) => one.host === 'tap' || one.encapsulation.kind !== 'untagged');
  const none = carried.find((one) => one.host === 'none');
  const why = virtual
    ? `a ${kind} port ${kind === 'netmap' ? 'of this kind ' : ''}has no device of the kernel`
    : tap
      ? `the kernel's face of '${tap.name}' can be a tap, which receives nothing then`
      : none
        ? `'${none.name}' has no face in the kernel`
        : undefined;
  if (why === undefined) return [];
  return [
    error(
      'NM4010',
      inside(port.origin, 'fallback'),
      `'${port.name}' cannot fall back to the kernel: ${why}`,
      { fix: "say fallback: 'drop'." },
    ),
  ];
}

/**
 * With the last process that has a netmap port open, its device is the kernel's again, which forwards; what a DPDK port
 * takes from beside the kernel, the kernel has all the time.
 */
function cannotBeDrop(port: PortConfig): readonly Diagnostic[] {
  if (port.fallback !== 'drop') return [];
  const { kind, rest } = splitSpec(port.spec);
  const netmap = kind === 'netmap' ? netmapDevice(rest) : undefined;
  const beside = kind === 'dpdk' ? dpdkBesideKernel(rest) : undefined;
  const device = netmap ?? beside;
  if (device === undefined) return [];
  return [
    error('NM4020', inside(port.origin, 'fallback'), `'${port.name}' cannot stay shut when nobody forwards`, {
      expected: netmap
        ? "fallback: 'kernel' on a netmap port of a device, which is the kernel's when netmill is dead"
        : `a port that takes packets from the kernel: this one gets copies of what '${device}' receives`,
      fix: `say port: 'xdp:${device}'${netmap ? ", or fallback: 'kernel'" : ''}.`,
    }),
  ];
}
