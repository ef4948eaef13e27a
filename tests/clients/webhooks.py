# Verifies what was received with standardwebhooks of PyPI. On standard input: a list of { secret, headers, body }; on
# standard output: for each { v1, type }.
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

said = []
for it in json.load(sys.stdin):
    try:
        said.append({"v1": True, "type": Webhook(it["secret"]).verify(it["body"], it["headers"])["type"]})
    except WebhookVerificationError:
        said.append({"v1": False, "type": None})
print(json.dumps(said))
