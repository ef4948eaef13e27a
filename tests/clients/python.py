# Authlib for the grants, PyJWT's client for the keys.
import json, sys, time

import jwt
import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError

given = json.load(sys.stdin)
issuer = given["issuer"]
server = requests.get(issuer + "/.well-known/openid-configuration", timeout=60).json()
seen = {"issuer": server["issuer"] == issuer}

keys = jwt.PyJWKClient(server["jwks_uri"])
for method in ("client_secret_basic", "client_secret_post"):
    program = OAuth2Session(given["id"], given["key"], token_endpoint_auth_method=method)
    token = program.fetch_token(server["token_endpoint"], grant_type="client_credentials", scope="user:read token:introspect")
    key = keys.get_signing_key_from_jwt(token["access_token"])
    claims = jwt.decode(token["access_token"], key, algorithms=server["id_token_signing_alg_values_supported"],
                        audience="nexus", issuer=issuer, options={"require": ["exp", "iat", "nbf", "sub", "jti"]})
    ask = lambda: program.introspect_token(server["introspection_endpoint"], token=token["access_token"]).json()
    before = ask()["active"]
    ended = program.revoke_token(server["revocation_endpoint"], token=token["access_token"]).status_code
    for _ in range(100):
        after = ask()
        if not after["active"]:
            break
        time.sleep(0.05)
    seen[method] = [claims["tenant"], before, ended, after]

try:
    OAuth2Session(given["id"], "wrong").fetch_token(server["token_endpoint"], grant_type="client_credentials")
    seen["wrong"] = "accepted"
except OAuthError as error:
    seen["wrong"] = error.error

app = OAuth2Session("web", token_endpoint_auth_method="none")
new = app.refresh_token(server["token_endpoint"], refresh_token=given["refresh_token"])
seen["refreshed"] = new["refresh_token"] != given["refresh_token"]
print(json.dumps(seen))
