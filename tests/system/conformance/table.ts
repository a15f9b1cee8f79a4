/** The clauses as the tables of docs/conformance.md. */
import type { Clause } from './clause.js';
import { ipv4Clauses } from './ipv4.js';
import { ipv6Clauses } from './ipv6.js';
import { localClauses } from './local.js';
import { neighbourClauses } from './neighbours.js';
import { stateClauses } from './state.js';

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}

function kinds(clauses: readonly { cites: string; says: string; cases: readonly unknown[] }[]): string {
  return table(
    ['clause', 'what holds', 'packets'],
    clauses.map(({ cites, says, cases }) => [cites, says, `${cases.length}`]),
  );
}

/** Each reason once, with the clauses that it is about. */
function differences(clauses: readonly Clause[], of: 'kernel' | 'faceless'): string {
  const reasons = new Map<string, Set<string>>();
  for (const { cites, cases } of clauses)
    for (const one of cases) {
      const why = one[of]?.why;
      if (why !== undefined) reasons.set(why, (reasons.get(why) ?? new Set()).add(cites));
    }
  return table(
    ['clause', 'what is otherwise'],
    [...reasons].map(([why, cites]) => [[...cites].join('; '), why]),
  );
}

const all = [...ipv4Clauses, ...ipv6Clauses, ...localClauses];

/** By the heading under which they stand. */
export const tables: Readonly<Record<string, string>> = {
  IPv4: kinds(ipv4Clauses),
  IPv6: kinds(ipv6Clauses),
  'The router itself': kinds(localClauses),
  Neighbours: kinds(neighbourClauses),
  'Over several packets': table(
    ['clause', 'what holds'],
    stateClauses.map(({ cites, says }) => [cites, says]),
  ),
  "With `host: 'none'`": differences(all, 'faceless'),
  'The kernel': differences(all, 'kernel'),
};
