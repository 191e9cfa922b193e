// A page in Chromium as an MCP client: page/ is the page, this serves it at an origin of its own, opens it, and presses its
// buttons. Everything that OAuth and MCP have to say is said by the page's own script, under the browser's rules. Only what a
// person would do at the pages of the authorization server is played by the test driver. Where the page has a relay it is first
// opened without.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { callerOf, isNew, loginURL, mcpURL, required, restart, software, unaided, walk } from '../lib/driver.mjs';

const origin = new URL(required('E2E_ORIGIN'));
await servePage();
const context = await openBrowser();
const page = await openPage(process.env.E2E_RELAY);

/** Serves the page, and the npm packages as they are. */
async function servePage() {
  const folders = { '/node_modules/': new URL('../../node_modules/', import.meta.url), '/': new URL('page/', import.meta.url) };
  const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, origin);
    const path = pathname === '/' || pathname === '/oauth/callback' ? '/index.html' : normalize(pathname);
    const [prefix, folder] = Object.entries(folders).find(([start]) => path.startsWith(start));
    const file = join(fileURLToPath(folder), path.slice(prefix.length));
    const found = await stat(file).then((entry) => entry.isFile(), () => false);
    if (!found) return response.writeHead(404).end();
    response.writeHead(200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Cache-Control': 'max-age=3600',
    });
    return createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => { server.listen(Number(origin.port), '127.0.0.1', resolve); });
  return server;
}

// No request may be intercepted: Playwright would answer the preflights of all others then, in place of the servers.
function openBrowser() {
  return chromium.launchPersistentContext(join(required('E2E_WORK'), 'profile'), {
    executablePath: required('E2E_CHROMIUM'),
    // Some servers have a certificate that this run made.
    ignoreHTTPSErrors: true,
    // Nothing but what the page does may reach the network.
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync',
    ],
  });
}

async function openPage(relay) {
  const opened = await context.newPage();
  opened.setDefaultTimeout(120_000);
  opened.on('pageerror', (error) => console.error(error));
  opened.on('console', (message) => console.error(`${message.type()} ${message.text()}`));
  opened.on('request', (request) => {
    if (request.resourceType() === 'fetch') console.error(`fetch ${request.method()} ${request.url().split('?', 1)[0]}`);
  });
  await opened.addInitScript((given) => { window.settings = given; }, { server: mcpURL.href, relay, auth: required('E2E_CLIENT_AUTH') });
  await opened.goto(origin.href);
  await opened.waitForFunction(() => window.mcp);
  return opened;
}

/** The user's way through the authorization server's pages, up to the redirect that ends it. */
async function logIn(authorization) {
  const answer = await fetch(loginURL, { method: 'POST', body: JSON.stringify({ url: authorization }) });
  const { redirect, error } = await answer.json();
  if (error) throw new Error(`login failed: ${error}`);
  return redirect;
}

/** What the browser says when the page connects without a relay, in a tab of its own. */
async function withoutRelay() {
  const alone = await openPage();
  const said = [];
  alone.on('console', (message) => { if (message.type() === 'error') said.push(message.text()); });
  const failure = await unaided(() => alone.evaluate((name) => window.mcp.connect(name), user));
  await alone.close();
  return [...said, failure].join('\n');
}

const press = (button, ...args) => page.evaluate(([name, rest]) => window.mcp[name](...rest), [button, args]);

/** Presses a button of the page, and logs in where that is what the page wants. */
async function pressAnyway(button, ...args) {
  const first = await press(button, ...args);
  if (!first.login) return first.done;
  await press('leave', await logIn(first.login));
  await page.waitForURL((url) => url.pathname === '/oauth/callback');
  await page.waitForFunction(() => window.mcp);
  await press('finish', args[0]);
  const second = await press(button, ...args);
  if (second.login) throw new Error('the page wants another login');
  return second.done;
}

const call = async (user, tool) => ({ caller: callerOf(await pressAnyway('call', user, tool)) });

const user = 'user';
await walk({
  'login': async () => {
    const alone = process.env.E2E_RELAY && await withoutRelay();
    const session = await pressAnyway('connect', user);
    const tokens = await press('tokens', user);
    return {
      client: software('@modelcontextprotocol/client'), ...session, chromium: context.browser()?.version(), unaided: alone,
      granted: tokens.scope?.split(' ').sort(), refresh_token: Boolean(tokens.refresh_token),
    };
  },
  'list': async () => ({ tools: await pressAnyway('list', user) }),
  'whoami': () => call(user, 'whoami'),
  'renew': async () => {
    await press('close', user);
    const held = await press('tokens', user);
    await press('saveTokens', user, { ...held, access_token: 'stale' });
    const called = await call(user, 'whoami');
    return { ...called, renewed: isNew(await press('tokens', user), held) };
  },
  'bad token': async () => {
    await press('saveTokens', 'stranger', { access_token: 'stale', token_type: 'Bearer' });
    return { login_required: Boolean((await press('connect', 'stranger')).login) };
  },
  'step-up': () => call(user, 'step_up'),
  'restart': async () => {
    await call(user, 'whoami');
    await restart();
    return call(user, 'whoami');
  },
});
