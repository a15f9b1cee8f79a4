/** netmilld's command line. */
import { isAbsolute, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { MillError } from './errors.js';
import { DEFAULT_RUNDIR } from './paths.js';

export interface DaemonOptions {
  /** Absolute path of a policy file or a bundle directory. */
  readonly source: string;
  readonly foreground: boolean;
  readonly rundir: string;
  /** Absent: beside everything else when --rundir was given, else as the policy says. */
  readonly socket: string | undefined;
  readonly pidfile: string | undefined;
  readonly verbose: boolean;
}

export const usage = `netmilld: the netmill daemon

  netmilld POLICY_OR_BUNDLE [--foreground] [--rundir DIR] [-s SOCKET] [--pidfile FILE] [-v]

POLICY_OR_BUNDLE   a policy file, or a directory that 'netmill build' made
--foreground       stay, and log to standard error; otherwise the command returns when packets are forwarded
--rundir DIR       engine socket, generations, logs; ${DEFAULT_RUNDIR} when not given. Sockets and pidfile move there too
-s, --socket PATH  control socket; else the policy's, else DIR/netmill.sock
--pidfile FILE     else the policy's, else DIR/netmilld.pid
-v, --verbose      log more

An engine that already runs in DIR is taken over as it is: no packet is lost by stopping or killing netmilld
with SIGKILL and starting it again. SIGTERM hands the ports back; SIGHUP deploys the policy again.

Exit codes: 0 stopped, 64 usage, 65 policy refused, 66 no such file, 69 no engine, 70 internal, 71 refused by the system, 75 runs already, 77 not permitted
`;

export type ParsedOptions =
  | { readonly kind: 'run'; readonly options: DaemonOptions }
  | { readonly kind: 'show'; readonly what: 'help' | 'version' };

/** @throws MillError `usage` */
export function parseDaemonOptions(argv: readonly string[], cwd: string): ParsedOptions {
  const { values, positionals } = parse(argv);
  if (values.help) return { kind: 'show', what: 'help' };
  if (values.version) return { kind: 'show', what: 'version' };
  const [source, more] = positionals;
  if (source === undefined || more !== undefined) {
    throw new MillError(
      'usage',
      `expected one policy or bundle, got ${positionals.length}`,
      'see netmilld --help',
    );
  }
  const rundir = resolve(cwd, values.rundir ?? DEFAULT_RUNDIR);
  const moved = values.rundir !== undefined;
  const path = (given: string | undefined, name: string): string | undefined =>
    given !== undefined ? absolute(given, cwd) : moved ? `${rundir}/${name}` : undefined;
  return {
    kind: 'run',
    options: {
      source: absolute(source, cwd),
      foreground: values.foreground ?? false,
      rundir,
      socket: path(values.socket, 'netmill.sock'),
      pidfile: path(values.pidfile, 'netmilld.pid'),
      verbose: values.verbose ?? false,
    },
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        foreground: { type: 'boolean' },
        rundir: { type: 'string' },
        socket: { type: 'string', short: 's' },
        pidfile: { type: 'string' },
        verbose: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    });
  } catch (error) {
    // What Node adds is how to name a file like an option.
    const [message] = (error as Error).message.split('. ');
    throw new MillError('usage', message!, 'see netmilld --help');
  }
}

function absolute(path: string, cwd: string): string {
  return isAbsolute(path) ? path : resolve(cwd, path);
}
