// An OAuthClientProvider, as both generations of the official TypeScript client ask for, that keeps everything in memory
// and sends its "browser" to the test driver.
export class MemoryProvider {
  constructor(loginURL, { offlineAccess = false, ...registration } = {}) {
    this.loginURL = loginURL;
    this.registration = registration;
    this.offlineAccess = offlineAccess;
  }

  // Nobody listens here: the test driver reads the redirect instead of following it.
  get redirectUrl() {
    return 'http://127.0.0.1:33418/callback';
  }

  get clientMetadata() {
    return {
      client_name: 'latchkey end-to-end test',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: process.env.E2E_CLIENT_AUTH,
      ...this.registration,
    };
  }

  state() {
    this.expectedState = crypto.randomUUID();
    return this.expectedState;
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(information) {
    this.client = information;
  }

  tokens() {
    return this.saved;
  }

  saveTokens(tokens) {
    this.saved = tokens;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveDiscoveryState(state) {
    this.discovery = state;
  }

  discoveryState() {
    return this.discovery;
  }

  invalidateCredentials(scope) {
    if (scope === 'all' || scope === 'client') this.client = undefined;
    if (scope === 'all' || scope === 'tokens') this.saved = undefined;
    if (scope === 'all' || scope === 'verifier') this.verifier = undefined;
    if (scope === 'all' || scope === 'discovery') this.discovery = undefined;
  }

  async redirectToAuthorization(url) {
    const target = new URL(url);
    if (this.offlineAccess) {
      const scopes = new Set((target.searchParams.get('scope') ?? '').split(' ').filter(Boolean));
      target.searchParams.set('scope', [...scopes.add('offline_access')].join(' '));
      target.searchParams.set('prompt', 'consent');
    }
    const answer = await fetch(this.loginURL, { method: 'POST', body: JSON.stringify({ url: target.href }) });
    const result = await answer.json();
    if (!answer.ok) throw new Error(`login failed: ${result.error}`);
    this.callback = new URL(result.redirect).searchParams;
    if (this.callback.get('state') !== this.expectedState) throw new Error('the callback carries another state');
    if (this.callback.has('error')) {
      throw new Error(`login refused: ${this.callback.get('error')}: ${this.callback.get('error_description')}`);
    }
  }
}
