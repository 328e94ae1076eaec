// A real OpenID provider: whoever signs in there is who they say they are, in the group of their name.
import { Provider } from 'oidc-provider';

const people = {
  lead: { groups: ['south-leads', 'team-leads'] },
  one: { groups: ['agents'], agent_id: 'agent-01' },
  stranger: { groups: ['guests'] },
};

export async function start(port, back) {
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'aftercall', client_secret: 'a secret for tests', redirect_uris: [back] }],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups', 'agent_id'] },
    cookies: { keys: ['tests'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, ...people[id] }),
    }),
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  });
  return new Promise((resolve) => {
    const server = provider.listen(port, '127.0.0.1', () => resolve(server));
  });
}
