/** Text of files beside a policy. A build reads them before the policy is evaluated, which itself can read nothing. */
import { readFileSync } from 'node:fs';

export type TextReader = (path: string) => string | undefined;

let reader: TextReader = readNow;

/** The loader evaluates policies where there are no files and brings their texts itself. */
export function setTextReader(next: TextReader): void {
  reader = next;
}

/** Undefined: there is no such file, or it cannot be read. */
export function readText(path: string): string | undefined {
  return reader(path);
}

function readNow(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
