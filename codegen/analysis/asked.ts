/** Packets that somebody asks about, in the words of a rule's match: `{ from, to, service }`. */
import type { Family, Match, Origin } from '../../dsl/model.js';
import type { Condition } from '../ir.js';
import { lowerMatch, type MatchContext } from '../lower-match.js';
import { Namer } from '../names.js';

const origin: Origin = { file: 'asked', line: 1, column: 1 };

/** Undefined: no packet of the family is meant. Predicates are not looked at. */
export function askedCondition(match: Omit<Match, 'when'>, family: Family): Condition | undefined {
  const context: MatchContext = {
    predicates: new Map(),
    predicateNames: new Namer(),
    gateways: new Map(),
    setNames: { 4: new Namer(), 6: new Namer() },
    serviceNames: new Namer(),
    runtimeSets: new Map(),
    memo: new Map(),
  };
  const { from, to, fromSet, toSet, service, header } = match;
  const plain = {
    ...(from && { from }),
    ...(to && { to }),
    ...(fromSet && { fromSet }),
    ...(toSet && { toSet }),
    ...(service && { service }),
    ...(header && { header }),
  };
  return lowerMatch({ kind: 'rule', action: { kind: 'allow' }, match: plain, origin }, family, context);
}
