/** Findings that the operator has accepted: `.waive(code, reason, until)`. */
import type { IrRule } from '../ir.js';

/** Does a waiver of this finding hold for the rule? */
export function isWaived(rule: IrRule, found: string, today: string): boolean {
  return (
    rule.waivers?.some(({ code, until }) => code === found && (until === undefined || until >= today)) ??
    false
  );
}
