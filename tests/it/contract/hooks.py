"""What schemathesis is given to ask a server with: a token, keys of its own, and what it must not see."""

import itertools
import json
import os
import subprocess
import urllib.parse
import uuid

import schemathesis

calls = itertools.count()


@schemathesis.auth(refresh_interval=2)
class Administrator:
    """A new token every two seconds: what is asked may have ended the session of the one before. It is minted
    by the command line, because what is asked locks accounts, too."""

    def get(self, case, context):
        return subprocess.check_output(json.loads(os.environ["CONTRACT_MINT"]), text=True, timeout=60).strip()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, kwargs):
    # The administrator whose tokens these are is not disabled, deleted or renamed: somebody else is.
    for name, value in (case.path_parameters or {}).items():
        if value == os.environ["CONTRACT_OWN_ID"]:
            case.path_parameters[name] = os.environ["CONTRACT_OTHER_ID"]
        # The client would take these away (RFC 3986, section 5.2.4), and ask another path.
        if urllib.parse.unquote(str(value)) in (".", ".."):
            case.path_parameters[name] = "..."
    # With one key for all requests each would be refused for it, and nothing else be tried. Some keep it, so that
    # it is seen what is answered then.
    if case.headers and case.headers.get("Idempotency-Key") and next(calls) % 20:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.check
def other_tenant_unseen(context, response, case):
    assert os.environ["CONTRACT_CANARY"] not in response.text, "an answer has what is another tenant's"
