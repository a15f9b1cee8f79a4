/** What commands share that tell about policies: which ones, and in which form. */
import { Option, UsageError } from 'clipanion';
import { catalogue } from '../../codegen/diagnostics/catalogue.js';
import { toGithub } from '../../codegen/report/github.js';
import { toJunit } from '../../codegen/report/junit.js';
import type { Report, Suite } from '../../codegen/report/report.js';
import { toSarif } from '../../codegen/report/sarif.js';
import { version } from '../version.js';
import { NetmillCommand } from './command.js';

const formats = ['text', 'json', 'sarif', 'junit', 'github'] as const;
export type Format = (typeof formats)[number];

export abstract class ReportCommand extends NetmillCommand {
  format = Option.String('--format', {
    description: '`text` (when not said), `json` (as --json), `sarif`, `junit`, or `github` for annotations',
  });

  /** @throws UsageError */
  protected get chosenFormat(): Format {
    if (this.format === undefined) return this.json ? 'json' : 'text';
    const found = formats.find((one) => one === this.format);
    if (found === undefined)
      throw new UsageError(`expected --format ${formats.join(', ')}, got '${this.format}'`);
    if (this.json && found !== 'json') throw new UsageError(`--json or --format ${found}, not both`);
    this.json = found === 'json';
    return found;
  }

  /** Only the three formats that other programs define. */
  protected printReport(format: Format, suites: readonly Suite[], kinds: Report['kinds'] = catalogue): void {
    const report: Report = { command: this.path[0]!, suites, kinds };
    if (format === 'sarif') this.print(toSarif(report, version));
    if (format === 'junit') this.print(toJunit(report));
    if (format === 'github') this.print(toGithub(report));
  }
}

export const onlyDescription =
  'of several policies the one of this name (its file without .ts); may be repeated';
