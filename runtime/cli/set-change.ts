import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { SetReader } from '../../codegen/sets/read.js';
import type { SetChangeReply, SetReply } from '../control/types.js';
import { MillError, messageOf } from '../errors.js';
import { wrongLines } from '../sets/wrong-lines.js';
import { categories, NetmillCommand } from './command.js';
import { requireFile } from './files.js';
import { countText } from './set-text.js';

/** Bytes of a list in one request. */
const pieceBytes = 40_000;
const details =
  'Every worker sees the old contents or the new ones, whole, and no packet waits. What would cut off somebody whom `mustReach` of the policy names is refused, as a build would be. Counters go on. A set is a set of addresses: what was added as two halves is shown as one network, and a part of a network can be deleted.';

abstract class SetChangeCommand extends NetmillCommand {
  name = Option.String({ name: 'NAME' });
  prefixes = Option.Rest({ name: 'PREFIX' });
  file = Option.String('-f,--file', {
    description: 'networks or addresses, one a line, with comments behind # or ;  (- is standard input)',
  });
  force = Option.Boolean('--force', false, {
    description: 'also when it cuts off who must reach the router',
  });

  abstract readonly action: 'add' | 'delete' | 'replace';

  async run(): Promise<number> {
    if ((this.file === undefined) === (this.prefixes.length === 0))
      throw new UsageError('expected networks, or --file FILE, and not both');
    const bytes = this.list();
    const set = await this.ask<SetReply>({ op: 'set.show', name: this.name });
    const reader = new SetReader(set.families);
    reader.read(bytes);
    if (reader.mistakes.length > 0) throw wrongLines(this.file ?? 'the command line', reader.mistakes);
    const upload = await this.send(bytes);
    const { name, action, force } = this;
    const reply = await this.ask<SetChangeReply>({ op: 'set.change', name, action, upload, force });
    return this.show(reply, ({ changed, before }) =>
      changed
        ? `${name}: ${countText(reply)} (${before} before), in ${reply.milliseconds} ms`
        : `${name}: ${countText(reply)}; nothing had to be changed`,
    );
  }

  private list(): Buffer {
    if (this.file === undefined) return Buffer.from(this.prefixes.join('\n'));
    try {
      return readFileSync(this.file === '-' ? 0 : requireFile(resolve(this.file)));
    } catch (error) {
      if (error instanceof MillError) throw error;
      throw new MillError('usage', `${this.file} cannot be read: ${messageOf(error)}`);
    }
  }

  /** In pieces of whole lines, without comments. */
  private async send(bytes: Buffer): Promise<number> {
    let upload: number | undefined;
    for (let at = 0; at < bytes.length || upload === undefined; ) {
      const newline = at + pieceBytes < bytes.length ? bytes.lastIndexOf(10, at + pieceBytes) : bytes.length;
      const end = newline < at ? bytes.indexOf(10, at + pieceBytes) : newline;
      const stop = end < 0 ? bytes.length : end;
      const text = bytes.toString('latin1', at, stop).replace(/[ \t\r]*[#;][^\n]*/g, '');
      const reply: { readonly upload: number } = await this.ask({
        op: 'set.upload',
        ...(upload !== undefined && { upload }),
        text,
      });
      upload = reply.upload;
      at = stop + 1;
    }
    return upload;
  }
}

export class SetAddCommand extends SetChangeCommand {
  static override paths = [['set', 'add']];
  static override usage = Command.Usage({
    category: categories.sets,
    description: 'put networks into a set of the running policy, at once and without a build',
    details,
    examples: [
      ['Two networks', '$0 set add blocked 203.0.113.0/24 2001:db8:66::/48'],
      ['From a file', '$0 set add blocked --file new.txt'],
    ],
  });
  readonly action = 'add';
}

export class SetDeleteCommand extends SetChangeCommand {
  static override paths = [['set', 'delete']];
  static override usage = Command.Usage({
    category: categories.sets,
    description: 'take networks, or parts of them, out of a set of the running policy',
    details,
    examples: [['One address', '$0 set delete blocked 203.0.113.9']],
  });
  readonly action = 'delete';
}

export class SetReplaceCommand extends SetChangeCommand {
  static override paths = [['set', 'replace']];
  static override usage = Command.Usage({
    category: categories.sets,
    description: 'let a set of the running policy hold these networks and nothing else',
    details,
    examples: [
      ['From a file', '$0 set replace blocked --file blocked.txt'],
      ['From another program', 'fetch-blocklist | $0 set replace blocked --file -'],
      ['Nothing any more', '$0 set replace blocked --file /dev/null'],
    ],
  });
  readonly action = 'replace';
}
