/**
 * Other tables than main: asked in the order that the policy gives, as the kernel asks them when its rules say the same. The
 * kernel's own answers, at the boundaries of every prefix, are the measure.
 */
import type { AuditReport, RibRoute, RibStatus } from '../../runtime/native.js';
import { scaled, systemTest } from '../support/system-test.js';
import { type Answer, agree, alike, boundaries } from './agree.js';
import { pick, type Random } from './changes.js';
import { seeded } from './remote.js';
import { followed } from './scene.js';

const prefixes = ['0.0.0.0/0', '10.40.0.0/14', '10.40.0.0/16', '10.40.7.0/24', '10.41.0.0/16', '10.1.1.0/25'];
const six = ['::/0', 'fd40::/30', 'fd40::/32', 'fd40:7::/48', 'fd00:1::/96'];

function change(random: Random): string {
  const v6 = random(2) === 1;
  const prefix = pick(random, v6 ? six : prefixes);
  const table = pick(random, [' table 100', ' table 1000', '']);
  const link = random(3);
  const way = `${prefix} via ${v6 ? `fd00:${link}::2` : `10.1.${link}.2`}`;
  const kind = random(6);
  if (kind === 0) return `route replace throw ${prefix}${table}`;
  if (kind === 1) return `route replace unreachable ${prefix}${table}`;
  if (kind === 2) return `route del ${prefix}${table}`;
  return `route replace ${way}${table}`;
}

systemTest('coupled tables are asked in their order, and others not at all', async (t) => {
  await followed(async ({ router }, remote) => {
    const random = seeded(41);
    for (const family of ['-4', '-6']) {
      await router.run('ip', family, 'rule', 'add', 'pref', '1000', 'lookup', '1000');
      await router.run('ip', family, 'rule', 'add', 'pref', '1100', 'lookup', '100');
    }
    await router.ip(
      'route add 10.99.0.0/16 via 10.1.0.2 table 77',
      'route add 10.98.0.0/16 via 10.1.0.2 table 100',
    );
    await remote.call('rib', 'settled');
    t.is(await remote.call('rib', 'lookup', '10.98.1.1'), undefined);
    await remote.call('rib', 'setTables', [255, 1000, 100, 254]);
    await remote.call('rib', 'audit');
    t.truthy(await remote.call('rib', 'lookup', '10.98.1.1'));
    t.is(await remote.call('rib', 'lookup', '10.99.1.1'), undefined);
    const [all4, all6] = [boundaries(prefixes, 4), boundaries(six, 6)];
    const history: string[] = [];
    for (let round = 0; round < scaled(60); round++) {
      const line = change(random);
      history.push(line);
      await router.try('ip', ...line.split(' '));
      await remote.call('rib', 'settled');
      const answers = await remote.call<Answer[]>('agent', 'ask', [...all4, ...all6]);
      const wrong = answers.filter((answer) => !alike(answer));
      t.deepEqual(wrong, [], history.join('\n'));
      if (wrong.length > 0 || !(await agree(t, remote, [...all4, ...all6], history.join('\n')))) return;
    }
    t.like(await remote.call<AuditReport>('rib', 'audit'), { compiled: true, divergences: 0, last: [] });
    await remote.call('rib', 'setTables', [255, 254]);
    await remote.call('rib', 'audit');
    t.not((await remote.call<RibRoute | undefined>('rib', 'lookup', '10.98.1.1'))?.prefix, '10.98.0.0/16');
    t.true((await remote.call<RibStatus>('rib', 'status')).synced);
  });
});

systemTest("a preferred source's end is the end of the main table's routes alone", async (t) => {
  await followed(async ({ router }, remote) => {
    await router.ip('rule add pref 1100 lookup 100', 'addr add 10.7.0.1/32 dev v3');
    await remote.call('rib', 'setTables', [255, 100, 254]);
    await router.ip(
      'route add 10.97.0.0/16 via 10.1.0.2 src 10.7.0.1 table 100',
      'route add 10.98.0.0/16 via 10.1.0.2 src 10.7.0.1',
    );
    await remote.call('rib', 'audit');
    await router.ip('addr del 10.7.0.1/32 dev v3');
    await remote.call('rib', 'settled');
    const [stays, goes] = await remote.call<Answer[]>('agent', 'ask', ['10.97.1.1', '10.98.1.1']);
    t.is(stays!.kernel?.nexthops[0]?.gateway, '10.1.0.2');
    t.is(stays!.rib?.nexthops[0]?.gateway, '10.1.0.2');
    t.is(goes!.kernel, undefined);
    t.is(goes!.rib, undefined);
    t.like(await remote.call<RibStatus>('rib', 'status'), { corrections: 0 });
  });
});

systemTest('rules that make the kernel go another way are named', async (t) => {
  await followed(async ({ router }, remote) => {
    const rules = async (): Promise<readonly string[]> => {
      await remote.call('rib', 'settled');
      return (await remote.call<RibStatus>('rib', 'status')).rules;
    };
    const add = (...words: readonly string[]) => router.run('ip', ...words);
    t.deepEqual(await rules(), []);
    await add('rule', 'add', 'pref', '90', 'iif', 'lo', 'lookup', '77');
    await add('rule', 'add', 'pref', '91', 'oif', 'v0', 'lookup', '77');
    t.deepEqual(await rules(), [], "they concern the router's own packets");
    await add('rule', 'add', 'pref', '100', 'from', '10.7.0.0/16', 'fwmark', '0x10', 'lookup', '77');
    await add('-6', 'rule', 'add', 'pref', '120', 'not', 'to', 'fd07::/32', 'iif', 'v1', 'unreachable');
    await add('-6', 'rule', 'add', 'pref', '130', 'lookup', '1000');
    t.deepEqual(await rules(), [
      'IPv4 rule 100: from 10.7.0.0/16 fwmark 0x10 lookup 77',
      'IPv6 rule 120: not from all to fd07::/32 iif v1 unreachable',
      'IPv6 rules ask the tables local, 1000, main; daemon.tables: local, main',
    ]);
    await remote.call('rib', 'setTables', [255, 1000, 254]);
    await add('rule', 'del', 'pref', '100');
    await add('-6', 'rule', 'del', 'pref', '120');
    t.deepEqual(await rules(), ['IPv4 rules ask the tables local, main; daemon.tables: local, 1000, main']);
    await add('rule', 'add', 'pref', '300', 'lookup', '1000');
    t.deepEqual(await rules(), []);
    await router.ip(
      'route add 10.40.0.0/16 tos 0x10 via 10.1.0.2',
      'route add 10.41.0.0/16 tos 0x10 via 10.1.0.2',
    );
    t.regex((await rules()).join(), /^IPv4 routes for one TOS alone/);
    await router.ip('route del 10.40.0.0/16 tos 0x10');
    t.is((await rules()).length, 1);
    await router.ip('route del 10.41.0.0/16 tos 0x10');
    t.deepEqual(await rules(), []);
  });
});
