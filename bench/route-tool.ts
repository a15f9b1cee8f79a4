/** bench/route_tool.c as an object: routes into the kernel of a namespace, as fast as it takes them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Lab, Node } from '../tests/support/netns.js';

const program = fileURLToPath(new URL('../../bench/build/route-tool', import.meta.url));

export interface Done {
  readonly count: number;
  /** Of these, refused by the kernel. */
  readonly failed: number;
  /** How long it took; of a change: when it was sent, CLOCK_REALTIME. */
  readonly ns: number;
}

export class RouteTool {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(
    private readonly lab: Lab,
    node: Node,
  ) {
    this.#child = lab.own(node.start(program, [], { conversation: true }));
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  private async ask(...words: readonly (string | number)[]): Promise<Done> {
    const command = words.join(' ');
    this.#child.stdin!.write(`${command}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the route tool ended at '${command}'`);
    const answer = JSON.parse(value) as Done & { readonly ok: boolean; readonly error?: string };
    if (!answer.ok) throw new Error(`the route tool, at '${command}': ${answer.error}`);
    return answer;
  }

  /** Makes ready a set of routes. @param lines `PREFIX GATEWAY` or `PREFIX #NEXTHOP_ID` each */
  async load(set: number, lines: string): Promise<number> {
    const file = join(this.lab.directory, `routes-${set}`);
    await writeFile(file, lines);
    return (await this.ask('load', set, file)).count;
  }

  async send(verb: 'add' | 'replace' | 'del', set: number, count?: number): Promise<Done> {
    const done = await this.ask(verb, set, ...(count === undefined ? [] : [count]));
    if (done.failed > 0) throw new Error(`the kernel refused ${done.failed} of ${done.count} routes`);
    return done;
  }

  /** One route by another gateway. @returns when, in nanoseconds of CLOCK_REALTIME */
  async change(prefix: string, gateway: string): Promise<number> {
    return (await this.ask('change', prefix, gateway)).ns;
  }

  async record(file: string): Promise<void> {
    await this.ask('record', file);
  }

  /** @returns how many messages the file has */
  async recorded(): Promise<number> {
    return (await this.ask('recorded')).count;
  }
}
