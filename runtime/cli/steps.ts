/** The steps of a build: one line that is rewritten on a terminal, one line a step elsewhere. */
import type { Progress } from '../../codegen/compile.js';
import { isTerminal, painterFor } from './paint.js';

export interface StepReport {
  step(progress: Progress): void;
  end(): void;
}

export function stepReport(stream: NodeJS.WritableStream): StepReport {
  const paint = painterFor(stream, process.env);
  const done: string[] = [];
  if (!isTerminal(stream)) {
    return {
      step: ({ stage, milliseconds }) => {
        if (milliseconds !== undefined) stream.write(`${stage} ${milliseconds.toFixed(0)} ms\n`);
      },
      end: () => undefined,
    };
  }
  const show = (line: string): void => void stream.write(`\r\u001b[K${line}`);
  return {
    step: ({ stage, milliseconds }) => {
      if (milliseconds !== undefined) done.push(`${stage} ${paint.dim(`${milliseconds.toFixed(0)} ms`)}`);
      show([...done, ...(milliseconds === undefined ? [paint.bold(`${stage} …`)] : [])].join('  '));
    },
    end: () => void stream.write('\n'),
  };
}
