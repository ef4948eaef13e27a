// openid-client: discovery, client_credentials by header and form, introspection, revocation, refresh.
import { readFileSync } from "node:fs";
import * as client from "openid-client";

const given = JSON.parse(readFileSync(0));
const issuer = new URL(given.issuer);
// The library's own switch for http on this machine.
const here = { execute: [client.allowInsecureRequests] };
const seen = {};

for (const [name, auth] of [["basic", client.ClientSecretBasic], ["post", client.ClientSecretPost]]) {
    const config = await client.discovery(issuer, given.id, undefined, auth(given.key), here);
    const token = await client.clientCredentialsGrant(config, { scope: "user:read token:introspect" });
    const before = await client.tokenIntrospection(config, token.access_token);
    await client.tokenRevocation(config, token.access_token);
    let after = before;
    for (let round = 0; after.active && round < 100; round++) {
        await new Promise((done) => setTimeout(done, 50));
        after = await client.tokenIntrospection(config, token.access_token);
    }
    seen[name] = [token.token_type, token.scope, before.active, before.client_id === given.id, after];
}

const wrong = await client.discovery(issuer, given.id, undefined, client.ClientSecretBasic("wrong"), here);
seen.wrong = await client.clientCredentialsGrant(wrong).then(() => "accepted", (error) => [error.status, error.error, error.cause?.[0]?.scheme]);

const app = await client.discovery(issuer, "web", undefined, client.None(), here);
const next = await client.refreshTokenGrant(app, given.refresh_token);
await client.tokenRevocation(app, next.refresh_token);
seen.refresh = await client.refreshTokenGrant(app, next.refresh_token).then(() => "accepted", (error) => error.error);
console.log(JSON.stringify(seen));
