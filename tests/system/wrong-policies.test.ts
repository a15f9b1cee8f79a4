/*
 * Policies that are wrong change nothing: the build gives a diagnostic with its code and place, a deploy of it leaves
 * the running generation as it is, and not one packet is lost meanwhile. Topology: support/line.ts.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Line, mixedFlows } from '../support/line.js';
import { build, built, Netmill, writePolicy } from '../support/netmill.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { plain } from './policies.js';

const head = "import { acl, allow, deny, nets, nexthop, pbr, predicate, router, tcp, udp } from 'netmill'\n";
const routed = (interfaces: string) => `export default router('wrong', { interfaces: { ${interfaces} } })\n`;
const listed = (rules: string, before = '') =>
  `${head}${before}\nconst list = acl('list', { default: 'deny' }, [\n${rules}\n])\n` +
  routed("a: { port: 'xdp:r0', in: list, fallback: 'kernel' }, b: { port: 'xdp:r1' }");

/** What is wrong, how it is written, and one of the codes that must be given. */
const wrong: readonly (readonly [string, string, RegExp])[] = [
  ['a syntax error', `${head}export default router('wrong', {{\n`, /NM1001/],
  ['no default export', `${head}export const x = 1\n`, /NM1007/],
  ['an unknown key', `${head}${routed("a: { port: 'xdp:r0', colour: 'red' }")}`, /NM1002|NM4017/],
  [
    'an unknown interface name',
    `${head}export default router('w', { interfaces: { a: { port: 'xdp:r0' } }, engine: { workers: [{ rings: { b: [0] } }] } })\n`,
    /NM1002|NM4013/,
  ],
  ['port 70000', listed('deny({ service: tcp(70000) })'), /NM1002|NM3003/],
  ['a prefix of /33', listed("deny({ from: nets('10.0.0.0/33') })"), /NM100[23]|NM3002/],
  ['an address with 300', listed("deny({ from: nets('10.0.300.0/24') })"), /NM100[23]|NM3002/],
  ['mixed families', listed("nexthop('10.0.2.2', { from: nets('2001:db8::/32') })"), /NM1002|NM3004/],
  [
    'a VLAN id twice',
    `${head}${routed("a: { port: 'xdp:r0', vlans: { x: { id: 5 }, y: { id: 5 } } }")}`,
    /NM4003/,
  ],
  ['VLAN id 5000', `${head}${routed("a: { port: 'xdp:r0', vlans: { x: { id: 5000 } } }")}`, /NM4004/],
  ['one port twice', `${head}${routed("a: { port: 'xdp:r0' }, b: { port: 'xdp:r0' }")}`, /NM4002/],
  [
    'a predicate with a loop',
    listed('deny({ when: odd })', "const odd = predicate('odd', (p) => { for (;;) {} return p.len > 1 })"),
    /NM210\d/,
  ],
  [
    'a predicate that reads what may change',
    listed('deny({ when: odd })', "let limit = 9\nconst odd = predicate('odd', (p) => p.len > limit)"),
    /NM2104/,
  ],
  [
    'a predicate that calls a function',
    listed('deny({ when: odd })', "const odd = predicate('odd', (p) => Math.random() > p.len)"),
    /NM210\d/,
  ],
  ['a rule after a catch-all', listed('allow(),\ndeny({ service: udp(7) }),'), /NM3001/],
];

systemTest(
  'wrong policies give their diagnostic and change nothing',
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, await built(plain));
      await line.warm();
      const { client, server } = await line.traffic();
      await mixedFlows(client, 'server');
      const before = (await netmill.status()).generation;
      await client.start(5000);
      for (const [i, [what, text, code]] of wrong.entries()) {
        const file = await writePolicy(line.lab, `wrong-${i}`, text);
        const out = join(line.lab.directory, `out-${i}`);
        mkdirSync(out);
        const built = await build(file, out);
        t.not(built.code, 0, `${what} was built`);
        t.regex(built.stdout + built.stderr, code, what);
        t.deepEqual(
          readdirSync(out).filter((name) => name.endsWith('.so')),
          [],
          what,
        );
        const deployed = await netmill.run('deploy', file);
        t.not(deployed.code, 0, `${what} was deployed`);
        t.regex(deployed.stderr + deployed.stdout, code, what);
      }
      t.deepEqual((await netmill.status()).generation, before);
      await client.stop();
      t.like(await settled(client, server), { lost: 0, reordered: 0, duplicates: 0, bad: 0 });
    } finally {
      await line.close();
    }
  },
  { seconds: 240 },
);
