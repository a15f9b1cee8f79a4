/** An option without a value at the head of its line, which may be bold. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what bold begins with
const alone = /^( {2}(?:\u001b\[1m)?-\S+)(?!\S| #0)/gm;

/** clipanion writes `#0` where an option has a value; the other lines of the column become as long. */
export function valuesNamed(usage: string): string {
  return usage.replace(alone, '$1   ').replaceAll('#0', 'VALUE');
}

/** clipanion's usage line without the options that every command has. */
export function shortUsage(usage: string): string {
  return valuesNamed(usage.replace(/ \[(-s,--socket #0|-v,--verbose|--json)\]/g, ''))
    .replace(/[<>]/g, '')
    .trim();
}
