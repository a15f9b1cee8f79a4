/** Addresses and prefixes as text and numbers. */
import test from 'ava';
import { contains, formatAddress, network, parseAddress, parseInterfaceAddress } from '../../dsl/address.js';

const canonical = test.macro({
  exec(t, text: string, expected: string) {
    const address = parseAddress(text);
    t.truthy(address);
    t.is(formatAddress(address!), expected);
    t.deepEqual(parseAddress(expected), address);
  },
  title: (_, text, expected) => `${text} is ${expected}`,
});

const refused = test.macro({
  exec: (t, text: string) => t.is(parseInterfaceAddress(text), undefined),
  title: (_, text) => `'${text}' is refused`,
});

const within = test.macro({
  exec(t, outer: string, inner: string, expected: boolean) {
    t.is(contains(network(parseInterfaceAddress(outer)!), parseInterfaceAddress(inner)!), expected);
  },
  title: (_, outer, inner, expected) => `${outer} ${expected ? 'contains' : 'does not contain'} ${inner}`,
});

test(canonical, '0.0.0.0', '0.0.0.0');
test(canonical, '255.255.255.255', '255.255.255.255');
test(canonical, '2001:DB8:0:0:0:0:0:1', '2001:db8::1');
test(canonical, '2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1');
test(canonical, '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1');
test(canonical, '::', '::');
test(canonical, '::1', '::1');
test(canonical, '1::', '1::');
test(canonical, '::ffff:192.0.2.1', '::ffff:192.0.2.1');
test(canonical, '64:ff9b::192.0.2.33', '64:ff9b::c000:221');

test(refused, '10.0.300.0');
test(refused, '10.0.0');
test(refused, '010.0.0.1');
test(refused, '10.0.0.0/33');
test(refused, '10.0.0.0/');
test(refused, '10.0.0.0/08');
test(refused, '10.0.0.0/8/8');
test(refused, '::/129');
test(refused, '2001:db8:::1');
test(refused, 'fe80::1%eth0');
test(refused, ' 10.0.0.1');
test(refused, '');

test(within, '10.0.0.0/8', '10.255.255.255', true);
test(within, '10.0.0.0/8', '11.0.0.0', false);
test(within, '10.0.0.0/8', '10.1.0.0/16', true);
test(within, '10.1.0.0/16', '10.0.0.0/8', false);
test(within, '0.0.0.0/0', '255.0.0.1', true);
test(within, '0.0.0.0/0', '::1', false);
test(within, '2001:db8::/32', '2001:db8:ffff::1', true);
test(within, '2001:db8::/32', '2001:db9::', false);
