// A Better Auth server as an application would set it up for MCP clients: OAuth provider plugin, JWT plugin, dynamic
// registration, one user. It speaks to the test driver through its environment (in) and one JSON line (out).
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { deserialize, serialize } from 'node:v8';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { jwt } from 'better-auth/plugins';
import { oauthProvider, oauthProviderAuthServerMetadata } from '@better-auth/oauth-provider';

const port = Number(required('E2E_PORT'));
const resources = required('E2E_RESOURCES').split(' ');
const algorithm = process.env.E2E_ALGORITHM ?? 'EdDSA';
const stateFile = process.env.E2E_STATE;
const origin = `http://127.0.0.1:${port}`;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

const tables = [
  'user', 'session', 'account', 'verification', 'rateLimit', 'jwks',
  'oauthClient', 'oauthResource', 'oauthClientResource', 'oauthRefreshToken', 'oauthAccessToken', 'oauthConsent',
  'oauthClientAssertion',
];

// What the server knows, in place of a database: kept in a file over a restart, if there is one.
const known = Boolean(stateFile) && existsSync(stateFile);
const database = known ? deserialize(readFileSync(stateFile)) : Object.fromEntries(tables.map((name) => [name, []]));

const auth = betterAuth({
  baseURL: origin,
  basePath: '/api/auth',
  secret: required('E2E_SECRET'),
  database: memoryAdapter(database),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  disabledPaths: ['/token'],
  plugins: [
    jwt({
      disableSettingJwtHeader: true,
      jwks: { keyPairConfig: algorithm === 'EdDSA' ? { alg: 'EdDSA', crv: 'Ed25519' } : { alg: algorithm } },
    }),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      // notes:write is a scope of the application's own.
      scopes: ['openid', 'profile', 'email', 'offline_access', 'notes:write'],
      allowDynamicClientRegistration: true,
      allowUnauthenticatedClientRegistration: true,
      resources,
      clientRegistrationDefaultResources: resources,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
});

if (!known) {
  await auth.api.signUpEmail({
    body: { name: 'Ada Lovelace', email: required('E2E_EMAIL'), password: required('E2E_PASSWORD') },
  });
}
const [user] = database.user;

// Better Auth leaves the pages to the application.
const page = (name) => readFile(new URL(name, import.meta.url));
const pages = new Map([['/login', await page('login.html')], ['/consent', await page('consent.html')]]);

// RFC 8414 puts the well-known segment before the issuer's path, outside the plugin's base path, so an application
// routes it by hand.
const metadata = oauthProviderAuthServerMetadata(auth);
const handler = toNodeHandler(auth);
const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, origin);
  response.once('finish', () => console.error(`${request.method} ${pathname} ${response.statusCode}`));
  if (pathname === '/.well-known/oauth-authorization-server/api/auth') {
    const answer = await metadata(new Request(new URL(request.url, origin)));
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(await answer.text());
    return;
  }
  if (pathname.startsWith('/api/auth/')) return handler(request, response);
  if (pages.has(pathname)) {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(pages.get(pathname));
    return;
  }
  response.writeHead(404).end();
});
server.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ ready: true, userId: user.id })));
process.once('SIGTERM', () => {
  server.close(() => {
    if (stateFile) writeFileSync(stateFile, serialize(database), { mode: 0o600 });
    process.exit(0);
  }).closeAllConnections();
});
