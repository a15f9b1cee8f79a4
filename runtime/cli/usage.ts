/** clipanion writes `#0` where an option has a value. */
export function valuesNamed(usage: string): string {
  return usage.replaceAll('#0', 'VALUE');
}

/** clipanion's usage line without the options that every command has. */
export function shortUsage(usage: string): string {
  return valuesNamed(usage.replace(/ \[(-s,--socket #0|-v,--verbose|--json)\]/g, ''))
    .replace(/[<>]/g, '')
    .trim();
}
