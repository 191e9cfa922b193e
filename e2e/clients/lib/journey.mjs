// The one journey that every TypeScript client makes. It prints a JSON line per step, `{"step": …, "ok": …, …}`, and
// never a token. The adapter says how its generation of the SDK spells things:
//   open(url, provider)          → { client, transport }, not connected
//   finish(transport, callback)  → hands the parameters of the OAuth callback over
//   loginRequired(error)         → is this the error that asks for a login?
//   registration                 → what the application must add to its client metadata
import { MemoryProvider } from './provider.mjs';

const mcpURL = new URL(required('E2E_MCP_URL'));
const loginURL = required('E2E_LOGIN_URL');
const stepUpURL = process.env.E2E_STEPUP_URL;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function report(step, facts) {
  console.log(JSON.stringify({ step, ok: true, ...facts }));
}

function scopesOf(provider) {
  return provider.saved?.scope?.split(' ').sort();
}

/** Connects, logging in where the server asks for it; one login at most. */
async function connect(adapter, provider) {
  const first = adapter.open(mcpURL, provider);
  try {
    await first.client.connect(first.transport);
    return first.client;
  } catch (error) {
    if (!adapter.loginRequired(error)) throw error;
  }
  await adapter.finish(first.transport, provider.callback);
  await first.client.close();
  const second = adapter.open(mcpURL, provider);
  await second.client.connect(second.transport);
  return second.client;
}

async function whoami(client) {
  const result = await client.callTool({ name: 'whoami', arguments: {} });
  if (result.isError) throw new Error(`whoami failed: ${JSON.stringify(result.content)}`);
  return JSON.parse(result.content.find((part) => part.type === 'text').text);
}

async function challenge(token) {
  const answer = await fetch(mcpURL, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  return { status: answer.status, challenge: answer.headers.get('www-authenticate'), body: await answer.json() };
}

/** A stale access token: the SDK must get a new one by itself (refresh token) or ask for a login. */
async function renew(adapter, provider) {
  const before = provider.saved.access_token;
  const logins = provider.logins;
  const refreshable = Boolean(provider.saved.refresh_token);
  provider.saved = { ...provider.saved, access_token: 'stale' };
  const client = await connect(adapter, provider);
  const caller = await whoami(client);
  await client.close();
  return {
    refresh_token: refreshable,
    how: provider.logins === logins ? 'refreshed' : 'logged in again',
    new_token: provider.saved.access_token !== before,
    caller,
  };
}

export async function journey(adapter) {
  let step = 'challenge';
  try {
    report(step, await challenge());

    step = 'login';
    const provider = new MemoryProvider(loginURL, adapter.registration);
    const client = await connect(adapter, provider);
    report(step, {
      registrations: provider.registrations,
      logins: provider.logins,
      asked: provider.authorizeURL.searchParams.get('scope')?.split(' ').sort(),
      resource: provider.authorizeURL.searchParams.get('resource'),
      granted: scopesOf(provider),
      refresh_token: Boolean(provider.saved.refresh_token),
      protocol: client.getNegotiatedProtocolVersion?.(),
      server: client.getServerVersion(),
    });

    step = 'list';
    report(step, { tools: (await client.listTools()).tools.map((tool) => tool.name) });

    step = 'whoami';
    report(step, { caller: await whoami(client) });
    await client.close();

    step = 'renew';
    report(step, await renew(adapter, provider));

    // An application may ask for offline_access itself where its SDK does not.
    step = 'refresh';
    const offline = new MemoryProvider(loginURL, { ...adapter.registration, offlineAccess: true });
    await (await connect(adapter, offline)).close();
    report(step, await renew(adapter, offline));

    step = 'bad token';
    const refused = new MemoryProvider(loginURL, adapter.registration);
    refused.saved = { access_token: 'stale', token_type: 'Bearer' };
    const attempt = adapter.open(mcpURL, refused);
    const asked = await attempt.client.connect(attempt.transport).then(() => false, adapter.loginRequired);
    report(step, { login_required: asked, ...(await challenge('stale')) });

    if (stepUpURL) {
      step = 'step-up';
      const held = scopesOf(provider);
      const answer = await fetch(stepUpURL, { method: 'POST' });
      if (!answer.ok) throw new Error(`the driver did not raise the requirement: ${answer.status}`);
      const logins = provider.logins;
      const raised = await connect(adapter, provider);
      const caller = await whoami(raised);
      await raised.close();
      report(step, { logins: provider.logins - logins, held, granted: scopesOf(provider), caller });
    }
  } catch (error) {
    console.log(JSON.stringify({ step, ok: false, error: String(error?.message ?? error), kind: error?.name }));
    console.error(error);
    process.exitCode = 1;
  }
  // Reconnection timers of a closed transport would keep the process alive.
  setTimeout(() => process.exit(), 1000).unref();
}
