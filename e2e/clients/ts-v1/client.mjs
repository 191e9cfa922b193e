// The official TypeScript client, first generation.
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { software } from '../lib/driver.mjs';
import { journey } from '../lib/journey.mjs';

await journey({
  open: (url, authProvider) => ({
    client: new Client({ name: 'ts-v1', version: '1.0.0' }),
    transport: new StreamableHTTPClientTransport(url, { authProvider }),
  }),
  finish: (transport, callback) => transport.finishAuth(callback.get('code')),
  // The second generation sends this by itself. Without it Better Auth takes the client for a web application, and
  // refuses its loopback redirect.
  registration: { application_type: 'native' },
  software: software('@modelcontextprotocol/sdk'),
  loginRequired: (error) => error instanceof UnauthorizedError,
});
