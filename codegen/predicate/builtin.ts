/** The built-in predicate of dsl/builtin.ts in compiled form: `packet.ttl === 255`. */
import { onLink } from '../../dsl/builtin.js';
import type { PredicateExpr } from './expr.js';

export const builtinPredicate: PredicateExpr = {
  name: onLink.name,
  expr: {
    kind: 'compare',
    op: '==',
    left: { kind: 'field', field: 'ttl' },
    right: { kind: 'number', value: 255 },
  },
  source: '(p) => p.ttl === 255',
  origin: onLink.origin,
};
