import { relative } from 'node:path';
import { Command, Option } from 'clipanion';
import type { FrontResult } from '../../codegen/checked.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import { toJson } from '../../codegen/diagnostics/json.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { findingOf } from '../../codegen/report/report.js';
import { exits } from '../exit-codes.js';
import { categories } from './command.js';
import { isTerminal } from './paint.js';
import { policiesOf } from './policies.js';
import { onlyDescription, ReportCommand } from './report-command.js';
import { count } from './text.js';
import { readToday, todayOption } from './today.js';

interface Checked {
  /** Relative to the working directory. */
  readonly policy: string;
  readonly result: FrontResult;
}

export class CheckCommand extends ReportCommand {
  static override paths = [['check']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'load and check policies, without building them',
    details:
      'Of a directory, the policies in its routers/ are meant. Exit code 65 when one of them would be refused. Needs no daemon and no root.',
    examples: [
      ['For people', '$0 check routers/edge1.ts'],
      ['All routers of a repository', '$0 check .'],
      ['For machines', '$0 check routers/edge1.ts --json'],
      ['Annotations at the lines of a pull request', '$0 check . --format github'],
    ],
  });

  policies = Option.Rest({ name: 'POLICY', required: 1 });
  today = todayOption();
  only = Option.Array('--only', { description: onlyDescription });
  notes = Option.Boolean('--notes', false, {
    description: 'show what is worth knowing, too: overlapping rules, and what the default does anyway',
  });

  async run(): Promise<number> {
    const format = this.chosenFormat;
    const today = readToday(this.today);
    const paths = policiesOf(this.policies, this.only);
    const { loadAndCheck } = await import('../../codegen/front.js');
    const all: Checked[] = [];
    for (const path of paths) {
      const one = {
        policy: relative(process.cwd(), path),
        result: await loadAndCheck(path, { notes: this.notes, ...today }),
      };
      if (format === 'text') this.say(one);
      all.push(one);
    }
    if (format === 'json') this.print(JSON.stringify(asJson(all), null, 2));
    this.printReport(
      format,
      all.map(({ policy, result }) => ({
        name: policy,
        findings: diagnosticsOf(result).map((one) => findingOf(one, placesOf(result).root)),
      })),
    );
    return all.every((one) => one.result.ok) ? exits.ok : exits.data;
  }

  private say({ policy, result }: Checked): void {
    const diagnostics = diagnosticsOf(result);
    const colour = isTerminal(this.context.stdout) && !process.env.NO_COLOR;
    if (diagnostics.length > 0) this.print(`${renderText(diagnostics, { ...placesOf(result), colour })}\n`);
    if (!result.ok) return;
    const { name, interfaces } = result.policy.router;
    const verdict = diagnostics.some(({ severity }) => severity === 'warning')
      ? 'it can be built, with the warnings above'
      : 'nothing is wrong';
    this.print(
      `${policy}: router ${name}, ${count(interfaces.length)} interface${interfaces.length === 1 ? '' : 's'}: ${verdict}`,
    );
  }
}

function diagnosticsOf(result: FrontResult): readonly Diagnostic[] {
  return result.ok ? result.policy.warnings : result.diagnostics;
}

function placesOf(result: FrontResult) {
  const { files, root } = result.ok ? result.policy : result;
  return { files, root };
}

/** One policy as it is; several with their paths. */
function asJson(all: readonly Checked[]): unknown {
  const each = all.map(({ policy, result }) => ({
    policy,
    ok: result.ok,
    diagnostics: toJson(diagnosticsOf(result)),
  }));
  if (each.length !== 1) return { ok: each.every((one) => one.ok), policies: each };
  const [{ policy: _, ...only }] = each as [(typeof each)[number]];
  return only;
}
