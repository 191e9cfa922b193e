// An MCP client that is nothing but a page: it discovers, registers, logs in by navigation, exchanges the code and calls
// the tool whoami, all with fetch. It is opened as
//
//   /?server=MCP-SERVER&relay=BASE-OF-THE-RELAY
//
// and asks the authorization server itself where relay is missing. Its end is #result with data-outcome "called" and the
// user's id, or "failed" and the error.

const callback = `${location.origin}/oauth/callback`;
const form = 'application/x-www-form-urlencoded';

/** What must survive the navigation to the authorization server and back. */
const login = {
  save: (state) => sessionStorage.setItem('login', JSON.stringify(state)),
  take: () => {
    const state = JSON.parse(sessionStorage.getItem('login'));
    sessionStorage.removeItem('login');
    return state;
  },
};

let step = 'start';
function begin(name) {
  step = name;
  const item = document.createElement('li');
  item.textContent = name;
  document.querySelector('#steps').append(item);
}

function end(outcome, text) {
  const result = document.querySelector('#result');
  result.textContent = text;
  result.dataset.outcome = outcome;
  result.hidden = false;
}

/** OAuth for one MCP server: through the relay where there is one. Both functions answer {status, body}. */
function oauth({ server, relay }) {
  if (!relay) {
    const ask = async (url, init) => {
      const answer = await fetch(url, init);
      return { status: answer.status, body: await answer.json().catch(() => undefined) };
    };
    return {
      metadata: (url) => ask(url),
      post: (url, type, body) => ask(url, {
        method: 'POST', headers: { 'Content-Type': type },
        body: type === form ? new URLSearchParams(body) : JSON.stringify(body),
      }),
    };
  }
  return {
    metadata: async (url) => {
      const answer = await fetch(`${relay}/metadata?${new URLSearchParams({ serverUrl: server, url })}`);
      return { status: answer.status, body: await answer.json() };
    },
    post: async (url, type, body) => {
      const answer = await fetch(`${relay}/proxy`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ serverUrl: server, url, method: 'POST', headers: { 'Content-Type': type }, body }),
      });
      const relayed = await answer.json();
      if (!answer.ok) throw new Error(`the relay answers ${answer.status}: ${relayed.error}`);
      return relayed;
    },
  };
}

/** The body of an answer that must be a success. */
function succeeded({ status, body }) {
  if (status < 200 || status > 299 || !body) throw new Error(`status ${status}: ${body?.error_description ?? body?.error}`);
  return body;
}

const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => encode(crypto.getRandomValues(new Uint8Array(32)));

/** The forms in which an issuer's metadata may be published, as the MCP specification orders them. */
function issuerLocations(issuer) {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

async function discoverIssuer(ask, issuer) {
  for (const url of issuerLocations(issuer)) {
    const { status, body } = await ask.metadata(url);
    if (status !== 200) continue;
    if (body.issuer !== issuer) throw new Error('the metadata is for another issuer');
    return body;
  }
  throw new Error('no authorization server metadata');
}

async function logIn(settings) {
  const ask = oauth(settings);
  begin('ask the MCP server without a token');
  const refused = await postMCP(settings.server, undefined, { jsonrpc: '2.0', id: 0, method: 'ping' });
  const announced = /resource_metadata="([^"]+)"/.exec(refused.headers.get('WWW-Authenticate'))?.[1];
  if (refused.status !== 401 || !announced) throw new Error(`status ${refused.status} and no challenge`);

  begin('protected resource metadata');
  const resource = succeeded(await ask.metadata(announced));
  begin('authorization server metadata');
  const issuer = await discoverIssuer(ask, resource.authorization_servers[0]);

  begin('registration');
  const client = succeeded(await ask.post(issuer.registration_endpoint, 'application/json', {
    client_name: 'latchkey browser test', redirect_uris: [callback], application_type: 'native',
    grant_types: ['authorization_code'], response_types: ['code'], token_endpoint_auth_method: 'none',
  }));

  begin('authorization');
  const verifier = random();
  const state = {
    ...settings, verifier, state: random(), clientId: client.client_id,
    issuer: issuer.issuer, tokenEndpoint: issuer.token_endpoint, resource: resource.resource,
  };
  login.save(state);
  const target = new URL(issuer.authorization_endpoint);
  target.search = new URLSearchParams({
    response_type: 'code', client_id: state.clientId, redirect_uri: callback, state: state.state,
    scope: resource.scopes_supported.join(' '), resource: state.resource,
    code_challenge: encode(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))),
    code_challenge_method: 'S256',
  });
  location.assign(target);
}

async function finish(answer) {
  begin('callback');
  const state = login.take();
  if (!state || answer.get('state') !== state.state) throw new Error('the callback belongs to no login of this page');
  if (!answer.has('code')) throw new Error(`${answer.get('error')}: ${answer.get('error_description')}`);
  if (answer.has('iss') && answer.get('iss') !== state.issuer) throw new Error('the callback is of another issuer');
  // The code is of no further use, and pages get bookmarked.
  history.replaceState(null, '', location.pathname);

  begin('token');
  const tokens = succeeded(await oauth(state).post(state.tokenEndpoint, form, {
    grant_type: 'authorization_code', code: answer.get('code'), code_verifier: state.verifier,
    client_id: state.clientId, redirect_uri: callback, resource: state.resource,
  }));

  begin('call whoami');
  end('called', (await whoami(state.server, tokens.access_token)).user.userId);
}

const protocol = '2025-06-18';

function postMCP(server, token, message) {
  const headers = {
    'Content-Type': 'application/json', 'Accept': 'application/json, text/event-stream', 'MCP-Protocol-Version': protocol,
  };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(server, { method: 'POST', headers, body: JSON.stringify(message) });
}

async function call(server, token, message) {
  const answer = await postMCP(server, token, { jsonrpc: '2.0', ...message });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`the MCP server answers ${answer.status}`);
  if (message.id === undefined) return undefined;
  const stream = answer.headers.get('Content-Type').startsWith('text/event-stream');
  const { result, error } = JSON.parse(stream ? /^data: ?(\{.*)$/m.exec(text)[1] : text);
  if (error || result.isError) throw new Error(error?.message ?? result.content[0].text);
  return result;
}

async function whoami(server, token) {
  await call(server, token, {
    id: 1, method: 'initialize',
    params: { protocolVersion: protocol, capabilities: {}, clientInfo: { name: 'browser', version: '1.0.0' } },
  });
  await call(server, token, { method: 'notifications/initialized' });
  const result = await call(server, token, { id: 2, method: 'tools/call', params: { name: 'whoami', arguments: {} } });
  return JSON.parse(result.content.find((part) => part.type === 'text').text);
}

document.querySelector('#origin').textContent = location.origin;
const query = new URLSearchParams(location.search);
const task = location.pathname === '/oauth/callback'
  ? finish(query)
  : logIn({ server: query.get('server'), relay: query.get('relay') });
task.catch((error) => end('failed', `${step}: ${error}`));
