/**
 * `npm run bench [-- NAME…] [-- --json]`: every bench but `exact`, or those named (`forward`, or cases: `forward:veth.linux`, `forward:latency`).
 * Exit code 0 when it ran, whether or not a bar was reached: a bench measures, it does not judge a machine.
 */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { aclBench } from './acl.js';
import { exact } from './exact.js';
import { fib } from './fib.js';
import { coldStart } from './fib-cold-start.js';
import { linkDown } from './fib-link-down.js';
import { live } from './fib-live.js';
import { overrun } from './fib-overrun.js';
import { recorded } from './fib-recorded.js';
import { forward } from './forward.js';
import { policy } from './policy.js';
import { type Bench, describe, result } from './result.js';
import { runtimeSet } from './runtime-set.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** One bench of several, in turn. */
const together = (...parts: readonly Bench[]): Bench =>
  async function* (wants, say) {
    for (const part of parts) yield* part(wants, say);
  };

/** Takes minutes, and measures no time: only where it is named. */
const onlyNamed = 'exact';

const benches: Readonly<Record<string, Bench>> = {
  forward,
  policy: together(policy, runtimeSet),
  acl: aclBench,
  exact,
  fib: together(fib, coldStart, live, recorded, linkDown, overrun),
};

function usage(message: string): never {
  process.stderr.write(`${message}\nusage: npm run bench [-- NAME[:CASE]…] [-- --json]\n`);
  process.stderr.write(`benches: ${Object.keys(benches).join(', ')}\n`);
  process.exit(64);
}

async function main(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const wanted = args.filter((arg) => arg !== '--json').map((arg) => arg.split(':'));
  for (const [name] of wanted) if (!name || !(name in benches)) usage(`there is no bench '${name}'`);
  const say =
    json || !process.stderr.isTTY ? () => {} : (text: string) => process.stderr.write(`\r\x1b[2K${text}`);
  await execa('npm', ['run', '-s', 'build:bench'], { cwd: root });
  for (const [name, bench] of Object.entries(benches)) {
    const mine = wanted.filter(([bench]) => bench === name);
    if (mine.length === 0 && (wanted.length > 0 || name === onlyNamed)) continue;
    const wants = (one: string) =>
      !mine.length ||
      mine.some(([, test]) => test === undefined || test === one || one.startsWith(`${test}.`));
    for await (const measured of bench(wants, say)) {
      const one = result(name, measured);
      say('');
      process.stdout.write(`${json ? JSON.stringify(one) : describe(one)}\n`);
    }
  }
}

await main(process.argv.slice(2));
