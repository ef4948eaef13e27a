// oauth4webapi by RFC 8414's metadata, and jose by the remote key set.
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";

const given = JSON.parse(readFileSync(0));
const issuer = new URL(given.issuer);
// The library's own switch for http on this machine.
const here = { [oauth.allowInsecureRequests]: true };
const seen = {};

const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...here });
const server = await oauth.processDiscoveryResponse(issuer, found);
const program = { client_id: given.id };
const auth = oauth.ClientSecretPost(given.key);

const asked = await oauth.clientCredentialsGrantRequest(server, program, auth, new URLSearchParams({ scope: "user:read" }), here);
const token = await oauth.processClientCredentialsResponse(server, program, asked);
seen.scope = token.scope;

const keys = createRemoteJWKSet(new URL(server.jwks_uri));
const expected = { issuer: server.issuer, audience: "nexus", typ: "at+jwt", requiredClaims: ["jti", "sub"] };
const { payload, protectedHeader } = await jwtVerify(token.access_token, keys, expected);
seen.jose = [payload.tenant, payload.client_id === given.id, server.id_token_signing_alg_values_supported.includes(protectedHeader.alg)];
const forged = token.access_token.slice(0, -8) + "AAAAAAAA";
seen.forged = await jwtVerify(forged, keys, expected).then(() => "accepted", (error) => error.code);

const told = await oauth.introspectionRequest(server, program, auth, token.access_token, here);
seen.active = (await oauth.processIntrospectionResponse(server, program, told)).active;
const ended = await oauth.revocationRequest(server, program, auth, token.access_token, here);
seen.revoked = (await oauth.processRevocationResponse(ended)) === undefined;

const app = { client_id: "web" };
const refreshed = await oauth.refreshTokenGrantRequest(server, app, oauth.None(), given.refresh_token, here);
const next = await oauth.processRefreshTokenResponse(server, app, refreshed);
seen.refreshed = next.refresh_token !== given.refresh_token;
console.log(JSON.stringify(seen));
