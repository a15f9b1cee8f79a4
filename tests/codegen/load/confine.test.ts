/** What a policy's process could do if it got out of its context: nothing that leaves it. */
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { confined } from '../../../codegen/load/confine.js';
import { startEvaluator } from '../../../codegen/load/evaluate.js';
import { patient } from '../policy.js';

const isRoot = process.getuid!() === 0;
const prefix = confined(patient, []);
const hasNetwork = prefix.some((one) => one.endsWith('unshare'));

/** Without Node's permissions, as somebody would have it who knows a way around them. */
const attempts = (directory: string, port: number) => `
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { giveUpRoot } from ${JSON.stringify(join(packageRoot, 'dist/codegen/load/give-up-root.js'))};
giveUpRoot();
const attempt = (what) => { try { what(); return 'done'; } catch (error) { return error.code ?? error.name; } };
const network = await new Promise((resolve) => {
  connect(${port}, '127.0.0.1').on('connect', () => resolve('done')).on('error', (error) => resolve(error.code));
});
const status = readFileSync('/proc/self/status', 'utf8');
const field = (name) => new RegExp(name + ':[^0-9a-f]*(.*)').exec(status)[1];
process.stdout.write(JSON.stringify({
  network,
  write: attempt(() => writeFileSync(${JSON.stringify(join(directory, 'mine'))}, 'text')),
  read: attempt(() => readFileSync(${JSON.stringify(join(directory, 'secret'))})),
  memory: attempt(() => Array.from({ length: 20 }, () => new Uint8Array(100e6).fill(1))),
  uid: process.getuid(),
  groups: process.getgroups(),
  capabilities: field('CapPrm'),
  noNewPrivileges: field('NoNewPrivs'),
}));
`;

test('no network, no file, no memory without end, no privilege', async (t) => {
  t.timeout(60_000);
  const directory = mkdtempSync(join(tmpdir(), 'netmill-confine-'));
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  try {
    chmodSync(directory, 0o777);
    writeFileSync(join(directory, 'secret'), 'root alone', { mode: 0o600 });
    const script = join(directory, 'attempts.mjs');
    writeFileSync(script, attempts(directory, (server.address() as AddressInfo).port));
    const [program, ...rest] = confined(patient, [process.execPath, script]);
    const { stdout } = await promisify(execFile)(program!, rest);
    const seen = JSON.parse(stdout) as Record<string, unknown>;
    if (hasNetwork) t.not(seen.network, 'done');
    else t.log('no network namespace here: not tested');
    t.is(seen.write, 'EFBIG');
    t.is(seen.memory, 'RangeError');
    t.is(seen.noNewPrivileges, '1');
    if (!isRoot) return t.log('not root: the user stays the same');
    t.is(seen.read, 'EACCES');
    t.not(seen.uid, 0);
    t.deepEqual(seen.groups, [seen.uid]);
    t.is(seen.capabilities, '0000000000000000');
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
});

test('a policy is evaluated in such a process', async (t) => {
  t.timeout(60_000);
  const evaluator = startEvaluator(patient);
  try {
    const module = {
      path: '/p.js',
      kind: 'code',
      code: 'export const n = 1',
      text: '',
      imports: {},
    } as const;
    const outcome = await evaluator.evaluate('/p.js', [module]);
    t.is(outcome.kind, 'done', JSON.stringify(outcome));
    const status = readFileSync(`/proc/${evaluator.pid}/status`, 'utf8');
    t.regex(status, /NoNewPrivs:\s1/);
    if (hasNetwork) t.not(readlinkSync(`/proc/${evaluator.pid}/ns/net`), readlinkSync('/proc/self/ns/net'));
    if (isRoot) t.notRegex(status, /^Uid:\s.*\b0\b/m);
  } finally {
    evaluator.close();
  }
});
