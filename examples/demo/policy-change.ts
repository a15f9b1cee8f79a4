/**
 * The change that the demo deploys under load: one rule more for guests, as an edit of examples/edge.ts. The two
 * policies are otherwise the same text, so every other rule keeps its identity and its counters.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const anchor = '  allow({ from: guests }),\n';
const added = "  deny({ service: udp(4500) }).id('no-ipsec').why('no tunnels for guests'),\n";

export const policyFile = new URL('../../../examples/edge.ts', import.meta.url);

/** @returns path of the edited policy, and the line of the new rule */
export async function editedPolicy(
  directory: string,
): Promise<{ readonly file: string; readonly line: number }> {
  const text = await readFile(policyFile, 'utf8');
  const at = text.indexOf(anchor);
  if (at < 0) throw new Error(`examples/edge.ts has no line '${anchor.trim()}'`);
  const file = join(directory, 'edge.ts');
  await writeFile(file, text.slice(0, at) + added + text.slice(at));
  return { file, line: text.slice(0, at).split('\n').length };
}
