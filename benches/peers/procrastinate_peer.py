"""Jobs per second of procrastinate: as many at once as one process of Nexus runs."""

import asyncio
import os
import sys
import time

import procrastinate

# libpq's variables say where the server is.
app = procrastinate.App(connector=procrastinate.PsycopgConnector(min_size=4, max_size=20))


@app.task(name="nothing", pass_context=False)
async def nothing():
    pass


async def main():
    jobs = int(os.environ["JOBS"])
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for at in range(0, jobs, 1000):
            await nothing.batch_defer_async(*({} for _ in range(min(1000, jobs - at))))
        began = time.perf_counter()
        # Until nothing is left.
        await app.run_worker_async(
            concurrency=16, wait=False, install_signal_handlers=False, delete_jobs="always", listen_notify=False
        )
        sys.stdout.write(f"{jobs / (time.perf_counter() - began)}\n")


asyncio.run(main())
