// node-oidc-provider, which is OpenID certified, with its own development pages for login and consent. It is set up in one
// of two ways: for MCP clients, with dynamic registration and resource indicators; or for applications that somebody
// registered (E2E_APPLICATIONS), each with an audience for its JWT access tokens and no other resource indicators. It speaks
// to the test driver through its environment (in) and one JSON line (out).
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const port = Number(required('E2E_PORT'));
const applications = JSON.parse(process.env.E2E_APPLICATIONS ?? '[]');
const resources = applications.length > 0 ? [] : required('E2E_RESOURCES').split(' ');
const algorithm = process.env.E2E_ALGORITHM ?? 'RS256';
const opaque = process.env.E2E_FORMAT === 'opaque';
const issuer = `http://127.0.0.1:${port}`;
const scopes = ['openid', 'profile', 'email', 'offline_access', 'notes:write'];

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

/** The audience of an application's tokens, which it cannot choose. */
const audienceOf = (client) => applications.find(({ id }) => id === client.clientId)?.audience;

const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: algorithm, use: 'sig', kid: 'only' };
if (process.env.E2E_KEY_NAMES_NO_ALGORITHM) delete key.alg;

// The resource server, which may ask about tokens (RFC 7662).
const introspector = {
  client_id: 'resource-server', client_secret: required('E2E_INTROSPECTION_SECRET'),
  redirect_uris: [], response_types: [], grant_types: [],
};

// A client that registers with a scope is held to it (RFC 7591 section 2). A client asks for the scopes that it needs first,
// so the server's policy widens what it registers with by what it may step up to.
const stepUp = 'notes:write';
const scopePolicy = {
  properties: ['step_up'],
  validator: (_, __, ___, metadata) => {
    if (metadata.scope && !metadata.scope.split(' ').includes(stepUp)) metadata.scope += ` ${stepUp}`;
  },
};

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: [required('E2E_SECRET')] },
  scopes,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, name: 'Ada Lovelace', email: 'ada@example.com', email_verified: true }),
  }),
  clients: [introspector, ...applications.map(({ id, secret, redirectURI }) => ({
    client_id: id,
    client_secret: secret,
    client_name: id,
    redirect_uris: [redirectURI],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
  }))],
  clientDefaults: { id_token_signed_response_alg: algorithm },
  extraClientMetadata: scopePolicy,
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  // The library fetches client documents from public addresses only; those of these tests are on loopback.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  features: {
    clientIdMetadataDocument: { enabled: Boolean(process.env.E2E_DOCUMENTS), ack: 'draft-02' },
    devInteractions: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_, client) => client.clientId === introspector.client_id },
    registration: { enabled: applications.length === 0 },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      defaultResource: (_, client) => audienceOf(client),
      getResourceServerInfo: (_, resource, client) => {
        if (![...resources, audienceOf(client)].includes(resource)) throw new errors.InvalidTarget();
        return { scope: scopes.join(' '), audience: resource, accessTokenFormat: opaque ? 'opaque' : 'jwt', jwt: { sign: { alg: algorithm } } };
      },
    },
  },
});

const callback = provider.callback();
const server = createServer((request, response) => {
  response.once('finish', () => {
    console.error(`${request.method} ${new URL(request.url, issuer).pathname.replace(/interaction\/.*/, 'interaction/…')} ${response.statusCode}`);
  });
  return callback(request, response);
});
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true })));
process.once('SIGTERM', () => server.close(() => process.exit(0)).closeAllConnections());
