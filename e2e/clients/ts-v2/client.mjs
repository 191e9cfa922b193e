// The official TypeScript client, second generation.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { software } from '../lib/driver.mjs';
import { journey } from '../lib/journey.mjs';

await journey({
  open: (url, authProvider) => ({
    // auto: the newest revision of the protocol, where the server speaks it.
    client: new Client({ name: 'ts-v2', version: '1.0.0' }, { versionNegotiation: { mode: 'auto' } }),
    transport: new StreamableHTTPClientTransport(url, { authProvider }),
  }),
  finish: (transport, callback) => transport.finishAuth(callback),
  software: software('@modelcontextprotocol/client'),
  loginRequired: (error) => error instanceof UnauthorizedError,
});
