# Reads events with nats-py as an app of one tenant. On standard input: { url, tenants }; on standard output: for each
# tenant the subjects that it was given, or null where the server refuses.
import asyncio
import json
import sys

import nats


async def quiet(_):
    pass


async def main():
    given = json.load(sys.stdin)
    client = await nats.connect(
        given["url"], user="acme", password="of acme", inbox_prefix=b"_INBOX_acme", error_cb=quiet)
    stream = client.jetstream(timeout=5)
    said = []
    for tenant in given["tenants"]:
        try:
            pull = await stream.pull_subscribe(f"nexus.{tenant}.>", durable="acme-billing", stream="nexus-events")
            messages = await pull.fetch(100, timeout=5)
            for message in messages:
                await message.ack()
            said.append([message.subject for message in messages])
        except nats.errors.TimeoutError:
            said.append(None)
    print(json.dumps(said))


asyncio.run(main())
