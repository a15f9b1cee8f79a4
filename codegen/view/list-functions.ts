/** The C functions of a list: what they are called, and whether packets are told apart that they are asked about. */
import type { Ir, IrList } from '../ir.js';

/** The C function that a packet is asked of. */
export function listFunction(list: IrList): string {
  return `${list.direction === 'out' ? 'out' : list.kind}_${list.function}`;
}

/** The one that says which packets of a burst it is asked about. */
export const asksOf = (list: IrList) => `asks_${listFunction(list)}`;

/** Wherever a burst is judged by the list, all of the burst is. */
export const asksAll = (list: IrList, ir: Ir) =>
  ir.ports.every(
    ({ interfaces }) =>
      interfaces.every(({ acl }) => acl === list) || interfaces.every(({ acl }) => acl !== list),
  );
