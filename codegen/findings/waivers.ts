/** Findings that the operator has accepted: `.waive(code, reason, until)`. */
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import type { IrRule } from '../ir.js';

/** Nothing, if the rule's waiver of it still holds. */
export function unwaived(rule: IrRule, found: Diagnostic, today: string): readonly Diagnostic[] {
  const holds = rule.waivers?.some(
    ({ code, until }) => code === found.code && (until === undefined || until >= today),
  );
  return holds ? [] : [found];
}
