#!/usr/bin/env node
/** netmill: the command. */
import { exits } from '../exit-codes.js';
import { runProgram } from './program.js';

// A reader that has seen enough (`netmill route | head`) is no error; a file on a full disk is one.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exits.ok);
  process.stderr.write(`netmill: standard output cannot be written to: ${error.message}\n`);
  process.exit(exits.system);
});
// Nobody is left to be told.
process.stderr.on('error', () => undefined);

runProgram(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
