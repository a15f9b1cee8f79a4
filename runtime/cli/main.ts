#!/usr/bin/env node
/** netmill: the command. */
import { runProgram } from './program.js';

// A reader that has seen enough (`netmill route | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

runProgram(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
