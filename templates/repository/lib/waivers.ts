// Findings that we accept, each with its reason and the day until which: .waive(...accepted.ssh) at the rule.
export const accepted = {
  ssh: ['NM3019', 'the rule below allows it, too: it stays when that one is narrowed', '2035-12-31'],
} as const;
