/** The process that builds one policy for the daemon: reports by IPC, writes a bundle, ends. */

import { compile } from '../../codegen/compile.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { errorData } from '../errors.js';
import { notBuilt } from '../write-named.js';
import type { BuildMessage } from './build.js';

const report = (message: BuildMessage): void => void process.send!(message);

async function build(
  policy: string,
  outDir: string,
  generation: number,
  expired: 'error' | 'warning',
): Promise<BuildMessage> {
  const result = await compile(policy, {
    outDir,
    sequence: generation,
    expired,
    onProgress: ({ stage, milliseconds }) => {
      if (milliseconds !== undefined)
        report({ kind: 'step', text: `${stage} ${milliseconds.toFixed(0)} ms` });
    },
  });
  if (result.ok) return { kind: 'done', dir: outDir };
  const errors = result.diagnostics.filter((one) => one.severity === 'error').length;
  return {
    kind: 'refused',
    diagnostics: renderText(result.diagnostics, {
      root: result.root,
      files: result.policyFiles,
      colour: false,
    }),
    summary: `${policy} was refused: ${errors === 1 ? '1 error' : `${errors} errors`}`,
  };
}

const [policy, outDir, generation, expired] = process.argv.slice(2);
try {
  report(await build(policy!, outDir!, Number(generation), expired === 'warning' ? 'warning' : 'error'));
} catch (error) {
  report({ kind: 'failed', error: errorData(notBuilt(error, outDir!)) });
}
process.disconnect();
