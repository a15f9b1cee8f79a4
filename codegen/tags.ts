/** The 802.1Q tags of a logical interface, outermost first. */
import type { Encapsulation } from '../dsl/model.js';
import { unreachable } from './unreachable.js';

export interface Tag {
  readonly tpid: number;
  readonly vid: number;
}

export function tagsOf(encapsulation: Encapsulation): readonly Tag[] {
  switch (encapsulation.kind) {
    case 'untagged':
      return [];
    case 'vlan':
      return [{ tpid: encapsulation.tpid, vid: encapsulation.id }];
    case 'qinq':
      return [encapsulation.outer, encapsulation.inner].map((tag) => ({ tpid: tag.tpid, vid: tag.id }));
    default:
      return unreachable(encapsulation);
  }
}
