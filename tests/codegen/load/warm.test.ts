/** Loading again and again in one program: each load says what a first one would, whatever was kept from those before. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { FrontResult } from '../../../codegen/checked.js';
import { loadAndCheck } from '../../../codegen/front.js';
import { createWarm } from '../../../codegen/load/warm.js';
import { patient, withFiles } from '../policy.js';

test.beforeEach((t) => {
  t.timeout(120_000);
});

const files = {
  'policy.ts': `import { acl, allow, predicate, router } from 'netmill'
import { trusted } from './nets.js'
import settings from './settings.json'
import { least } from 'limits'
const near = predicate('near', (p) => p.ttl > least)
export default router('r', { interfaces: { wan: { port: 'eth0', mtu: settings.mtu, fallback: 'drop', in: acl('in', {}, [allow({ from: trusted, when: near })]) } } })
`,
  'nets.ts': `import { nets } from 'netmill'\nexport const trusted = nets('192.0.2.0/28')\n`,
  'settings.json': '{ "mtu": 1400 }',
  'node_modules/limits/package.json': `{ "name": "limits", "type": "module", "exports": { "types": "./index.d.ts", "default": "./index.js" } }`,
  'node_modules/limits/index.d.ts': 'export declare const least: number\n',
  'node_modules/limits/index.js': 'export const least = 5\n',
};

/** What an operator does between two loads; an empty text deletes the file. */
const edits: readonly (readonly [path: string, text: string])[] = [
  [
    'nets.ts',
    `import { nets } from 'netmill'\nexport const trusted = nets('198.51.100.0/28', '10.0.0.0/8')\n`,
  ],
  ['nets.ts', `export const trusted = '198.51.100.0/28'\n`],
  ['nets.ts', ''],
  ['nets.js', `import { nets } from 'netmill'\nexport const trusted = nets('203.0.113.0/28')\n`],
  ['nets.ts', files['nets.ts']],
  ['settings.json', '{ "mtu": "1400" }'],
  ['settings.json', '{ "mtu": 1280 }'],
  ['node_modules/limits/index.js', 'export const least = 7\n'],
  ['policy.ts', files['policy.ts'].replace('p.ttl > least', 'p.ttl > Number(least)')],
  ['policy.ts', files['policy.ts'].replace("mtu: settings.mtu, fallback: 'drop'", "fallback: 'kernel'")],
];

test('after each edit a warm load gives what a cold one gives', async (t) => {
  await withFiles(files, async (directory) => {
    const warm = createWarm(patient);
    t.teardown(() => warm.close());
    const path = join(directory, 'policy.ts');
    const seen = new Set<string>();
    const both = async () => {
      const [kept, fresh] = [
        told(await loadAndCheck(path, { limits: patient, warm })),
        told(await loadAndCheck(path, { limits: patient })),
      ];
      t.deepEqual(kept, fresh);
      seen.add(JSON.stringify(fresh));
      warm.prepare();
    };
    await both();
    for (const [name, text] of edits) {
      edit(directory, name, text);
      await both();
    }
    t.true(seen.size >= edits.length, 'the edits make no difference');
  });
});

test('a child that waited is the one that evaluates; one that died meanwhile is replaced', async (t) => {
  await withFiles(files, async (directory) => {
    const warm = createWarm(patient);
    t.teardown(() => warm.close());
    const used: (number | undefined)[] = [];
    const watched = {
      compile: warm.compile,
      evaluator: (limits: typeof patient) => {
        const evaluator = warm.evaluator(limits);
        used.push(evaluator.pid);
        return evaluator;
      },
    };
    const load = () => loadAndCheck(join(directory, 'policy.ts'), { limits: patient, warm: watched });
    accepted(t, await load());
    const waiting = warm.prepare();
    accepted(t, await load());
    const dying = warm.prepare();
    process.kill(dying.pid!, 'SIGKILL');
    await ended(dying);
    accepted(t, await load());
    t.is(used[1], waiting.pid);
    t.not(used[2], dying.pid);
    t.is(new Set(used).size, 3);
  });
});

function accepted(t: ExecutionContext, result: FrontResult): void {
  t.true(result.ok, asText(result));
}

function edit(directory: string, name: string, text: string): void {
  const path = join(directory, name);
  mkdirSync(join(path, '..'), { recursive: true });
  if (text === '') rmSync(path);
  else writeFileSync(path, text);
}

async function ended(evaluator: { readonly alive: boolean }): Promise<void> {
  while (evaluator.alive) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Without functions, which are made anew each time. */
function told(result: FrontResult): unknown {
  return JSON.parse(asText(result.ok ? result.policy : result));
}

function asText(value: unknown): string {
  return JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one));
}
