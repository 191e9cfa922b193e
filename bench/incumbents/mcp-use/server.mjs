// mcp-use as its documentation sets it up: a stateless server with a custom OAuth provider, one tool and one route.
import { MCPServer, jwksVerifier, oauthCustomProvider, text } from "mcp-use/server";

const { JWKS_URL, ISSUER, AUDIENCE, PORT } = process.env;
const server = new MCPServer({
  name: "bench",
  version: "1.0.0",
  stateless: true,
  baseUrl: new URL(AUDIENCE).origin,
  oauth: oauthCustomProvider({
    issuer: ISSUER,
    jwksUrl: JWKS_URL,
    authEndpoint: `${ISSUER}authorize`,
    tokenEndpoint: `${ISSUER}oauth/token`,
    verifyToken: jwksVerifier({ jwksUrl: JWKS_URL, issuer: ISSUER, audience: AUDIENCE }),
  }),
});
server.tool({ name: "whoami", description: "says who calls" }, async (_args, ctx) => text(ctx.auth.user.userId));
await server.listen(Number(PORT));
// Only a route that is added after listen is behind the bearer check.
(server.app ?? server).get("/mcp/whoami", (c) => c.text(c.get("auth").user.userId));
process.stdin.on("end", () => process.exit(0)).resume();
