// mcp-remote: a local stdio server for hosts that cannot log in themselves. The host is the official TypeScript client.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { browser, callerOf, installed, isNew, mcpURL, required, restart, software, walk } from '../lib/driver.mjs';

const program = installed('mcp-remote/dist/proxy.js');
const config = join(required('E2E_WORK'), 'mcp-remote');

// By itself mcp-remote derives the port of its callback from the server's URL. Where somebody has that port already it listens
// at the next, and sends the browser to the first all the same.
const callbackPort = required('E2E_CALLBACK_PORT');

/** Runs mcp-remote for as long as `use` takes. */
async function host(use) {
  const client = new Client({ name: 'host-of-mcp-remote', version: '1.0.0' });
  await client.connect(new StdioClientTransport({
    command: process.execPath,
    args: [program, mcpURL.href, callbackPort, '--transport', 'http-only', '--auth-timeout', '120'],
    env: { ...process.env, MCP_REMOTE_CONFIG_DIR: config, BROWSER: browser },
    stderr: 'inherit',
  }));
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const call = async (client, name) => callerOf(await client.callTool({ name, arguments: {} }));
const whoami = (client) => call(client, 'whoami');

/** Finds the file in which mcp-remote keeps tokens. */
async function tokenFile() {
  const files = await readdir(config, { recursive: true });
  return join(config, files.find((file) => file.endsWith('tokens.json')));
}

const tokens = async () => JSON.parse(await readFile(await tokenFile(), 'utf8'));

async function saveTokens(changed) {
  await writeFile(await tokenFile(), JSON.stringify(changed));
}

await walk({
  'login': () => host(async (client) => {
    const held = await tokens();
    return {
      client: software('mcp-remote'),
      granted: held.scope?.split(' ').sort(),
      refresh_token: Boolean(held.refresh_token),
      server: client.getServerVersion(),
    };
  }),
  'list': () => host(async (client) => ({ tools: (await client.listTools()).tools.map((tool) => tool.name) })),
  'whoami': () => host(async (client) => ({ caller: await whoami(client) })),
  'renew': async () => {
    const held = await tokens();
    await saveTokens({ ...held, access_token: 'stale' });
    const caller = await host(whoami);
    return { caller, renewed: isNew(await tokens(), held) };
  },
  'bad token': async () => {
    const { refresh_token: _, ...held } = await tokens();
    await saveTokens({ ...held, access_token: 'stale' });
    return { caller: await host(whoami) };
  },
  'step-up': () => host(async (client) => ({ caller: await call(client, 'step_up') })),
  'restart': () => host(async (client) => {
    await whoami(client);
    await restart();
    return { caller: await whoami(client) };
  }),
});
