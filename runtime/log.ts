/** The daemon's own log: one JSON object a line, to standard error in the foreground, to a file otherwise. */
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';

export type { Logger };

export interface LogOptions {
  readonly verbose: boolean;
  /** Absent: standard error. */
  readonly file?: string | undefined;
}

/** Written synchronously: a daemon that may be killed at any moment must not lose the last lines. */
export function createLogger(options: LogOptions): Logger {
  const output = destination({ dest: options.file ?? 2, sync: true, mkdir: true });
  return pino(
    {
      name: 'netmilld',
      level: options.verbose ? 'debug' : 'info',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    output,
  );
}
