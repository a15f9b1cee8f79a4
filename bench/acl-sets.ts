/** The filter sets that classification is measured and compared on. */
import type { Family } from '../dsl/model.js';
import { asIpv6, type Filter, readSet, setNames } from './classbench.js';
import { drawnFilters, type Style, styles } from './drawn-filters.js';

export interface FilterSet {
  readonly name: string;
  readonly family: Family;
  readonly filters: () => readonly Filter[];
}

/** Those of the files; the same for IPv6; others, drawn. */
export function filterSets(): readonly FilterSet[] {
  return [
    ...setNames().map((name) => ({ name, family: 4, filters: () => readSet(name) }) as const),
    ...setNames().map(
      (name) => ({ name: `v6.${name}`, family: 6, filters: () => asIpv6(readSet(name)) }) as const,
    ),
    ...Object.entries(styles).map(([name, style]) => drawn(`drawn.${name}_10k`, style, 10_000)),
    drawn('drawn.fw_30k', styles.fw, 30_000),
    drawn('drawn.services_30k', styles.services, 30_000),
    drawn('drawn.wild_30k', styles.wild, 30_000),
    drawn('drawn.acl_30k', styles.acl, 30_000),
    drawn('v6.drawn.acl_10k', styles.acl, 10_000, 6),
    drawn('v6.drawn.ipc_10k', styles.ipc, 10_000, 6),
    drawn('v6.drawn.nested_10k', styles.nested, 10_000, 6),
    drawn('v6.drawn.fw_10k', styles.fw, 10_000, 6),
    drawn('v6.drawn.services_10k', styles.services, 10_000, 6),
  ];
}

function drawn(name: string, style: Style, count: number, family: Family = 4): FilterSet {
  return { name, family, filters: () => drawnFilters(style, count, 1, family) };
}
