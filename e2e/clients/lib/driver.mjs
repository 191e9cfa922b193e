// What every client tells the test driver, and asks it. The contract is in clients/README.md.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const mcpURL = new URL(required('E2E_MCP_URL'));
export const loginURL = required('E2E_LOGIN_URL');

/** What BROWSER names for clients that start a browser. */
export const browser = fileURLToPath(new URL('browser.mjs', import.meta.url));

/** The path of a file in an npm package that is a program, not a library. */
export const installed = (file) => fileURLToPath(new URL(`../../node_modules/${file}`, import.meta.url));

/** The value of an environment variable that the driver must set. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

async function ask(path, method) {
  const answer = await fetch(new URL(path, loginURL), { method });
  const body = await answer.json();
  if (!answer.ok) throw new Error(`the test driver refuses ${path}: ${body.error}`);
  return body;
}

/** Restarts the MCP server. */
export const restart = () => ask('restart', 'POST');

/** An npm package and its version, as it is installed. */
export const software = (name) => {
  const { version } = JSON.parse(readFileSync(installed(`${name}/package.json`), 'utf8'));
  return { name, version };
};

const messageOf = (error) => String(error?.message ?? error);

/**
 * Runs the steps of E2E_STEPS and prints a line for each, until one fails that is not in E2E_FAILS. A step's function returns
 * the facts to print.
 */
export async function walk(steps) {
  const foretold = (process.env.E2E_FAILS ?? '').split(',');
  for (const step of required('E2E_STEPS').split(',')) {
    const before = await ask('count', 'GET');
    const facts = await steps[step]().then((found) => ({ ok: true, ...found }), (error) => {
      console.error(error);
      return { ok: false, error: messageOf(error), kind: error?.name };
    });
    const after = await ask('count', 'GET');
    const counts = { logins: after.logins - before.logins, refused: after.refused - before.refused };
    console.log(JSON.stringify({ step, ...counts, ...facts }));
    if (!facts.ok && !foretold.includes(step)) {
      process.exitCode = 1;
      break;
    }
  }
  // Timers of a closed transport, such as those for reconnecting, would keep the process alive.
  process.exit();
}

/** What an attempt without any help fails with. Where it does not fail, the help is of no use any more. */
export const unaided = (attempt) => attempt().then(() => { throw new Error('this goes well without help'); }, messageOf);

/** Tells whether an access token is neither the earlier one nor the stale one that took its place. */
export const isNew = (tokens, before) => ![undefined, 'stale', before.access_token].includes(tokens?.access_token);

/** The answer of the tools whoami and step_up. */
export function callerOf(result) {
  if (result.isError) throw new Error(`the tool failed: ${JSON.stringify(result.content)}`);
  return JSON.parse(result.content.find((part) => part.type === 'text').text);
}
