// The Inspector's command line: one process per request, tokens kept in between.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { browser, callerOf, installed, isNew, mcpURL, required, restart, software, unaided, walk } from '../lib/driver.mjs';

const program = installed('@modelcontextprotocol/inspector/clients/launcher/build/index.js');
const storage = join(required('E2E_WORK'), 'inspector');

// Its configuration, in which a user may name scopes.
const servers = join(required('E2E_WORK'), 'mcp.json');
const configure = (oauth) => writeFile(servers, JSON.stringify({
  mcpServers: { server: { type: 'streamable-http', url: mcpURL.href, ...oauth && { oauth } } },
}));
await configure();

async function inspect(...args) {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    program, '--cli', '--config', servers, '--server', 'server', '--format', 'json', '--connect-timeout', '60000', '--protocol-era', 'auto',
    '--callback-url', `http://127.0.0.1:${required('E2E_CALLBACK_PORT')}/oauth/callback`, ...args,
  ], {
    env: {
      ...process.env, HOME: required('E2E_WORK'), MCP_STORAGE_DIR: storage, MCP_INSPECTOR_SECRET_STORE: 'file',
      // Without a terminal it logs in only when told that a browser can be opened.
      MCP_AUTO_OPEN_ENABLED: 'true', BROWSER: browser, NO_COLOR: '1',
    },
    timeout: 180_000,
  });
  console.error(stderr);
  return JSON.parse(stdout).result;
}

const list = async () => (await inspect('--method', 'tools/list')).tools.map((tool) => tool.name);
const call = async (tool, ...args) => callerOf(await inspect('--method', 'tools/call', '--tool-name', tool, ...args));
const whoami = () => call('whoami');

/** Reads the tokens in the Inspector's store, and may change them then. */
async function tokens(change) {
  const file = join(storage, 'secrets.json');
  const store = JSON.parse(await readFile(file, 'utf8'));
  const name = Object.keys(store.secrets).find((key) => key.includes(':tokens:'));
  const held = JSON.parse(store.secrets[name]);
  if (change) {
    store.secrets[name] = JSON.stringify(change(held));
    await writeFile(file, JSON.stringify(store));
  }
  return held;
}

await walk({
  'login': async () => {
    await list();
    const held = await tokens();
    return { client: software('@modelcontextprotocol/inspector'), granted: held.scope?.split(' ').sort(), refresh_token: Boolean(held.refresh_token) };
  },
  'list': async () => ({ tools: await list() }),
  'whoami': async () => ({ caller: await whoami() }),
  'renew': async () => {
    const held = await tokens((before) => ({ ...before, access_token: 'stale' }));
    const caller = await whoami();
    return { caller, renewed: isNew(await tokens(), held) };
  },
  'bad token': async () => {
    await tokens(({ refresh_token: _, ...held }) => ({ ...held, access_token: 'stale' }));
    return { caller: await whoami() };
  },
  // Refused with insufficient_scope, this version renews its token and gives up. Its user adds the scope to the configuration
  // and logs in anew.
  'step-up': async () => {
    const failure = await unaided(() => call('step_up'));
    const held = await tokens();
    await configure({ scopes: `${held.scope} ${required('E2E_STEP_UP_SCOPE')}` });
    return { unaided: failure, caller: await call('step_up', '--relogin') };
  },
  // Each call is a process of its own, so there is no session to outlive the restart: the tokens do.
  'restart': async () => {
    await whoami();
    await restart();
    return { caller: await whoami() };
  },
});
