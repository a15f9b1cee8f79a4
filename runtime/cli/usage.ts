/** clipanion's usage line without the options that every command has. */
export function shortUsage(usage: string): string {
  return usage
    .replace(/ \[(-s,--socket #0|-v,--verbose|--json)\]/g, '')
    .replaceAll('#0', 'VALUE')
    .replace(/[<>]/g, '')
    .trim();
}
