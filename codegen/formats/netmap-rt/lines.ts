/** Lines of ACL files as rules of a draft, with the interfaces on which they are asked. */
import type { AclEntry, NetmapRtRule } from '../../../dsl/formats/netmap-rt-acl.js';
import type { Problem, ServiceMatch } from '../../../dsl/model.js';
import type { DraftRule } from '../draft.js';
import type { Face } from '../faces.js';
import type { Line } from '../lists.js';
import { facesOf, type PortLines } from './asked-on.js';

export interface AclSource {
  readonly file: string;
  readonly entries: readonly AclEntry[];
}

export function linesOf(
  { file, entries }: AclSource,
  faces: readonly Face[],
  portLines: PortLines | undefined,
  problems: Problem[],
): readonly Line[] {
  return entries.map((entry): Line => {
    if (entry.kind !== 'rule') return { kind: 'comment', text: entry.kind === 'blank' ? '' : entry.text };
    return {
      kind: 'rule',
      faces: facesOf(entry, faces, file, portLines, problems),
      rule: draftRule(entry, file),
    };
  });
}

function draftRule(rule: NetmapRtRule, file: string): DraftRule {
  const { source, destination, action, log, comment } = rule;
  const service = serviceOf(rule);
  return {
    kind: 'rule',
    action:
      action.kind === 'nexthop' ? { kind: 'nexthop', gateways: [action.gateway] } : { kind: action.kind },
    ...(source && { from: { kind: 'nets', prefixes: [source.value] } }),
    ...(destination && { to: { kind: 'nets', prefixes: [destination.value] } }),
    ...(service && { service: { kind: 'service', alternatives: [service] } }),
    log,
    ...(comment !== undefined && { comment }),
    origin: { file, line: rule.line, column: 1 },
  };
}

const every = { from: 0, to: 65_535 } as const;

function serviceOf({ protocol, sourcePort, destinationPort }: NetmapRtRule): ServiceMatch | undefined {
  if (protocol === undefined) return undefined;
  if (protocol.value !== 6 && protocol.value !== 17) return { l4: 'ip', protocols: [protocol.value] };
  return {
    l4: protocol.value === 6 ? 'tcp' : 'udp',
    dports: [destinationPort?.value ?? every],
    ...(sourcePort && { sports: [sourcePort.value] }),
  };
}
