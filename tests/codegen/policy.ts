/** Policies for tests: text in, what the front says out. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CheckedPolicy, FrontResult } from '../../codegen/checked.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import { type FrontOptions, loadAndCheck } from '../../codegen/front.js';

const imports = `import { acl, allow, deny, hosts, icmp, nets, nexthop, pbr, predicate, proto, reject, router, service, set, tcp, udp } from 'netmill'`;

/** Gives the directory to `use` and removes it afterwards. `policy.ts` is the one to load. */
export async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'netmill-policy-')));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(directory, name)), { recursive: true });
      writeFileSync(join(directory, name), text);
    }
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** For machines that do other things, too. */
export const patient = { milliseconds: 120_000, megabytes: 256 };

/** Several files, with their own imports. */
export function frontOfFiles(
  files: Readonly<Record<string, string>>,
  options?: FrontOptions,
): Promise<FrontResult> {
  return withFiles(files, (directory) =>
    loadAndCheck(join(directory, 'policy.ts'), { limits: patient, ...options }),
  );
}

/** One file; line 1 imports everything, `text` starts on line 2. */
export function front(text: string, options?: FrontOptions): Promise<FrontResult> {
  return frontOfFiles(
    { 'policy.ts': `${imports}\n${text}\n` },
    { today: '2026-01-01', limits: patient, ...options },
  );
}

/** One interface `wan`, with what is given on a line of its own. */
export function withWan(text: string): string {
  return `export default router('r', { interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop',\n${text}
} } })`;
}

/** `3:14 NM3001 warning`, without the message. */
export function summary(one: Diagnostic): string {
  const { line, column } = one.origin;
  return `${line}:${column} ${one.code}${one.severity === 'warning' ? ' warning' : ''}`;
}

export function diagnosticsOf(result: FrontResult): readonly Diagnostic[] {
  return result.ok ? result.policy.warnings : result.diagnostics;
}

export function accepted(result: FrontResult): CheckedPolicy {
  if (result.ok) return result.policy;
  throw new Error(result.diagnostics.map((one) => `${summary(one)} ${one.message}`).join('\n'));
}
