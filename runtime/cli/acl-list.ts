import { Command, Option } from 'clipanion';
import { aboutRule } from '../../codegen/about-rule.js';
import type { AclReply } from '../control/types.js';
import { MillError } from '../errors.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { count, table } from './text.js';

export class AclListCommand extends NetmillCommand {
  static override paths = [['acl', 'list']];
  static override usage = Command.Usage({
    category: categories.acl,
    description: 'show the rules with their policy lines, packets and bytes',
    examples: [
      ['All lists', '$0 acl list'],
      ['One list', '$0 acl list from-wan'],
    ],
  });

  list = Option.String({ name: 'LIST', required: false });

  async run(): Promise<number> {
    const reply = await this.ask<AclReply>({ op: 'acl.list' });
    const rules = reply.rules.filter((rule) => this.list === undefined || rule.list === this.list);
    if (this.list !== undefined && rules.length === 0) {
      const lists = [...new Set(reply.rules.map((rule) => rule.list))];
      throw new MillError(
        'not-found',
        `no list of the running policy is named ${this.list}`,
        lists.length > 0 ? `there are ${lists.join(', ')}` : 'it has none',
      );
    }
    return this.show({ ...reply, rules }, (value) => aclText(value, this.paint));
  }
}

export function aclText(reply: AclReply, paint: Painter): string {
  const limits = reply.rules.some((rule) => rule.policed.packets > 0);
  const columns = [
    { title: 'LIST' },
    { title: 'PACKETS', right: true },
    { title: 'BYTES', right: true },
    ...(limits ? [{ title: 'OVER LIMIT', right: true }] : []),
    { title: 'ACTION' },
    { title: 'POLICY LINE' },
    { title: 'RULE' },
    ...(reply.rules.some(aboutRule) ? [{ title: 'ABOUT' }] : []),
  ];
  const action = (text: string): string =>
    text === 'deny' ? paint.bad(text) : text === 'allow' ? paint.good(text) : paint.warn(text);
  const rows = reply.rules.map((rule) => [
    rule.direction === 'out' ? `${rule.list} out` : rule.list,
    count(rule.packets),
    count(rule.bytes),
    ...(limits ? [count(rule.policed.packets)] : []),
    action(rule.action),
    rule.origin,
    [rule.text, ...rule.treatment].join('; '),
    aboutRule(rule) ?? '',
  ]);
  const off = reply.enabled
    ? ''
    : `${paint.bad('ACLs are disabled')}: no rule is applied (netmill acl enable)\n\n`;
  return off + table(columns, rows);
}
