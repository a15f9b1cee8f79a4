/** Policies of the system tests, over the ports of support/line.ts. */

/** Three ports and no rule: what the kernel's router does, netmill should do. */
export const plain = `import { router } from 'netmill'
export default router('line', {
  interfaces: {
    client: { port: 'xdp:r0', fallback: 'kernel' },
    server: { port: 'xdp:r1', fallback: 'kernel' },
    provider: { port: 'xdp:r2', fallback: 'kernel' },
  },
})
`;

/** As `plain`; what comes from the client for behind the server goes there by a rule. */
export const diverted = `import { nets, nexthop, pbr, router } from 'netmill'
const behindServer = nets('10.9.0.0/16', '2001:db8:9::/48')
const way = pbr('way', [nexthop(['10.0.2.2', '2001:db8:2::2'], { to: behindServer })])
export default router('line', {
  interfaces: {
    client: { port: 'xdp:r0', fallback: 'kernel', pbr: way },
    server: { port: 'xdp:r1', fallback: 'kernel' },
    provider: { port: 'xdp:r2', fallback: 'kernel' },
  },
})
`;

/** As `plain`, with one rule that says its number: every text is another generation, none changes what passes. */
export function numbered(
  n: number,
  ports: readonly ('server' | 'provider')[] = ['server', 'provider'],
  lookup: 'auto' | 'flat' | 'radix' | 'dxr' = 'auto',
): string {
  const device = { server: 'r1', provider: 'r2' } as const;
  const more = ports.map((name) => `    ${name}: { port: 'xdp:${device[name]}', fallback: 'kernel' },`);
  return `import { acl, allow, deny, nets, router, udp } from 'netmill'
const fromClient = acl('from-client', { default: 'allow' }, [
  deny({ service: udp(${30000 + n}) }).id('moving'),
  deny({ service: udp(7) }).id('echo').log({ rate: '5/s' }).why('no echo service'),
  allow({ from: nets('10.0.1.0/24', '2001:db8:1::/64') }).id('client'),
])
export default router('line', {
  engine: { lookup: '${lookup}' },
  interfaces: {
    client: { port: 'xdp:r0', in: fromClient, fallback: 'kernel' },
${more.join('\n')}
  },
})
`;
}
