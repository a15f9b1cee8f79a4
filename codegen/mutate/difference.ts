/** What a mutant does that its policy does not, decided for all packets. */
import { packetText } from '../analysis/packet-text.js';
import type { Ir } from '../ir.js';
import { lower } from '../lower.js';
import { packetChanges, type Way } from '../plan/packet-changes.js';
import type { Mutant } from './mutants.js';

export type Difference =
  /** Every packet fares the same: no test can tell them apart. */
  | { readonly kind: 'equivalent' }
  | {
      readonly kind: 'differs';
      /** A packet that tells them apart, as `netmill explain` reads it. */
      readonly example: string;
      readonly fate: string;
      readonly mutantFate: string;
    }
  /** Too many rules meet. */
  | { readonly kind: 'undecided' };

export function differenceOf(original: Ir, mutant: Mutant): Difference {
  const { changes, undecided } = packetChanges(original, lower(mutant.policy));
  const [first] = changes;
  if (first)
    return {
      kind: 'differs',
      example: `${first.direction} ${first.interface} ${packetText(first.example)}`,
      ...told(first.from, first.to),
    };
  return undecided.length > 0 ? { kind: 'undecided' } : { kind: 'equivalent' };
}

/** Treatments where the packet goes the same way. */
function told(from: Way, to: Way): { readonly fate: string; readonly mutantFate: string } {
  const [fate, mutantFate] = [fateText(from), fateText(to)];
  if (fate !== mutantFate) return { fate, mutantFate };
  const whole = ({ treatment }: Way) => (treatment === '' ? fate : `${fate}; ${treatment}`);
  return { fate: whole(from), mutantFate: whole(to) };
}

function fateText({ fate }: Way): string {
  return fate.kind === 'diverted' ? `via ${fate.gateway}` : fate.kind;
}
