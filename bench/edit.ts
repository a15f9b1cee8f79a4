/**
 * From the moment that a policy file is saved to the moment that its forwarder carries packets: `netmill deploy --watch`
 * on a list of 100 rules, over a port of a namespace.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { DeployResult } from '../runtime/control/types.js';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, missing, type Node, sleep } from '../tests/support/netns.js';
import type { Measured } from './result.js';

const runs = 7;
const cliMain = fileURLToPath(new URL('../runtime/cli/main.js', import.meta.url));

/** Each edit gives one rule another port. */
const policy = (edit: number) => `import { acl, allow, deny, nets, router, tcp, udp } from 'netmill'
export default router('bench', {
  interfaces: {
    a: { port: 'xdp:r0', fallback: 'drop', in: acl('from-a', { default: 'deny' }, [
${Array.from({ length: 100 }, (_, i) => `      ${rule(i, i === 50 ? edit : 0)},`).join('\n')}
    ]) },
  },
})
`;

function rule(i: number, edit: number): string {
  const service = `${i % 2 ? 'tcp' : 'udp'}(${1000 + 10 * i + edit})`;
  return `${i % 3 ? 'allow' : 'deny'}({ from: nets('10.${i}.0.0/16'), to: nets('203.0.${i}.0/24'), service: ${service} })`;
}

/** What `deploy --watch` says of each generation. */
async function* deploys(node: Node, netmill: Netmill, path: string): AsyncGenerator<DeployResult> {
  const args = [cliMain, '-s', netmill.socket, 'deploy', path, '--watch', '--json'];
  const child = node.start(process.execPath, args, { conversation: true });
  try {
    for await (const line of createInterface({ input: child.stdout! }))
      yield JSON.parse(line) as DeployResult;
  } finally {
    child.kill('SIGTERM');
  }
}

export async function editToActive(say: (text: string) => void): Promise<Measured> {
  const about = { case: 'edit-to-active.100', unit: 's', better: 'lower', bar: 1 } as const;
  const reason = missing();
  if (reason) return { ...about, ours: [], skipped: reason };
  const lab = await Lab.create();
  try {
    const [router, peer] = [await lab.router('router'), await lab.node('peer')];
    await lab.link({ node: router, device: 'r0', addresses: ['10.0.1.1/24'] }, { node: peer, device: 'p0' });
    const netmill = await Netmill.start(lab, router, policy(0));
    const path = join(lab.directory, 'edited.ts');
    writeFileSync(path, policy(0));
    const active = deploys(router, netmill, path);
    await active.next();
    const ours: number[] = [];
    for (let run = 1; run <= runs; run++) {
      say(`edit-to-active.100: ${run} of ${runs}`);
      await sleep(500);
      const saved = performance.now();
      writeFileSync(path, policy(run));
      const { value } = await active.next();
      ours.push((performance.now() - saved) / 1000);
      const { running } = (await netmill.status()).generation;
      if (running !== value?.generation) throw new Error(`generation ${running} runs, not the edited one`);
    }
    await active.return(undefined);
    return { ...about, ours };
  } finally {
    await lab.close();
  }
}
