import test from 'ava';
import { summarise } from '../../runtime/packet-summary.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const ethernet = '020000000001 020000000002 0800';
const v4 = (length: string, fragment: string, protocol: string): string =>
  `4500${length}0000${fragment}40${protocol}0000 09090909 cb00710a`;
const v6 = (length: string, next: string): string =>
  `60000000${length}${next}40 20010db8000000000000000000000001 20010db8000000010000000000000000`;

const says = test.macro((t, packet: string, l3: number, length: number, expected: string) => {
  t.is(summarise(hex(packet), l3, length), expected);
});

test(
  'a TCP SYN',
  says,
  `${ethernet}${v4('003c', '4000', '06')} 04d201bb 00000000 00000000 a002`,
  14,
  74,
  'tcp 9.9.9.9:1234 > 203.0.113.10:443 S len 60',
);
test(
  'a UDP datagram over a tag',
  says,
  `020000000001 020000000002 8100 0064 0800 ${v4('0020', '0000', '11')} 0035 0013 000c 0000`,
  18,
  60,
  'udp 9.9.9.9:53 > 203.0.113.10:19 len 32',
);
test(
  'an echo request',
  says,
  `${ethernet}${v4('0054', '0000', '01')} 0800 0000`,
  14,
  98,
  'icmp 9.9.9.9 > 203.0.113.10 type 8 code 0 len 84',
);
test(
  'a later fragment has no ports',
  says,
  `${ethernet}${v4('05dc', '00b9', '11')} 0035 0013`,
  14,
  1514,
  'udp 9.9.9.9 > 203.0.113.10 fragment len 1500',
);
test(
  'an unknown protocol',
  says,
  `${ethernet}${v4('0018', '0000', 'fd')}`,
  14,
  60,
  'proto 253 9.9.9.9 > 203.0.113.10 len 24',
);
test(
  'IPv6 TCP behind a hop-by-hop header',
  says,
  `${v6('0020', '00')} 0600000000000000 04d201bb 00000000 00000000 5012`,
  0,
  72,
  'tcp [2001:db8::1]:1234 > [2001:db8:0:1::]:443 S. len 72',
);
test(
  'an IPv6 later fragment',
  says,
  `${v6('0020', '2c')} 1100 05a8 00000000 0035 0013`,
  0,
  72,
  'udp 2001:db8::1 > 2001:db8:0:1:: fragment len 72',
);
test('an IPv4 header cut off', says, `${ethernet}45000014`, 14, 60, 'frame of 60 bytes');
test('nothing at all', says, '', 0, 14, 'frame of 14 bytes');

test('no prefix of a packet makes it throw', (t) => {
  const packet = hex(`${v6('0020', '00')} 2c00000000000000 1100000000000000 0035 0013 0008 0000`);
  for (let end = 0; end <= packet.length; end++)
    t.notThrows(() => summarise(packet.subarray(0, end), 0, 100));
});
