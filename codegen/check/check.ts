import type { Router } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';

export interface CheckOptions {
  readonly today: string;
}

export function check(_router: Router, _options: CheckOptions): readonly Diagnostic[] {
  return [];
}
