/** Predicates in the subset of TypeScript that is compiled, and what they name; all of them are compiled together, once. */
import { type Contents, contentsOf } from '../../codegen/sets/contents.js';
import { network, parseInterfaceAddress } from '../../dsl/address.js';
import { nets, predicate, set } from '../../dsl/index.js';
import type { Predicate } from '../../dsl/model.js';

export const conditions: readonly string[] = [
  'p.ttl > 60',
  'p.fragment',
  'p.vlan === 100',
  'p.len % 3 === 1',
  'p.dscp >= 32 && p.len > 100',
  "p.l4 === 'tcp' && p.flags.syn && !p.flags.ack",
  "p.l4 === 'tcp' && (p.flags.fin || p.flags.urg || p.flags.cwr)",
  "p.l4 === 'udp' && (p.sport === 53 || p.dport <= 19)",
  "p.l4 === 'icmp' && p.icmpType * 256 + p.icmpCode !== 2048",
  "p.l4 === 'other' && p.proto !== 89",
  "(p.l4 === 'tcp' || p.l4 === 'udp') && p.sport > p.dport",
  'p.family === 6 && p.ttl === 255',
  'p.family === 4 ? p.len < 80 : p.ttl < 64',
  '!p.src.within(inside)',
  'p.dst.within(inside) && p.src.within(inside.v6)',
  "p.src.within(inside) !== (p.l4 === 'udp')",
  '((p.len ^ p.ttl) & 7) === 3 || (p.dscp | 1) === 33',
  "!(p.fragment && p.l4 === 'udp') && p.ttl * 2 + p.dscp >= 130",
  // always true, and never, in one family or both
  'p.len >= 20',
  'p.ttl > 255',
  'p.family === 6',
  "p.family === 4 && p.l4 === 'tcp' && p.src.within(inside.v6)",
  '(p.len & 4) === 3 || (p.dscp | 3) === 4',
  'p.pcp > 3',
  '!p.src.within(listed) && p.dst.within(listed.v6)',
  "p.src.within(listed4) || p.l4 === 'icmp'",
];

export const inside = nets('10.0.0.0/9', '192.0.2.0/25', '2001:db8::/33');

export const setNames: readonly string[] = ['listed', 'listed4'];
export const listed = set('listed');
export const listed4 = set('listed4', { family: 4 });

/** What the sets hold, where they are to hold something. */
export const listedContents: Contents = new Map([
  [
    'listed',
    contentsOf(
      [
        '10.0.1.0/24',
        '10.1.0.0/16',
        '192.0.2.64/26',
        '198.18.3.7/32',
        '2001:db8::/34',
        '2001:2:0:5::/64',
      ].map((text) => network(parseInterfaceAddress(text)!)),
    ),
  ],
  ['listed4', contentsOf([{ family: 4, bits: 0x0a000000n, length: 9 }])],
]);

/** Text of a policy that has all conditions as predicates p0, p1, … */
export const conditionsPolicy = [
  `import { nets, predicate, router, set } from 'netmill'`,
  `const inside = nets('10.0.0.0/9', '192.0.2.0/25', '2001:db8::/33')`,
  "export const listed = set('listed')",
  "export const listed4 = set('listed4', { family: 4 })",
  ...conditions.map((text, i) => `predicate('p${i}', (p): boolean => ${text})`),
  `export default router('r', { interfaces: { wan: { port: 'eth0' } } })`,
].join('\n');

export function predicateAt(index: number): Predicate {
  // The forwarder is made from the compiled condition; the function is never called here.
  return predicate(`p${index}`, () => true);
}

export const onlyIf = (condition: string): Predicate => predicateAt(conditions.indexOf(condition));
