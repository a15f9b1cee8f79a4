/** An error that an operator can read: what went wrong, and what to do about it. It crosses the control socket as data. */

export type ErrorCode =
  | 'usage' // the request makes no sense
  | 'policy' // the policy, or the bundle, is wrong
  | 'not-found'
  | 'permission'
  | 'unavailable' // no daemon, no engine
  | 'busy' // try again
  | 'frame' // the stream is not our protocol
  | 'engine' // the engine refused
  | 'system' // the operating system refused
  | 'internal'; // a bug of ours

export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix?: string | undefined;
  /** Lines that belong below the message: diagnostics of a policy. */
  readonly details?: string | undefined;
}

export class MillError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;
  readonly details: string | undefined;

  constructor(code: ErrorCode, message: string, fix?: string, details?: string) {
    super(message);
    this.name = 'MillError';
    this.code = code;
    this.fix = fix;
    this.details = details;
  }
}

/** errno names that mean "the operator lacks a right", whatever the system call. */
const permissionErrnos: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

export function errorData(thrown: unknown): ErrorData {
  if (thrown instanceof MillError) {
    return { code: thrown.code, message: thrown.message, fix: thrown.fix, details: thrown.details };
  }
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const errno = (error as NodeJS.ErrnoException).code;
  if (errno === undefined) return { code: 'internal', message: error.message, details: error.stack };
  if (permissionErrnos.has(errno)) return { code: 'permission', message: error.message };
  return { code: errno === 'EAGAIN' || errno === 'EBUSY' ? 'busy' : 'system', message: error.message };
}

export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** errno name of a system error, '' for anything else. */
export function errnoOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
