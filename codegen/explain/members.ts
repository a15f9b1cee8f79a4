/** What sets that change at run time hold, where one packet is looked at: what the policy's files say, or what is given. */
import type { Address } from '../../dsl/model.js';
import { type PacketPoint, seenAs } from '../analysis/packet.js';
import { membersBy, type Seen } from '../evaluate/rules.js';
import type { Ir } from '../ir.js';
import { contentsOf, noContents, type SetContents } from '../sets/contents.js';
import { difference, union } from '../sets/ranges.js';

/**
 * The policy with sets that hold what the packet's text says of its addresses, besides what they hold anyway. @throws Error
 * when the policy has no set of that name
 */
export function withMembers(ir: Ir, point: PacketPoint): Ir {
  const names = ir.router.sets.map((one) => one.name);
  const unknown = point.members?.find((one) => !names.includes(one.set));
  if (unknown !== undefined)
    throw new Error(
      `expected a set that changes at run time (${names.join(', ') || 'the policy has none'}), got '${unknown.set}'`,
    );
  const contents = new Map(ir.contents);
  for (const { set, field, value } of point.members ?? []) {
    const address = { family: point.family, bits: field === 'src' ? point.src : point.dst };
    contents.set(set, changed(contents.get(set) ?? noContents, address, value));
  }
  return { ...ir, contents };
}

function changed(held: SetContents, address: Address, value: boolean): SetContents {
  const { family } = address;
  const alone = contentsOf([{ ...address, length: family === 4 ? 32 : 128 }])[family];
  return { ...held, [family]: value ? union(held[family], alone) : difference(held[family], alone) };
}

/** The packet as rules of this policy see it. */
export function seenIn(ir: Ir, point: PacketPoint): Seen {
  const seen = seenAs(point);
  return { ...seen, fields: { ...seen.fields, isMember: membersBy(ir.contents, seen.packet) } };
}
