/** `node --import netmill/register`: TypeScript in an operator's tests, with Node's own test runner. */
import { register } from 'node:module';

register('./hooks.js', import.meta.url);
