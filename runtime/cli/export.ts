import { join, relative, resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import type { CheckedPolicy } from '../../codegen/checked.js';
import { toJson } from '../../codegen/diagnostics/json.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import {
  exportedFields,
  exportNetmapRt,
  type NetmapRtFiles,
} from '../../codegen/formats/netmap-rt/export.js';
import { parseFields } from '../../dsl/formats/netmap-rt-acl.js';
import type { Problem } from '../../dsl/model.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { makeWritable } from '../folders.js';
import { writeNamed } from '../write-named.js';
import { categories, NetmillCommand } from './command.js';
import { aPolicy, requireFile } from './files.js';
import { refusalText } from './refusal-text.js';

export class ExportCommand extends NetmillCommand {
  static override paths = [['export']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'write a policy as the configuration of another router',
    details:
      'Everything that the format cannot say is told, with its line, and exit code 65; then nothing is written. What is written has been read back and compared with the policy for all packets. Needs no daemon and no root.',
    examples: [['To netmap-rt.conf and netmap-rt-acl.conf', '$0 export --format netmap-rt border.ts -o out']],
  });

  format = Option.String('--format', { description: 'of what: netmap-rt; must be said' });
  policy = Option.String({ name: 'POLICY' });
  out = Option.String('-o,--out', { description: 'directory for the files; else they are printed' });
  fields = Option.String('--fields', { description: 'what the fields of an ACL line are; else netmap-rt' });
  acceptFallback = Option.Boolean('--accept-fallback', false, {
    description:
      "export ports that say fallback: 'drop', although netmap-rt leaves packets to the kernel when it ends",
  });

  async run(): Promise<number> {
    if (this.format === undefined) throw new UsageError('say for what: --format netmap-rt');
    if (this.format !== 'netmap-rt') throw new UsageError(`netmill writes netmap-rt, not '${this.format}'`);
    const fields = this.fields === undefined ? exportedFields : parseFields(this.fields);
    if (typeof fields === 'string') throw new UsageError(`--fields: ${fields}`);
    const policy = await this.load();
    const made = exportNetmapRt(policy.router, { fields, acceptsFallback: this.acceptFallback });
    if (!made.ok) return this.refuse(made.problems, policy);
    const { readBack } = await import('../../codegen/formats/netmap-rt/read-back.js');
    const different = await readBack(policy, made.files, fields);
    if (different.length > 0) return this.refuse(different, policy);
    return this.writeFiles(made.files);
  }

  private async load(): Promise<CheckedPolicy> {
    const { loadAndCheck } = await import('../../codegen/front.js');
    const result = await loadAndCheck(requireFile(resolve(this.policy), aPolicy));
    if (result.ok) return result.policy;
    const details = renderText(result.diagnostics, { root: result.root, files: result.files, colour: false });
    throw new MillError('policy', `${this.policy} is refused`, 'correct the policy', details);
  }

  private refuse(problems: readonly Problem[], { root, files }: CheckedPolicy): number {
    const name = (path: string) => relative(process.cwd(), resolve(root, path));
    const { diagnostics, text } = refusalText(
      problems.map((one) => ({ ...one, origin: { ...one.origin, file: name(one.origin.file) } })),
      files.map(({ path, text }) => ({ file: name(path), text })),
      this.context.stderr,
    );
    if (this.json) this.print(JSON.stringify({ ok: false, diagnostics: toJson(diagnostics) }, null, 2));
    else this.context.stderr.write(`${text}\n`);
    return exits.data;
  }

  private writeFiles({ conf, acl }: NetmapRtFiles): number {
    const texts = { 'netmap-rt.conf': conf, ...(acl !== undefined && { 'netmap-rt-acl.conf': acl }) };
    if (this.out === undefined) {
      if (this.json) this.print(JSON.stringify({ ok: true, texts, diagnostics: [] }, null, 2));
      else this.print(Object.values(texts).join('\n'));
      return exits.ok;
    }
    const fix = 'name another one: -o DIR';
    makeWritable(this.out, 'the directory', fix);
    const files = Object.entries(texts).map(([name, text]) => {
      const path = join(this.out!, name);
      writeNamed(path, text, fix);
      return path;
    });
    if (this.json)
      this.print(
        JSON.stringify({ ok: true, files: files.map((one) => resolve(one)), diagnostics: [] }, null, 2),
      );
    else this.print(`${files.join(' and ')}: the same as ${this.policy} for all packets`);
    return exits.ok;
  }
}
