/** What was found wrong, as data: renderers turn it into text or JSON, nobody throws it. */
import type { Origin } from '../../dsl/model.js';
import type { DiagnosticCode } from './catalogue.js';

export interface RelatedPlace {
  readonly origin: Origin;
  readonly message: string;
}

export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: 'error' | 'warning' | 'info';
  readonly origin: Origin;
  /** Last column marked, exclusive, when it is on another column than the origin's. */
  readonly end?: { readonly line: number; readonly column: number };
  readonly message: string;
  readonly expected?: string;
  readonly got?: string;
  readonly related: readonly RelatedPlace[];
  /** One sentence: what to do. */
  readonly fix?: string;
}
