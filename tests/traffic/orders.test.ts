/** `netmill gen`: what people write, and what the generator takes. */
import test from 'ava';
import { type GenOptions, genArguments } from '../../runtime/traffic/orders.js';

const plain: GenOptions = {
  send: 'xdp:a',
  toMac: '02:00:00:00:00:01',
  toPort: '9',
  fromPort: '1024-65535',
  flows: '1',
  ttl: '64',
  rate: 'max',
  burst: '64',
  id: '7',
  rundir: '/run/netmill',
};

const gives = test.macro((t, change: Partial<GenOptions>, ...expected: readonly string[]) => {
  const args = genArguments({ ...plain, ...change }).join(' ');
  for (const part of expected) t.true(args.includes(part), args);
});

test('a prefix', gives, { to: '10.9.0.0/16' }, '--family 4', '--to 10.9.0.0/65536', '--from 198.18.0.1/1');
test('the network of an address', gives, { to: '10.9.3.4/24' }, '--to 10.9.3.0/256');
test('a range', gives, { to: '10.9.0.250-10.9.1.5' }, '--to 10.9.0.250/12');
test('IPv6', gives, { to: '2001:db8::/120' }, '--family 6', '--to 2001:db8::/256', '--sizes 80');
test('a wide IPv6 prefix', gives, { to: '2001:db8::/32' }, '--to 2001:db8::/4294967295');
test('ports', gives, { toPort: '53', fromPort: '1000-1009' }, '--to-port 53/1', '--from-port 1000/10');
test('rates', gives, { rate: '2.5M', count: '10k' }, '--rate 2500000', '--count 10000');
test('no rate', gives, {}, '--rate 0');
test('time', gives, { seconds: '0.5' }, '--ms 500');
test('a tag makes the smallest frame larger', gives, { vlan: '7' }, '--vlan 7', '--sizes 64');
test('the Internet mix', gives, { size: 'imix' }, '--sizes 60,590,60,60,590,60,1514,60,590,60,60,590');
test('a sink needs no more', (t) => {
  t.deepEqual(genArguments({ ...plain, send: undefined, toMac: undefined, receive: 'pipe:x' }), [
    ...['--receive', 'pipe:x', '--rundir', '/run/netmill', '--id', '7'],
  ]);
});

const refuses = test.macro((t, change: Partial<GenOptions>, message: string) => {
  t.throws(() => genArguments({ ...plain, ...change }), { name: 'MillError', code: 'usage', message });
});

test('no port', refuses, { send: undefined }, 'neither --send PORT nor --receive PORT');
test('one port twice', refuses, { receive: 'xdp:a' }, '--send and --receive are one port, xdp:a');
test(
  'a file that is only read',
  refuses,
  { send: 'pcap:a.pcap' },
  '--send pcap:a.pcap: it names no file to write',
);
test('a file that is written', gives, { send: 'pcap:,a.pcap' }, '--send pcap:,a.pcap');
test('no MAC address', refuses, { toMac: undefined }, '--send without --to-mac MAC');
test(
  'half a MAC address',
  refuses,
  { toMac: '02:00' },
  "--to-mac: expected six bytes, as 02:00:00:00:00:01, got '02:00'",
);
test(
  'two families',
  refuses,
  { from: '10.0.0.1', to: '2001:db8::1' },
  '--from 10.0.0.1 and --to 2001:db8::1 are of two families',
);
test(
  'no address',
  refuses,
  { to: '10.0.300.1' },
  "--to: expected an address, FIRST-LAST or a prefix, got '10.0.300.1'",
);
test(
  'a range of prefixes',
  refuses,
  { to: '10.0.0.0/24-10.0.1.0' },
  "--to: expected an address, FIRST-LAST or a prefix, got '10.0.0.0/24-10.0.1.0'",
);
test(
  'a reversed range',
  refuses,
  { to: '10.0.0.2-10.0.0.1' },
  "--to: expected the lower address first, got '10.0.0.2-10.0.0.1'",
);
test('port 70000', refuses, { toPort: '70000' }, "--to-port: expected 0 to 65535, got '70000'");
test(
  'more flows than there are',
  refuses,
  { flows: '20', fromPort: '1-10' },
  '--flows 20: these addresses and ports make 10 different flows',
);
test('a frame that is too small', refuses, { size: '40' }, '--size 40: these packets need 60 bytes');
test('the largest frame', gives, { size: '9014,16022' }, '--sizes 9014,16022');
test(
  'a frame that is too large',
  refuses,
  { size: '9000,16023' },
  "--size: expected 1 to 16022, got '16023'",
);
test(
  'no rate at all',
  refuses,
  { rate: 'fast' },
  "--rate: expected a number of 1 to 1000000000, as 10k or 2.5M, got 'fast'",
);
test('no time', refuses, { seconds: '0' }, "--seconds: expected seconds, as 10 or 0.5, got '0'");
