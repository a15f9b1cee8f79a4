/** A set of a million networks that changes at run time: from a file's bytes to what the engine maps, its memory, and questions. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { randomOf } from '../codegen/selftest/random.js';
import { setImage } from '../codegen/sets/image.js';
import { SetReader } from '../codegen/sets/read.js';
import { formatPrefix } from '../dsl/address.js';
import type { Measured } from './result.js';

const runs = 5;
const networks = 1_000_000;

export async function* runtimeSet(
  wants: (one: string) => boolean,
  say: (text: string) => void,
): AsyncGenerator<Measured> {
  const names = ['set.1m', 'set.1m.memory', 'set.1m.ipv4', 'set.1m.ipv6'];
  if (!names.some(wants)) return;
  say('set.1m: drawing networks');
  const bytes = Buffer.from(drawn());
  const seconds: number[] = [];
  let image: Buffer = Buffer.alloc(0);
  for (let run = 0; run < runs; run++) {
    say(`set.1m: ${run + 1} of ${runs}`);
    const started = performance.now();
    const reader = new SetReader([4, 6]);
    reader.read(bytes);
    image = setImage('blocked', reader.contents(), 0);
    seconds.push((performance.now() - started) / 1000);
  }
  if (wants('set.1m')) yield { case: 'set.1m', unit: 's', better: 'lower', ours: seconds };
  if (wants('set.1m.memory'))
    yield { case: 'set.1m.memory', unit: 'MB', better: 'lower', ours: [image.length / 1e6] };
  const [four, six] = await questions(image);
  if (wants('set.1m.ipv4')) yield { case: 'set.1m.ipv4', unit: 'ns', better: 'lower', ours: four };
  if (wants('set.1m.ipv6')) yield { case: 'set.1m.ipv6', unit: 'ns', better: 'lower', ours: six };
}

async function questions(image: Buffer): Promise<readonly [number[], number[]]> {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-bench-'));
  try {
    writeFileSync(join(directory, 'set'), image);
    const { stdout } = await execa('bench/build/set-lookup', [join(directory, 'set')]);
    const rows = stdout.split('\n').map((line) => line.split(' ').map(Number));
    return [rows.map((row) => row[0]!), rows.map((row) => row[1]!)];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Seven of ten are IPv4, from /22 to single addresses; of IPv6 from /32 to single ones. */
function drawn(): string {
  const random = randomOf(1);
  const one = (): string => {
    const family = random.below(10) < 7 ? 4 : 6;
    const width = family === 4 ? 32 : 128;
    const length = random.pick(
      family === 4 ? [22, 24, 24, 24, 25, 28, 32, 32, 32] : [32, 40, 48, 48, 56, 64, 64, 128],
    );
    const any = family === 4 ? 0x01000000n + random.bits(31) : (2n << 124n) | random.bits(124);
    const host = BigInt(width - length);
    return formatPrefix({ family, bits: (any >> host) << host, length });
  };
  return Array.from({ length: networks }, one).join('\n');
}
