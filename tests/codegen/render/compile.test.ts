/** The pipeline as a whole: what it writes, and what it refuses without writing anything. */

import { createHash } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type BuildOptions, compile, type Stage } from '../../../codegen/compile.js';
import { parseManifest } from '../../../codegen/manifest.js';
import { patient, withFiles } from '../policy.js';

const policy = `import { acl, allow, deny, nets, router, tcp } from 'netmill';
const rules = [
  deny({ from: nets('10.0.0.0/8') }).why('spoofed'),
  allow({ service: tcp(80) }).id('web'),
];
export default router('r', { interfaces: {
  wan: { port: 'pipe:wan', in: acl('from-wan', { log: true }, rules), fallback: 'drop' },
  lan: { port: 'pipe:lan', vlans: { office: { id: 7, address: ['192.0.2.1/24'] } } },
} });
`;

/** Builds `text` into `out` of a directory that is removed afterwards; `compiler` is a shell script. */
async function built<T>(
  text: string,
  options: Partial<BuildOptions> & { readonly compiler?: BuildOptions['compiler'] },
  script: string | undefined,
  look: (result: Awaited<ReturnType<typeof compile>>, outDir: string) => T,
): Promise<T> {
  return withFiles({ 'policy.ts': text }, async (directory) => {
    const cc = join(directory, 'cc');
    if (script !== undefined) {
      writeFileSync(cc, `#!/bin/sh\n${script}\n`);
      chmodSync(cc, 0o755);
    }
    const outDir = join(directory, 'out');
    const compiler = { optimise: '1', ...(script !== undefined && { cc }), ...options.compiler } as const;
    return look(
      await compile(join(directory, 'policy.ts'), { limits: patient, ...options, outDir, compiler }),
      outDir,
    );
  });
}

test('a generation is written whole, and says what it is', async (t) => {
  t.timeout(120_000);
  const stages: Stage[] = [];
  const onProgress: BuildOptions['onProgress'] = ({ stage, milliseconds }) => {
    if (milliseconds !== undefined) stages.push(stage);
  };
  await built(policy, { sequence: 7, onProgress }, undefined, (result, outDir) => {
    if (!result.ok) return t.fail(JSON.stringify(result.diagnostics));
    const { forwarder } = result.manifest;
    t.deepEqual(readdirSync(outDir).sort(), ['forwarder.c', 'forwarder.json', forwarder, 'policy.json']);
    t.deepEqual(stages, ['check', 'generate', 'analyse', 'compile', 'self-test', 'write']);
    const manifest = parseManifest(readFileSync(join(outDir, 'forwarder.json'), 'utf8'));
    t.deepEqual(manifest, result.manifest);
    t.is(manifest.sequence, 7);
    t.is(
      manifest.forwarderHash,
      createHash('sha256')
        .update(readFileSync(join(outDir, forwarder)))
        .digest('hex'),
    );
    const listed = manifest.rules.map(
      (rule) => `${rule.list} ${rule.position} ${rule.action} ${rule.origin.line}`,
    );
    t.deepEqual(listed, [
      'from-wan 1 allow 1',
      'from-wan 2 allow 1',
      'from-wan 3 deny 3',
      'from-wan 4 allow 4',
      'from-wan 0 deny 7',
    ]);
    t.is(manifest.rules[4]?.text, 'default deny');
    t.deepEqual(manifest.rules[2]?.text, "deny({ from: nets('10.0.0.0/8') }).why('spoofed')");
    t.deepEqual(manifest.interfaces[1], {
      local: 1,
      name: 'lan.office',
      port: 1,
      tags: [{ tpid: 0x8100, vid: 7 }],
      mtu: 0,
      host: 'auto',
      fallback: manifest.ports[1]!.fallback,
      addresses: ['192.0.2.1/24'],
      origin: manifest.interfaces[1]!.origin,
    });
  });
});

test('of the shared objects of builds before, the newest two stay', async (t) => {
  t.timeout(120_000);
  const old = (n: number) => `fwd-${n}-${'0'.repeat(11)}${n % 10}.so`;
  const other = 'fwd-1-mine.so';
  const before = [old(1), old(2), old(9), old(10), other];
  const files = Object.fromEntries(before.map((name) => [`out/${name}`, '']));
  await withFiles({ 'policy.ts': policy, ...files }, async (directory) => {
    const outDir = join(directory, 'out');
    const compiler = { optimise: '1' } as const;
    const result = await compile(join(directory, 'policy.ts'), {
      outDir,
      compiler,
      limits: patient,
      selfTest: false,
    });
    if (!result.ok) return t.fail(JSON.stringify(result.diagnostics));
    t.is(result.manifest.sequence, 11);
    const left = readdirSync(outDir).filter((name) => name.startsWith('fwd-'));
    t.deepEqual(left.sort(), [other, old(10), old(9), result.manifest.forwarder].sort());
  });
});

test('a rule keeps its identity when another one is put before it', async (t) => {
  t.timeout(120_000);
  const ids = (text: string) =>
    built(text, { selfTest: false }, undefined, (result) =>
      result.ok ? result.manifest.rules.map((rule) => rule.id) : [],
    );
  const before = await ids(policy);
  const after = await ids(
    policy.replace('const rules = [', "const rules = [\n  deny({ from: nets('203.0.113.0/24') }),"),
  );
  t.is(new Set(after).size, before.length + 1);
  t.deepEqual(
    after.filter((id) => before.includes(id)),
    before,
  );
});

test('a policy that the analysis refuses does not wait for the compiler, and nothing is written', async (t) => {
  t.timeout(240_000);
  const lockedOut = policy.replace(
    "export default router('r', {",
    "export default router('r', { mustReach: { admins: { in: 'wan', from: nets('10.1.2.3'), to: nets('192.0.2.1'), service: tcp(22) } },",
  );
  await built(lockedOut, {}, 'exec sleep 3600', (result, outDir) => {
    t.false(result.ok);
    if (!result.ok)
      t.true(result.diagnostics.some((one) => one.severity === 'error' && one.code === 'NM3023'));
    t.false(existsSync(outDir));
  });
});

const mistyped: Readonly<Record<string, string>> = {
  'a type that is wrong': policy.replace(
    'const rules',
    "const n: number = 'one';\nexport { n };\nconst rules",
  ),
  'a value of another type, of which no C can be made': `${policy.replace('export default', 'const made =')}
export default { ...made, engine: { ...made.engine, aclMemory: 2n } };
const n: number = 'one';
export { n };
`,
  'a value of another type, which no check can bear': `${policy.replace('export default', 'const made =')}
export default { ...made, interfaces: [{}] };
const n: number = 'one';
export { n };
`,
};

for (const [name, text] of Object.entries(mistyped))
  test(`${name}: is told, although the values were known before, and nothing is written`, async (t) => {
    t.timeout(240_000);
    await built(text, {}, 'exec sleep 3600', (result, outDir) => {
      const told = result.ok ? [] : result.diagnostics.filter((one) => one.severity === 'error');
      t.deepEqual(
        told.map((one) => one.code),
        ['NM1002'],
      );
      t.false(existsSync(outDir));
    });
  });

const refused: Readonly<
  Record<string, readonly [script: string, compiler: BuildOptions['compiler'], wanted: string]>
> = {
  'a compiler that is not there': ['', { cc: '/nowhere/cc' }, 'NM5007 6'],
  'a compiler that takes too long': ['sleep 30', { milliseconds: 200 }, 'NM5007 6'],
  'C that the compiler refuses': [
    `file=$(printf '%s\\n' "$@" | grep 'forwarder\\.c$'); line=$(grep -n 'verdict = MILL_DENIES' "$file" | head -1 | cut -d: -f1)
echo "$file:$line:9: error: made up" >&2; exit 1`,
    {},
    'NM5005 3',
  ],
  'a compiler that gives no reason': ['exit 1', {}, 'NM5005 6'],
};

for (const [name, [script, compiler, wanted]] of Object.entries(refused))
  test(`${name} is told with the policy line, and nothing is written`, async (t) => {
    t.timeout(120_000);
    await built(policy, { ...(compiler && { compiler }) }, script, (result, outDir) => {
      const told = result.ok ? [] : result.diagnostics.map((one) => `${one.code} ${one.origin.line}`);
      t.deepEqual(told, [wanted]);
      t.false(existsSync(outDir));
    });
  });

test('a forwarder that differs from its policy is refused, and nothing is written', async (t) => {
  t.timeout(120_000);
  // The deny rule lets everything pass.
  const script = `case "$*" in *forwarder.c*) for a in "$@"; do case "$a" in *forwarder.c) sed -i 's/verdict = MILL_DENIES | /verdict = /' "$a";; esac; done;; esac; exec gcc "$@"`;
  await built(policy, {}, script, (result, outDir) => {
    const told = result.ok ? [] : result.diagnostics.map((one) => one.code);
    t.deepEqual(told, ['NM5006']);
    t.false(existsSync(outDir));
  });
});
