// An MCP client that lives in a page: the official TypeScript SDK, second generation, as npm has it, with no bundler in
// between. What must survive the navigation to the authorization server and back is in sessionStorage. client.mjs calls the
// functions of window.mcp, as a person would press buttons, and sets window.settings: the MCP server, and perhaps its relay.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';

const { settings } = window;

/** An OAuthClientProvider in sessionStorage. Nothing is shared between users, whom names tell apart. */
class PageProvider {
  constructor(user) {
    this.user = user;
  }

  get(key) {
    return JSON.parse(sessionStorage.getItem(`${this.user} ${key}`)) ?? undefined;
  }

  set(key, value) {
    if (value === undefined) sessionStorage.removeItem(`${this.user} ${key}`);
    else sessionStorage.setItem(`${this.user} ${key}`, JSON.stringify(value));
  }

  get redirectUrl() {
    return `${location.origin}/oauth/callback`;
  }

  get clientMetadata() {
    return {
      client_name: 'latchkey end-to-end test', redirect_uris: [this.redirectUrl], response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: settings.auth,
    };
  }

  state() {
    this.set('state', crypto.randomUUID());
    return this.get('state');
  }

  clientInformation() { return this.get('client'); }
  saveClientInformation(information) { this.set('client', information); }
  tokens() { return this.get('tokens'); }
  saveTokens(tokens) { this.set('tokens', tokens); }
  codeVerifier() { return this.get('verifier'); }
  saveCodeVerifier(verifier) { this.set('verifier', verifier); }
  discoveryState() { return this.get('discovery'); }
  saveDiscoveryState(state) { this.set('discovery', state); }

  invalidateCredentials(scope) {
    for (const key of ['client', 'tokens', 'verifier', 'discovery']) {
      if (scope === 'all' || scope === key) this.set(key, undefined);
    }
  }

  /** The page does not leave by itself: client.mjs has the user log in, and sends the page to where that ends. */
  redirectToAuthorization(url) {
    this.target = String(url);
  }
}

/** fetch, for a page that may not read what the authorization server answers: the MCP server's relay asks in its place. */
async function throughRelay(url, init = {}) {
  const { server, relay } = settings;
  if (new URL(url).origin === new URL(server).origin) return fetch(url, init);
  const method = init.method ?? 'GET';
  if (method === 'GET') return fetch(`${relay}/metadata?${new URLSearchParams({ serverUrl: server, url: String(url) })}`);
  const headers = Object.fromEntries(new Headers(init.headers));
  const form = headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  const body = form ? Object.fromEntries(new URLSearchParams(init.body)) : JSON.parse(init.body);
  const answer = await fetch(`${relay}/proxy`, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ serverUrl: server, url: String(url), method, headers, body }),
  });
  const relayed = await answer.json();
  if (!answer.ok) throw new Error(`the relay answers ${answer.status}: ${relayed.error}`);
  return Response.json(relayed.body, { status: relayed.status });
}

const providers = {};
const sessions = {};

function open(user) {
  const provider = (providers[user] ??= new PageProvider(user));
  const options = { authProvider: provider, ...settings.relay && { fetch: throughRelay } };
  const transport = new StreamableHTTPClientTransport(new URL(settings.server), options);
  const client = new Client({ name: 'browser', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } });
  return { provider, transport, client };
}

/** Does something with the user's session, or answers where the user has to log in. */
async function attempt(user, use) {
  try {
    if (!sessions[user]) {
      const session = open(user);
      await session.client.connect(session.transport);
      sessions[user] = session;
    }
    return { done: await use(sessions[user].client) };
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error;
    return { login: providers[user].target };
  }
}

window.mcp = {
  connect: (user) => attempt(user, (client) => ({
    protocol: client.getNegotiatedProtocolVersion(), server: client.getServerVersion(),
  })),
  list: (user) => attempt(user, async (client) => (await client.listTools()).tools.map((tool) => tool.name)),
  call: (user, name) => attempt(user, (client) => client.callTool({ name, arguments: {} })),

  /** What the page does when the authorization server sends the user back. */
  async finish(user) {
    const answer = new URLSearchParams(location.search);
    history.replaceState(null, '', location.pathname); // the code is of no further use, and pages get bookmarked
    const { provider, transport } = open(user);
    if (answer.get('state') !== provider.get('state')) throw new Error('the callback carries another state');
    if (answer.has('error')) throw new Error(`login refused: ${answer.get('error')}: ${answer.get('error_description')}`);
    await transport.finishAuth(answer);
  },

  async close(user) {
    await sessions[user]?.client.close();
    delete sessions[user];
  },

  tokens: (user) => new PageProvider(user).tokens(),
  saveTokens: (user, tokens) => new PageProvider(user).saveTokens(tokens),
  leave: (target) => location.assign(target),
};
document.querySelector('#origin').textContent = location.origin;
