import { resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import { toJson } from '../../codegen/diagnostics/json.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { requireFile } from './files.js';
import { isTerminal } from './paint.js';
import { count } from './text.js';

export class CheckCommand extends NetmillCommand {
  static override paths = [['check']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'load and check a policy, without building it',
    details: 'Exit code 65 when it would be refused. Needs no daemon and no root.',
    examples: [
      ['For people', '$0 check routers/edge1.ts'],
      ['For machines', '$0 check routers/edge1.ts --json'],
    ],
  });

  policy = Option.String({ name: 'POLICY' });
  notes = Option.Boolean('--notes', false, {
    description: 'show what is worth knowing, too: overlapping rules, and what the default does anyway',
  });

  async run(): Promise<number> {
    const path = requireFile(resolve(this.policy));
    const { loadAndCheck } = await import('../../codegen/front.js');
    const result = await loadAndCheck(path, { notes: this.notes });
    const diagnostics = result.ok ? result.policy.warnings : result.diagnostics;
    if (this.json) {
      this.print(JSON.stringify({ ok: result.ok, diagnostics: toJson(diagnostics) }, null, 2));
      return result.ok ? exits.ok : exits.data;
    }
    const { files, root } = result.ok ? result.policy : result;
    const colour = isTerminal(this.context.stdout) && !process.env.NO_COLOR;
    if (diagnostics.length > 0) this.print(`${renderText(diagnostics, { root, files, colour })}\n`);
    if (result.ok) {
      const { name, interfaces } = result.policy.router;
      this.print(`${this.policy}: router ${name}, ${count(interfaces.length)} interfaces: nothing is wrong`);
    }
    return result.ok ? exits.ok : exits.data;
  }
}
