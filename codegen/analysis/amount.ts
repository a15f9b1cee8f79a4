/** Shares of packets for people. */

/** `25 %`; never 0 % or 100 % of what is neither nothing nor everything. */
export function shareText(part: bigint, whole: bigint): string {
  if (part === whole) return 'all';
  if (part === 0n) return 'none';
  const tenths = Number((part * 1000n) / whole);
  if (tenths < 1) return 'less than 0.1 %';
  return tenths < 100 ? `${tenths / 10} %` : `${Math.min(99, Math.round(tenths / 10))} %`;
}
