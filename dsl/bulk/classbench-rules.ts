/** Filters of ClassBench as rules: they have no actions of their own, so the policy says one for all of them. */

import { type Filter, parseClassbench } from '../formats/classbench.js';
import type { FlagTest, Origin, PortRange, ServiceMatch } from '../model.js';
import { netsAt } from '../nets.js';
import { inside } from '../origin.js';
import { note, show } from '../problems.js';
import { type RuleDraft, ruleAt } from '../rules.js';
import { serviceAt } from '../service.js';

export interface ClassbenchOptions {
  readonly format: 'classbench';
  /** What all of its rules do. */
  readonly action: 'allow' | 'deny';
  /** Lines that no packet has, such as a port of GRE: `'refuse'` (when not said) or `'skip'`. */
  readonly impossible?: 'refuse' | 'skip';
}

/** Undefined: no packet has that. */
type Tests = { readonly services: readonly ServiceMatch[]; readonly flags?: readonly FlagTest[] } | undefined;

export function classbenchRules(
  file: string,
  text: string,
  { action, impossible = 'refuse' }: ClassbenchOptions,
  at: Origin,
): readonly RuleDraft[] {
  if (action !== 'allow' && action !== 'deny')
    note('NM4014', inside(at, 'action'), 'filters of ClassBench have no actions', {
      expected: "action: 'allow' or action: 'deny'",
      got: show(action),
    });
  return parseClassbench(text).flatMap((filter) => {
    const origin = { file, line: filter.line, column: 1 };
    if (!('from' in filter)) return refused(origin, 'this line is no filter');
    const tests = testsOf(filter);
    if (tests === undefined)
      return impossible === 'skip' ? [] : refused(origin, 'no packet has what this line tests');
    const service = tests.services.length === 0 ? undefined : serviceAt(tests.services, origin);
    return ruleAt(
      { kind: action },
      {
        from: netsAt([filter.from], origin),
        to: netsAt([filter.to], origin),
        ...(service && { service }),
        ...(tests.flags && { header: { flags: tests.flags } }),
      },
      origin,
    );
  });
}

function refused(origin: Origin, message: string): readonly RuleDraft[] {
  note('NM3030', origin, message, {
    expected: '@source destination first : last first : last protocol/mask flags/mask',
    fix: "correct the line, or take out what no packet has by impossible: 'skip'.",
  });
  return [];
}

const isEvery = ({ from, to }: PortRange) => from === 0 && to === 65535;

/** Ports are tested of the protocols that have them. */
function testsOf({ proto, sources, ports, flags }: Filter): Tests {
  const plain = isEvery(sources) && isEvery(ports);
  const match = (l4: 'tcp' | 'udp'): ServiceMatch => ({
    l4,
    dports: [ports],
    ...(isEvery(sources) ? {} : { sports: [sources] }),
  });
  if (proto === 6) return withFlags([match('tcp')], flags);
  if (proto === 1 && plain) return icmp(flags);
  if (flags.mask !== 0) return undefined;
  if (proto === 17) return { services: [match('udp')] };
  if (proto !== undefined) return plain ? { services: [{ l4: 'ip', protocols: [proto] }] } : undefined;
  return { services: plain ? [] : [match('tcp'), match('udp')] };
}

function withFlags(services: readonly ServiceMatch[], { value, mask }: Filter['flags']): Tests {
  if (mask === 0) return { services };
  if (mask & 0xff) return undefined;
  return { services, flags: [{ mask: mask >> 8, value: (value & mask) >> 8 }] };
}

function icmp({ value, mask }: Filter['flags']): Tests {
  const type = { family: 4, type: value >> 8 } as const;
  if (mask === 0) return { services: [{ l4: 'ip', protocols: [1] }] };
  if (mask === 0xff00) return { services: [{ l4: 'icmp', types: [type] }] };
  return mask === 0xffff
    ? { services: [{ l4: 'icmp', types: [{ ...type, code: value & 0xff }] }] }
    : undefined;
}
