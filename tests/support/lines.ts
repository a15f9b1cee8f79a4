/** A program that answers some of the lines that it is given with a line each, run for one whole input. */
import { spawn } from 'node:child_process';

/** Answers in their order. @throws Error with what it said when it ends otherwise than well */
export function answersTo(program: string, lines: readonly string[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [said, wrong] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong += text));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code !== 0) reject(new Error(`${program} ended with ${code}: ${wrong.slice(0, 4000)}`));
      else resolve(said.split('\n').slice(0, -1));
    });
    child.stdin.end(`${lines.join('\n')}\n`);
  });
}
