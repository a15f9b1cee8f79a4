/** Frames as a port receives them: on which logical interface, and what rules see of them. */
import { etherTypes, isTag, parseFrame, parseIpv4, parseIpv6 } from '../evaluate/parse.js';
import { linkOf, membersBy, type Seen, see } from '../evaluate/rules.js';
import type { IrInterface, IrPort } from '../ir.js';
import type { Contents } from '../sets/contents.js';
import { tagsOf } from '../tags.js';

export type Received =
  | { readonly kind: 'packet'; readonly iface: IrInterface; readonly seen: Seen }
  /** Not of the rules' matter: ARP and other EtherTypes, unknown tags, wrong headers. */
  | { readonly kind: 'other'; readonly what: string };

export function received(port: IrPort, bytes: Uint8Array, contents: Contents): Received {
  const depth = Math.max(...port.interfaces.map((one) => tagsOf(one.encapsulation).length));
  const frame = parseFrame(bytes, depth);
  if (frame === undefined) return { kind: 'other', what: 'shorter than an Ethernet header' };
  const iface = port.interfaces.find((one) => {
    const tags = tagsOf(one.encapsulation);
    return (
      tags.length === frame.tags.length &&
      tags.every((tag, i) => tag.tpid === frame.tags[i]!.tpid && tag.vid === frame.tags[i]!.vid)
    );
  });
  if (iface === undefined || isTag(frame.etherType))
    return { kind: 'other', what: `no interface of ${port.name} has its tags` };
  if (frame.etherType !== etherTypes.ipv4 && frame.etherType !== etherTypes.ipv6)
    return {
      kind: 'other',
      what: `EtherType 0x${frame.etherType.toString(16).padStart(4, '0')}: to the host`,
    };
  const payload = bytes.subarray(frame.network);
  const packet = frame.etherType === etherTypes.ipv4 ? parseIpv4(payload) : parseIpv6(payload);
  if (typeof packet === 'string') return { kind: 'other', what: `dropped: ${packet}` };
  return { kind: 'packet', iface, seen: see(packet, linkOf(frame), membersBy(contents, packet)) };
}
