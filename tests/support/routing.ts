/** Debian's BIRD and FRR in a namespace: configuration as text, files and sockets in the lab's directory. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab, Node } from './netns.js';

export interface Daemon {
  /** A command of birdc or vtysh, and what it says. */
  ask(command: string): Promise<string>;
}

/** @param body of bird.conf, after router id and device protocol */
export async function bird(lab: Lab, node: Node, id: string, body: string): Promise<Daemon> {
  const at = (what: string) => join(lab.directory, `${node.name}.bird.${what}`);
  await writeFile(at('conf'), `router id ${id};\nprotocol device { scan time 1; }\n${body}`);
  lab.own(node.start('bird', ['-f', '-c', at('conf'), '-s', at('ctl'), '-P', at('pid')]));
  return {
    ask: async (command) => (await node.try('birdc', '-s', at('ctl'), ...command.split(' '))).stdout,
  };
}

export interface FrrOptions {
  /** Further arguments of zebra, such as `['-M', 'dplane_fpm_nl']`. */
  readonly zebra?: readonly string[];
  readonly daemons: readonly ('bgpd' | 'ospfd' | 'ospf6d' | 'staticd')[];
}

/** @param configuration frr.conf; every daemon takes its part of it, and vtysh speaks to all */
export async function frr(
  lab: Lab,
  node: Node,
  configuration: string,
  options: FrrOptions,
): Promise<Daemon & { stop(daemon: string): void }> {
  const directory = join(lab.directory, `${node.name}.frr`);
  await mkdir(directory, { recursive: true });
  // The daemons give up root for a user of their own.
  await chmod(lab.directory, 0o711);
  await node.run('chown', 'frr:frrvty', directory);
  const zserv = join(directory, 'zserv.api');
  const running = new Map<string, ReturnType<Node['start']>>();
  for (const name of ['zebra', ...options.daemons]) {
    const common = ['-f', '/dev/null', '-z', zserv, '--vty_socket', directory];
    const own = ['-i', join(directory, `${name}.pid`), ...(name === 'zebra' ? (options.zebra ?? []) : [])];
    running.set(name, lab.own(node.start(`/usr/lib/frr/${name}`, [...common, ...own])));
  }
  const vtysh = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await node.try('vtysh', '--vty_socket', directory, ...args);
    return `${stdout}\n${stderr}`;
  };
  const file = join(directory, 'frr.conf');
  await writeFile(file, configuration);
  for (let tries = 0; tries < 100; tries++) {
    const up = await vtysh('-c', 'show daemons');
    if (['zebra', ...options.daemons].every((name) => up.includes(name))) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = await vtysh('-f', file);
  if (/% |failed/i.test(said)) throw new Error(`frr refused its configuration: ${said}`);
  return {
    ask: (command) => vtysh('-c', command),
    stop: (daemon) => void running.get(daemon)?.kill('SIGKILL'),
  };
}
