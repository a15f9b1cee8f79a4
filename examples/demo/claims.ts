/** What the demo asserts. A claim that does not hold is shown and makes the exit code 1; the story goes on. */
import type { Screen } from './screen.js';

export interface Claim {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export class Claims {
  readonly all: Claim[] = [];

  constructor(private readonly screen: Screen) {}

  add(name: string, ok: boolean, detail: string): boolean {
    this.all.push({ name, ok, detail });
    this.screen.claim(ok, name, detail);
    return ok;
  }

  get ok(): boolean {
    return this.all.length > 0 && this.all.every((claim) => claim.ok);
  }
}
