/** What rules do besides letting pass and dropping, as text that is the same exactly where they do the same. */
import type { Police, Treatment } from '../dsl/model.js';
import type { IrRule } from './ir.js';

/** A rule that lets none of its packets pass. */
export function refuses({ action }: Pick<IrRule, 'action'>): boolean {
  return action.kind === 'deny' || action.kind === 'reject';
}

/** How the source is told, and the rule's treatment, its log apart; empty where there is nothing of both. */
export function treatmentWords({
  action,
  treatment = {},
}: Pick<IrRule, 'action' | 'treatment'>): readonly string[] {
  const told =
    action.kind === 'reject'
      ? [`answered with ${action.tcp === 'reset' ? 'a TCP reset, or ' : ''}ICMP ${action.icmp}`]
      : [];
  return [
    ...told,
    ...seenWords(treatment),
    ...(treatment.dscp === undefined ? [] : [`DSCP ${treatment.dscp}`]),
  ];
}

/** All that a rule does besides: what somebody notices when another rule takes its packets. */
export function effectWords(rule: Pick<IrRule, 'action' | 'treatment' | 'logPerSecond'>): readonly string[] {
  const { logPerSecond } = rule;
  return [
    ...treatmentWords(rule),
    ...(logPerSecond === undefined ? [] : [`logged, at most ${logPerSecond}/s`]),
  ];
}

function seenWords({ police, mirror, sample }: Treatment): readonly string[] {
  const oneIn = (n: number) => (n === 1 ? '' : `, one in ${n}`);
  return [
    ...(police ? [policeText(police)] : []),
    ...(mirror ? [`copied to ${mirror.port}${oneIn(mirror.oneIn)}`] : []),
    ...(sample === undefined ? [] : [`logged${oneIn(sample)}`]),
  ];
}

function policeText({ unit, rate, burst }: Police): string {
  if (unit === 'packets') return `policed to ${rate} packets/s, burst ${burst} packets`;
  const step = (['G', 'M', 'k'] as const).find((_, i) => rate % [1e9, 1e6, 1e3][i]! === 0);
  const size = { G: 1e9, M: 1e6, k: 1e3 };
  return `policed to ${step ? rate / size[step] : rate} ${step ?? ''}bit/s, burst ${burst} bytes`;
}

/** Of the rules that took a packet, in order; the last DSCP counts, and only for what leaves. */
export function treatmentOf(rules: readonly IrRule[], leaves: boolean): string {
  const words = rules.flatMap((rule) => {
    const { dscp: _, ...seen } = rule.treatment ?? {};
    return effectWords({ ...rule, treatment: seen });
  });
  const dscp = rules.flatMap((rule) => rule.treatment?.dscp ?? []).at(-1);
  return [...words, ...(dscp === undefined || !leaves ? [] : [`DSCP ${dscp}`])].join('; ');
}

/** Bucket time is counted in 64ths of a nanosecond; the cost of a unit in 2^-20 of that. Shared with engine/police.c. */
export function bucketOf({ unit, rate, burst }: Police): { readonly cost: bigint; readonly burst: bigint } {
  const ticks = 64_000_000_000n * (unit === 'bits' ? 8n : 1n);
  return {
    cost: ((ticks << 20n) + BigInt(rate) - 1n) / BigInt(rate),
    burst: (ticks * BigInt(burst)) / BigInt(rate),
  };
}
