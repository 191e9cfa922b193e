// The journey of a client that uses the official TypeScript SDK. The adapter says how its generation spells things:
//   open(url, provider)          → { client, transport }, not connected
//   finish(transport, callback)  → hands the parameters of the OAuth callback over
//   loginRequired(error)         → is this the error that asks for a login?
//   registration                 → what the application must add to its client metadata
//   software                     → the SDK's name and version
import { callerOf, isNew, loginURL, mcpURL, restart, walk } from './driver.mjs';
import { MemoryProvider } from './provider.mjs';

const scopesOf = (provider) => provider.saved?.scope?.split(' ').sort();

export async function journey(adapter) {
  let client;
  const provider = new MemoryProvider(loginURL, adapter.registration);

  /** Connects, logging in where the server asks for it; once at most. */
  async function connect(as) {
    const first = adapter.open(mcpURL, as);
    try {
      await first.client.connect(first.transport);
      return first.client;
    } catch (error) {
      if (!adapter.loginRequired(error)) throw error;
    }
    await adapter.finish(first.transport, as.callback);
    await first.client.close();
    const second = adapter.open(mcpURL, as);
    await second.client.connect(second.transport);
    return second.client;
  }

  const call = async (connection, name) => callerOf(await connection.callTool({ name, arguments: {} }));

  async function whoami(as) {
    const connection = await connect(as);
    const caller = await call(connection, 'whoami');
    await connection.close();
    return caller;
  }

  /** Calls a tool in a session that is open, logging in where the server asks for it. */
  async function callAnyway({ client: connection, transport }, as, name) {
    try {
      return await call(connection, name);
    } catch (error) {
      if (!adapter.loginRequired(error)) throw error;
    }
    await adapter.finish(transport, as.callback);
    return call(connection, name);
  }

  /** With a stale access token the SDK must get a new one by itself: by refresh token, or by a login. */
  async function renew(as) {
    const before = as.saved;
    as.saved = { ...before, access_token: 'stale' };
    const caller = await whoami(as);
    return { refresh_token: Boolean(before.refresh_token), caller, renewed: isNew(as.saved, before) };
  }

  await walk({
    'login': async () => {
      client = await connect(provider);
      return {
        client: adapter.software,
        granted: scopesOf(provider),
        refresh_token: Boolean(provider.saved.refresh_token),
        protocol: client.getNegotiatedProtocolVersion?.(),
        server: client.getServerVersion(),
      };
    },
    'list': async () => ({ tools: (await client.listTools()).tools.map((tool) => tool.name) }),
    'whoami': async () => {
      const caller = await call(client, 'whoami');
      await client.close();
      return { caller };
    },
    'renew': () => renew(provider),
    // An SDK that asks for no refresh token uses one where its application asked.
    'refresh': async () => {
      const offline = new MemoryProvider(loginURL, { ...adapter.registration, offlineAccess: true });
      await (await connect(offline)).close();
      const loggedIn = await renew(offline);
      return { ...loggedIn, granted: scopesOf(offline) };
    },
    'bad token': async () => {
      const refused = new MemoryProvider(loginURL, adapter.registration);
      refused.saved = { access_token: 'stale', token_type: 'Bearer' };
      const attempt = adapter.open(mcpURL, refused);
      return { login_required: await attempt.client.connect(attempt.transport).then(() => false, adapter.loginRequired) };
    },
    'step-up': async () => {
      const held = scopesOf(provider);
      const session = adapter.open(mcpURL, provider);
      await session.client.connect(session.transport);
      try {
        const caller = await callAnyway(session, provider, 'step_up');
        return { caller, held, granted: scopesOf(provider) };
      } finally {
        await session.client.close();
      }
    },
    'restart': async () => {
      const session = adapter.open(mcpURL, provider);
      await session.client.connect(session.transport);
      await call(session.client, 'whoami');
      await restart();
      const caller = await callAnyway(session, provider, 'whoami');
      await session.client.close();
      return { caller };
    },
  });
}
