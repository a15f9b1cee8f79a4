/** The sink finds what was lost, overtaken and doubled: by a capture of the generator's that is tampered with. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { genReport } from '../../runtime/cli/traffic-reports.js';
import { netmill } from '../cli/netmill.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-gen-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const FILE_HEADER = 24;
const RECORD_HEADER = 16;

function records(file: string): Buffer[] {
  const all = readFileSync(file);
  const found: Buffer[] = [];
  for (let at = FILE_HEADER; at < all.length; ) {
    const end = at + RECORD_HEADER + all.readUInt32LE(at + 8);
    found.push(all.subarray(at, end));
    at = end;
  }
  return found;
}

/** Sends `n` packets into a file, and gives a sink what `tamper` makes of them. */
async function through(n: number, tamper: (sent: Buffer[]) => Buffer[], ...more: readonly string[]) {
  const [made, given] = [1, 2].map((i) => join(directory, `${n}-${Math.random()}-${i}.pcap`));
  const mac = ['--to-mac', '02:00:00:00:00:01'];
  const sent = await netmill(['gen', '--send', `pcap:-,${made}`, ...mac, '--count', String(n), ...more]);
  if (sent.code !== 0) throw new Error(sent.err);
  const kept = tamper(records(made!));
  writeFileSync(given!, Buffer.concat([readFileSync(made!).subarray(0, FILE_HEADER), ...kept]));
  const received = await netmill([
    ...['gen', '--receive', `pcap:${given},-`, '--count', String(kept.length), '--seconds', '20', '--json'],
  ]);
  if (received.code !== 0) throw new Error(received.err);
  return genReport.parse(JSON.parse(received.out.trim().split('\n').at(-1)!));
}

test('nothing is wrong with what came as it went', async (t) => {
  const { ms: _, receivedBytes, latencyNs, done, ...counts } = await through(300, (sent) => sent);
  t.deepEqual(counts, {
    ...{ received: 300, missing: 0, reordered: 0, duplicates: 0, late: 0, damaged: 0, other: 0 },
  });
  t.true(done && receivedBytes === 300 * 60 && latencyNs!.least > 0);
});

test('lost, overtaken, doubled', async (t) => {
  const { received, missing, reordered, duplicates } = await through(100, (sent) => {
    const [eight, nine] = [sent[8]!, sent[9]!];
    return [...sent.slice(0, 4), ...sent.slice(6, 8), nine, eight, ...sent.slice(10), sent[50]!];
  });
  t.deepEqual(
    { received, missing, reordered, duplicates },
    {
      ...{ received: 99, missing: 2, reordered: 1, duplicates: 1 },
    },
  );
});

test('damaged: another byte, and fewer than a packet says; of any size', async (t) => {
  const tamper = (sent: Buffer[]): Buffer[] => {
    const [other, fewer] = [sent[3]!, sent[5]!];
    other[other.length - 1]! ^= 1;
    const cut = Buffer.from(fewer.subarray(0, -1));
    for (const at of [8, 12]) cut.writeUInt32LE(cut.readUInt32LE(at) - 1, at);
    return sent.map((one) => (one === fewer ? cut : one));
  };
  for (const sizes of ['61,1514', '3014,9014', '9001,16014']) {
    const { received, damaged, missing, other } = await through(40, tamper, '--size', sizes);
    t.deepEqual({ received, damaged, missing, other }, { received: 40, damaged: 2, missing: 0, other: 0 });
  }
});

test('by flow: one flow may overtake another', async (t) => {
  const swap = (sent: Buffer[]): Buffer[] => sent.map((_, i) => sent[i ^ 1]!);
  const flows = ['--flows', '10', '--to', '2001:db8::/64', '--vlan', '7', '--size', '100,1514'];
  const { received, missing, reordered } = await through(200, swap, ...flows);
  t.deepEqual({ received, missing, reordered }, { received: 200, missing: 0, reordered: 0 });
});

test('too late to tell', async (t) => {
  const { missing, late } = await through(1500, (sent) => [...sent, sent[3]!]);
  t.deepEqual({ missing, late }, { missing: 0, late: 1 });
});

test('checksums are right, and sizes as told', async (t) => {
  for (const [to, size] of [
    ['10.9.0.0/24', 61],
    ['2001:db8::/120', 83],
    ['10.9.0.0/24', 9013],
    ['2001:db8::/120', 16_014],
  ] as const) {
    const sums: number[] = [];
    await through(
      64,
      (sent) => {
        for (const record of sent) {
          const frame = record.subarray(RECORD_HEADER);
          t.is(frame.length, size);
          sums.push(...checksums(frame));
        }
        return sent;
      },
      ...['--to', to, '--flows', '64', '--size', String(size)],
    );
    t.true(sums.every((sum) => sum === 0xffff));
  }
});

/** Sums (RFC 1071) over what the IPv4 and the UDP checksum cover: all ones when they are right. */
function checksums(frame: Buffer): number[] {
  const ip = frame.subarray(14);
  const v4 = ip[0]! >> 4 === 4;
  const udp = ip.subarray(v4 ? 20 : 40);
  const addresses = v4 ? ip.subarray(12, 20) : ip.subarray(8, 40);
  const pseudo = Buffer.concat([addresses, Buffer.from([0, 17, udp.length >> 8, udp.length & 255])]);
  return [...(v4 ? [sum(ip.subarray(0, 20))] : []), sum(Buffer.concat([pseudo, udp]))];
}

function sum(bytes: Buffer): number {
  let total = 0;
  for (let i = 0; i < bytes.length; i += 2) total += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 65_536);
  return total;
}

test('a frame that no buffer takes', async (t) => {
  const port = `pcap:-,${join(directory, 'none.pcap')}`;
  const to = ['--to-mac', '02:00:00:00:00:01', '--size', '60,16022', '--count', '1'];
  const { code, err } = await netmill(['gen', '--send', port, ...to]);
  t.is(code, 64);
  t.regex(
    err,
    /--size 16022: expected at most 16014 on pcap:.*, whose packets have at most 16000 bytes, behind 14 of Ethernet: say --size 16014$/m,
  );
  t.is((await netmill(['gen', '--send', port, ...to, '--vlan', '7', '--size', '16018'])).code, 0);
});

test('a port that cannot be opened', async (t) => {
  const { code, err } = await netmill(['gen', '--receive', 'pcap:/nonexistent/x,-']);
  t.is(code, 69);
  t.regex(err, /nonexistent/);
});

test('no back end', async (t) => {
  const { code, err } = await netmill(['gen', '--receive', 'eth0']);
  t.is(code, 64);
  t.regex(err, /'eth0' names no port: expected netmap:, xdp:, dpdk:, pipe:, pcap: or tap:/);
});
